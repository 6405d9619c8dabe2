"""The directions in which states spread, drawn: how much they hold and how they turn over steps."""

from __future__ import annotations

import plotly.graph_objects as go

from depthscope.figures.style.curves import beside_untrained, by_step
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import HEIGHT, INK, MUTED, RULE, colour, figure
from depthscope.probes.instruments.pca import Pca


def variance_over_steps(result: Pca, scheme: Scheme) -> go.Figure:
    """Share of the spread of new instances' states that three shared directions hold, at every step."""
    fig = figure(scheme, height=HEIGHT, x="step", y="share of the variance")
    beside_untrained(fig, result.trained.by_step, result.untrained.by_step, scheme)
    fig.add_hline(
        y=float(result.permuted.sum()), line={"color": INK[scheme], "width": 1, "dash": "dot"},
        annotation_text="coordinates shuffled", annotation_position="bottom right", annotation_font_size=11,
    )  # fmt: skip
    fig.update_yaxes(range=[0, 1.04])
    return fig


def angles_over_steps(result: Pca, scheme: Scheme) -> go.Figure:
    """Angles between each step's own three directions and the last step's, with those between two halves."""
    fig = figure(scheme, height=HEIGHT, x="step", y="angle with the last step's, degrees")
    for k in range(result.trained.angle.shape[1]):
        by_step(fig, result.trained.angle[:, k], f"angle {k + 1}", colour(scheme, k))
        if k == result.trained.angle.shape[1] - 1:
            by_step(fig, result.trained.ceiling[:, k], "two halves, angle 3", RULE[scheme], "dot")
            by_step(fig, result.untrained.angle[:, k], "untrained, angle 3", MUTED[scheme], "dash")
    fig.update_yaxes(range=[-2, 94], tickvals=[0, 30, 60, 90])
    return fig
