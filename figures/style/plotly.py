"""What all Plotly figures share: ink, paper and type of the app's two schemes, the sequential map, the modebar.

A figure is drawn whole for one scheme, paper included, so that its PNG and SVG look as they do on the page.
"""

from __future__ import annotations

from typing import Any, Literal

import plotly.graph_objects as go

from depthscope.figures.style.palette import HEADS, Scheme, sequential

PictureFormat = Literal["png", "svg"]
Span = tuple[int, int] | None
"""Fewest and most in training, of steps or of difficulty."""

HEIGHT = 392
"""Of most figures, in pixels."""

INK: dict[Scheme, str] = {"light": "#1c2030", "dark": "#e6e8f0"}
MUTED: dict[Scheme, str] = {"light": "#5d6379", "dark": "#9aa1b8"}
RULE: dict[Scheme, str] = {"light": "#e1e3ec", "dark": "#2a2e3f"}
PAPER: dict[Scheme, str] = {"light": "#ffffff", "dark": "#0e1018"}
SHADE: dict[Scheme, str] = {"light": "rgba(93,99,121,0.10)", "dark": "rgba(154,161,184,0.13)"}
"""Of the trained range, as in the linked views."""

MAIN: dict[Scheme, str] = {"light": "#443fa3", "dark": "#a9a6f5"}
BAND: dict[Scheme, str] = {"light": "rgba(68,63,163,0.16)", "dark": "rgba(169,166,245,0.20)"}
"""The measured line and its interval."""

FONT = "Inter, system-ui, sans-serif"


def colour(scheme: Scheme, k: int) -> str:
    """The k-th hue for lines that are told apart; they differ in dash or marker as well."""
    return HEADS[scheme][k % len(HEADS[scheme])]


def colourscale(scheme: Scheme, n_stops: int = 33) -> list[list[Any]]:
    """The sequential map as Plotly reads it."""
    rows = sequential(scheme, n_stops)
    return [[i / (n_stops - 1), f"rgb({r},{g},{b})"] for i, (r, g, b) in enumerate(rows.tolist())]


def figure(scheme: Scheme, *, height: int, x: str, y: str, legend: bool = True) -> go.Figure:
    """An empty figure in the app's type, with titled axes."""
    axis = {
        "gridcolor": RULE[scheme],
        "linecolor": RULE[scheme],
        "zeroline": False,
        "ticks": "",
        "tickfont": {"color": MUTED[scheme], "size": 11},
        "automargin": True,
    }
    titled = lambda text: {**axis, "title": {"text": text, "standoff": 8, "font": {"size": 12}}}  # noqa: E731
    return go.Figure(
        layout={
            "height": height,
            "margin": {"l": 8, "r": 8, "t": 34 if legend else 12, "b": 8},
            "paper_bgcolor": PAPER[scheme],
            "plot_bgcolor": PAPER[scheme],
            "font": {"family": FONT, "size": 12, "color": INK[scheme]},
            "hoverlabel": {
                "font": {"family": FONT, "size": 12, "color": INK[scheme]},
                "bgcolor": PAPER[scheme],
                "bordercolor": MUTED[scheme],
                "align": "left",
            },
            "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "font": {"size": 11}},
            "showlegend": legend,
            "xaxis": titled(x),
            "yaxis": titled(y),
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED[scheme], "activecolor": INK[scheme]},
            "uirevision": "kept",
        }
    )


def config(name: str, picture: PictureFormat) -> dict[str, Any]:
    """Plotly's modebar: save as a picture, zoom, reset; nothing that leaves the machine.

    Args:
        name: Of the picture's file, without its ending.
        picture: Its format.
    """
    return {
        "displaylogo": False,
        "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
        "toImageButtonOptions": {"format": picture, "filename": name, "scale": 2 if picture == "png" else 1},
    }
