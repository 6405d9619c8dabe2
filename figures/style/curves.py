"""What curves over steps are drawn with: a line, its interval, the trained range; and shares as text."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.frontier.figures import Span
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import BAND, MUTED, SHADE
from depthscope.probes.measuring.estimate import Estimate


def share(x: float) -> str:
    """A share as text: .565, 1.000."""
    return f"{x:.3f}".removeprefix("0") if np.isfinite(x) else "–"


def line(fig: go.Figure, t: np.ndarray, y: np.ndarray, name: str, hue: str, dash: str, markers: bool = False) -> None:
    """A curve with its name and, on hovering, its number."""
    fig.add_scatter(
        x=t, y=y, name=name, mode="lines+markers" if markers else "lines", marker={"size": 6, "color": hue},
        line={"color": hue, "dash": dash, "width": 2},
        hovertemplate=f"{name}: %{{y:.3f}} at %{{x}}<extra></extra>",
    )  # fmt: skip


def band(fig: go.Figure, t: np.ndarray, low: np.ndarray, high: np.ndarray, hue: str) -> None:
    """An interval, each stretch without gaps on its own, so that a gap is not filled."""
    has = np.isfinite(low) & np.isfinite(high)
    for part in np.split(np.flatnonzero(has), np.flatnonzero(np.diff(np.flatnonzero(has)) > 1) + 1):
        if len(part):
            edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
            fig.add_scatter(x=t[part], y=high[part], **edge)
            fig.add_scatter(x=t[part], y=low[part], fill="tonexty", fillcolor=hue, **edge)


def estimated(
    fig: go.Figure, t: np.ndarray, of: Estimate, name: str, hue: str, scheme: Scheme, markers: bool = False
) -> None:
    """A curve with its interval."""
    band(fig, t, of.low, of.high, BAND[scheme])
    line(fig, t, of.value, name, hue, "solid", markers)


def interval(of: Estimate) -> str:
    """A share with its interval as text, where it has one: .565 [.490, .641]."""
    between = f" [{share(float(of.low))}, {share(float(of.high))}]" if np.isfinite(of.low) else ""
    return f"{share(float(of))}{between}"


def shade(fig: go.Figure, scheme: Scheme, span: Span, most: int) -> None:
    """The trained range of steps, shaded as far as it is drawn, with its name."""
    if span is None or span[0] > most:
        return
    left, right = span[0] - 0.5, min(span[1], most) + 0.5
    fig.add_vrect(x0=left, x1=right, fillcolor=SHADE[scheme], line_width=0, layer="below")
    fig.add_annotation(
        x=(left + right) / 2, y=0, yref="y domain", yanchor="bottom", text="trained", showarrow=False,
        font={"size": 10, "color": MUTED[scheme]},
    )  # fmt: skip
