"""Growth of small disturbances, drawn step by step."""

from __future__ import annotations

import plotly.graph_objects as go

from depthscope.figures.style.curves import by_step
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import HEIGHT, INK, MUTED, colour, figure
from depthscope.probes.instruments.lyapunov import Lyapunov


def growth_over_steps(result: Lyapunov, scheme: Scheme) -> go.Figure:
    """Growth of a small disturbance at each step; below 0 it dies out."""
    fig = figure(scheme, height=HEIGHT, x="step", y="growth, nats a step")
    for k in range(result.trained.growth.shape[1]):
        name = ("trained", "its second direction", "its third")[k] if k < 3 else f"its direction {k + 1}"
        by_step(fig, result.trained.growth[:, k], name, colour(scheme, k))
    by_step(fig, result.untrained.growth[:, 0], "untrained", MUTED[scheme], "dash")
    fig.add_hline(y=0, line={"color": INK[scheme], "width": 1, "dash": "dot"})
    return fig
