"""Exit rules drawn: accuracy against mean steps, each rule beside random exits with the same mean."""

from __future__ import annotations

import csv
import io

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.frontier.figures import HEIGHT
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import INK, MUTED, PAPER, colour, figure
from depthscope.probes.instruments.exit import ExitCurve, ExitScores

MARKERS = {"kl": "circle", "change_answer": "square", "change_all": "diamond", "stable": "triangle-up"}


def accuracy_over_mean_steps(scores: ExitScores, scheme: Scheme) -> go.Figure:
    """A curve for each rule, a thin dotted one for its control, the fixed number of steps and the oracle's point."""
    fig = figure(scheme, height=HEIGHT + 48, x="mean steps run", y="share right")
    fig.add_scatter(
        x=scores.fixed.steps, y=scores.fixed.accuracy, mode="lines", name=scores.fixed.title,
        line={"color": MUTED[scheme], "width": 2, "dash": "dash"}, hovertemplate=_TOLD, customdata=_told(scores.fixed),
    )  # fmt: skip
    for k, (name, curve) in enumerate(scores.rules.items()):
        order = np.lexsort((curve.accuracy, curve.steps))
        hue, x = colour(scheme, k), curve.steps[order]
        fig.add_scatter(
            x=x, y=curve.control[order], mode="lines", name=f"{curve.title}: random exits", legendgroup=name,
            showlegend=False, line={"color": hue, "width": 1, "dash": "dot"}, hoverinfo="skip",
        )  # fmt: skip
        y = curve.accuracy[order]
        bars = {"thickness": 1, "width": 0, "color": hue}
        fig.add_scatter(
            x=x, y=y, mode="lines+markers", name=curve.title, legendgroup=name,
            line={"color": hue, "width": 2}, marker={"symbol": MARKERS[name], "size": 7, "color": hue},
            error_y={"array": curve.high[order] - y, "arrayminus": y - curve.low[order], **bars},
            error_x={"array": curve.steps_high[order] - x, "arrayminus": x - curve.steps_low[order], **bars},
            hovertemplate=_TOLD, customdata=_told(curve)[order],
        )  # fmt: skip
    fig.add_scatter(
        x=scores.oracle.steps, y=scores.oracle.accuracy, mode="markers", name=scores.oracle.title,
        marker={"symbol": "star", "size": 15, "color": INK[scheme], "line": {"width": 1.5, "color": PAPER[scheme]}},
        hovertemplate=_TOLD, customdata=_told(scores.oracle),
    )  # fmt: skip
    fig.update_layout(margin_t=56)
    fig.update_xaxes(rangemode="tozero")
    fig.update_yaxes(range=[min(0.45, float(scores.fixed.accuracy.min()) - 0.03), 1.03])
    return fig


def best_rule(scores: ExitScores) -> str:
    """One sentence: the fewest mean steps at which a rule is within .01 of the full run. Plain text."""
    due = float(scores.fixed.accuracy[-1]) - 0.01
    found = [
        (float(curve.steps[k]), curve, k)
        for curve in scores.rules.values()
        for k in np.flatnonzero(curve.accuracy >= due)
    ]
    fixed = int(scores.fixed.steps[np.flatnonzero(scores.fixed.accuracy >= due)[0]])
    need = f"the oracle needs {float(scores.oracle.steps[0]):.1f}"
    if not found:
        return f"No rule comes within .01 of the full run; a fixed number of steps does with {fixed}, {need}."
    steps, curve, k = min(found, key=lambda x: x[0])
    return (
        f"“{curve.title}” is right on {curve.accuracy[k]:.3f} after {steps:.1f} steps on average, where random exits "
        f"get {curve.control[k]:.3f}; the same takes a fixed {fixed} steps, and {need}."
    )


def as_csv(scores: ExitScores) -> str:
    """Every point of every curve, a line each; those of the untrained network come last."""
    out = io.StringIO()
    table = csv.writer(out)
    columns = [name for name in vars(scores.oracle) if name != "title"]
    table.writerow(["rule", *columns])
    curves = {**scores.rules, "fixed": scores.fixed, "oracle": scores.oracle}
    for name, curve in {**curves, **{f"untrained {x}": curve for x, curve in scores.untrained.items()}}.items():
        for k in range(len(curve.threshold)):
            values = [getattr(curve, column)[k] for column in columns]
            table.writerow([name, *("" if np.isnan(x) else f"{x:.6g}" for x in values)])
    return out.getvalue()


_TOLD = "%{customdata}<extra></extra>"


def _told(curve: ExitCurve) -> np.ndarray:
    """What hovering over a point says, (K,)."""
    said = []
    for k, threshold in enumerate(curve.threshold):
        at = "" if np.isnan(threshold) else f", threshold {threshold:.3g}"
        said.append(
            f"<b>{curve.title}</b>{at}<br>"
            f"accuracy {curve.accuracy[k]:.3f} [{curve.low[k]:.3f}, {curve.high[k]:.3f}]<br>"
            f"steps {curve.steps[k]:.2f} [{curve.steps_low[k]:.2f}, {curve.steps_high[k]:.2f}]<br>"
            f"random exits {curve.control[k]:.3f}, gain [{curve.gain_low[k]:+.3f}, {curve.gain_high[k]:+.3f}]"
        )
    return np.array(said, dtype=object)
