"""What curves are drawn with: a line, its interval, error bars, the trained range; and shares as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import BAND, MAIN, MUTED, SHADE, Span
from depthscope.probes.measuring.estimate import Estimate


def share(x: float) -> str:
    """A share as text: .565, 1.000."""
    return f"{x:.3f}".removeprefix("0") if np.isfinite(x) else "–"


def line(
    fig: go.Figure,
    x: Any,
    y: Any,
    name: str,
    hue: str,
    dash: str = "solid",
    markers: bool = False,
    *,
    width: float = 2,
    marker: dict[str, Any] | None = None,
    hover: str | None = None,
    **more: Any,
) -> None:
    """A curve with its name and, on hovering, its number.

    Args:
        fig: Gets the curve.
        x: Steps or difficulties, (k,).
        y: Values, (k,).
        name: In the legend.
        hue: Colour of line and marks.
        dash: Kind of line.
        markers: Whether each point has a mark.
        width: Of the line, in pixels.
        marker: How the marks differ from plain ones.
        hover: What hovering says instead of name, y and x; nothing if empty.
        more: Of the scatter.
    """
    text = f"{name}: %{{y:.3f}} at %{{x}}<extra></extra>" if hover is None else hover
    fig.add_scatter(
        x=x, y=y, name=name, mode="lines+markers" if markers else "lines",
        marker={"size": 6, "color": hue, **(marker or {})}, line={"color": hue, "dash": dash, "width": width},
        **({"hovertemplate": text} if text else {"hoverinfo": "skip"}), **more,
    )  # fmt: skip


def error_bars(value: np.ndarray, low: np.ndarray, high: np.ndarray, hue: str, width: int = 0) -> dict[str, Any]:
    """Intervals as Plotly's error bars."""
    return {"array": high - value, "arrayminus": value - low, "thickness": 1, "width": width, "color": hue}


def band(fig: go.Figure, t: np.ndarray, low: np.ndarray, high: np.ndarray, hue: str) -> None:
    """An interval, each stretch without gaps on its own, so that a gap is not filled."""
    has = np.isfinite(low) & np.isfinite(high)
    for part in np.split(np.flatnonzero(has), np.flatnonzero(np.diff(np.flatnonzero(has)) > 1) + 1):
        if len(part):
            edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
            fig.add_scatter(x=t[part], y=high[part], **edge)
            fig.add_scatter(x=t[part], y=low[part], fill="tonexty", fillcolor=hue, **edge)


def estimated(
    fig: go.Figure, t: np.ndarray, of: Estimate, name: str, hue: str, scheme: Scheme, markers: bool = False, **more: Any
) -> None:
    """A curve with its interval."""
    band(fig, t, of.low, of.high, BAND[scheme])
    line(fig, t, of.value, name, hue, "solid", markers, **more)


def by_step(fig: go.Figure, y: np.ndarray, name: str, hue: str, dash: str = "solid") -> None:
    """A curve over steps 0, 1, ..."""
    line(fig, np.arange(len(y)), y, name, hue, dash, hover=f"step %{{x}}: %{{y:.3g}}<extra>{name}</extra>")


def beside_untrained(
    fig: go.Figure,
    trained: np.ndarray,
    untrained: np.ndarray,
    scheme: Scheme,
    ends: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """The trained network's curve over steps, with the ends of its interval if any, and an untrained one's."""
    if ends is not None:
        band(fig, np.arange(len(trained)), *ends, BAND[scheme])
    by_step(fig, trained, "trained", MAIN[scheme])
    by_step(fig, untrained, "untrained", MUTED[scheme], "dash")


def interval(of: Estimate) -> str:
    """A share with its interval as text, where it has one: .565 [.490, .641]."""
    between = f" [{share(float(of.low))}, {share(float(of.high))}]" if np.isfinite(of.low) else ""
    return f"{share(float(of))}{between}"


def shade(fig: go.Figure, scheme: Scheme, span: Span, most: int, text: str = "trained", top: bool = False) -> None:
    """The trained range of the x axis, shaded as far as it is drawn, with its name at the bottom or on top."""
    if span is None or span[0] > most:
        return
    left, right = span[0] - 0.5, min(span[1], most) + 0.5
    fig.add_vrect(x0=left, x1=right, fillcolor=SHADE[scheme], line_width=0, layer="below")
    fig.add_annotation(
        x=(left + right) / 2, y=int(top), yref="y domain", yanchor="top" if top else "bottom", text=text,
        showarrow=False, font={"size": 10, "color": MUTED[scheme]},
    )  # fmt: skip
