"""Exit rules drawn: accuracy against mean steps, each rule beside random exits with the same mean."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.csv_text import csv_text, number
from depthscope.figures.style.curves import error_bars, line
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import HEIGHT, INK, MUTED, PAPER, colour, figure
from depthscope.probes.instruments.exit import ExitCurve, ExitScores
from depthscope.probes.measuring.estimate import Estimate

MARKERS = {"kl": "circle", "change_answer": "square", "change_all": "diamond", "stable": "triangle-up"}


def accuracy_over_mean_steps(scores: ExitScores, scheme: Scheme) -> go.Figure:
    """A curve for each rule, a thin dotted one for its control, the fixed number of steps and the oracle's point."""
    fig = figure(scheme, height=HEIGHT + 48, x="mean steps run", y="share right")
    fixed = scores.fixed
    line(
        fig, fixed.steps.value, fixed.accuracy.value, fixed.title, MUTED[scheme], "dash", hover=HOVER,
        customdata=_hover(fixed),
    )  # fmt: skip
    for k, (name, curve) in enumerate(scores.rules.items()):
        order = np.lexsort((curve.accuracy.value, curve.steps.value))
        hue, steps, accuracy = colour(scheme, k), curve.steps[order], curve.accuracy[order]
        line(
            fig, steps.value, curve.control[order], f"{curve.title}: random exits", hue, "dot", width=1,
            legendgroup=name, showlegend=False, hover="",
        )  # fmt: skip
        line(
            fig, steps.value, accuracy.value, curve.title, hue, markers=True, legendgroup=name,
            marker={"symbol": MARKERS[name], "size": 7}, hover=HOVER, customdata=_hover(curve)[order],
            error_y=error_bars(accuracy.value, accuracy.low, accuracy.high, hue),
            error_x=error_bars(steps.value, steps.low, steps.high, hue),
        )  # fmt: skip
    fig.add_scatter(
        x=scores.oracle.steps.value, y=scores.oracle.accuracy.value, mode="markers", name=scores.oracle.title,
        marker={"symbol": "star", "size": 15, "color": INK[scheme], "line": {"width": 1.5, "color": PAPER[scheme]}},
        hovertemplate=HOVER, customdata=_hover(scores.oracle),
    )  # fmt: skip
    fig.update_layout(margin_t=56)
    fig.update_xaxes(rangemode="tozero")
    fig.update_yaxes(range=[min(0.45, float(scores.fixed.accuracy.value.min()) - 0.03), 1.03])
    return fig


def best_rule(scores: ExitScores) -> str:
    """One sentence: the fewest mean steps at which a rule is within .01 of the full run. Plain text."""
    least = scores.fixed.accuracy.value[-1] - 0.01
    enough = [
        (float(curve.steps.value[k]), curve, k)
        for curve in scores.rules.values()
        for k in np.flatnonzero(curve.accuracy.value >= least)
    ]
    fixed = int(scores.fixed.steps.value[scores.fixed.accuracy.value >= least][0])
    need = f"the oracle needs {scores.oracle.steps.value[0]:.1f}"
    if not enough:
        return f"No rule comes within .01 of the full run; a fixed number of steps does with {fixed}, {need}."
    steps, curve, k = min(enough, key=lambda x: x[0])
    return (
        f"“{curve.title}” is right on {curve.accuracy.value[k]:.3f} after {steps:.1f} steps on average, where random "
        f"exits get {curve.control[k]:.3f}; the same takes a fixed {fixed} steps, and {need}."
    )


def as_csv(scores: ExitScores) -> str:
    """Every point of every curve, a line each; those of the untrained network come last."""
    rows = []
    for name, curve in {**scores.curves, **{f"untrained {x}": y for x, y in scores.untrained.items()}}.items():
        rows += [[name, *map(number, row)] for row in zip(*_columns(curve).values(), strict=True)]
    return csv_text(["rule", *_columns(scores.oracle)], rows)


def _columns(curve: ExitCurve) -> dict[str, np.ndarray]:
    """Numbers of a curve by the name of a column, an estimate's beside the ends of its interval, (K,) each."""
    columns: dict[str, np.ndarray] = {}
    for name, x in vars(curve).items():
        if isinstance(x, Estimate):
            columns |= {name: x.value, f"{name}_low": x.low, f"{name}_high": x.high}
        elif name != "title":
            columns[name] = x
    return columns


HOVER = "%{customdata}<extra></extra>"


def _hover(curve: ExitCurve) -> np.ndarray:
    """What hovering over a point says, (K,)."""
    texts = []
    for k, threshold in enumerate(curve.threshold):
        at = "" if np.isnan(threshold) else f", threshold {threshold:.3g}"
        texts.append(
            f"<b>{curve.title}</b>{at}<br>accuracy {curve.accuracy[k]:.3f}<br>steps {curve.steps[k]:.2f}<br>"
            f"random exits {curve.control[k]:.3f}, gain {curve.gain[k]:+.3f}"
        )
    return np.array(texts, dtype=object)
