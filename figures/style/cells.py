"""What maps of cells are drawn with: the cells with their scale of colours, names of rows, a line over the cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import INK, MUTED, PAPER, colourscale

MANY_ROWS, MANY_COLUMNS = 60, 80
"""More cells than these stand without gaps."""


def cells(
    fig: go.Figure,
    scheme: Scheme,
    z: np.ndarray,
    x: Sequence[Any] | np.ndarray,
    y: Sequence[Any] | np.ndarray,
    *,
    least: float = 0.0,
    ticks: tuple[str, str, str] = ("0", ".5", "1"),
    title: str = "",
    hover: str = "%{text}<extra></extra>",
    **more: Any,
) -> None:
    """Values as colour, the same colour for the same value in every figure.

    Args:
        fig: Gets the cells.
        scheme: Light or dark.
        z: Values, rows by columns; NaN is blank.
        x: Of the columns.
        y: Of the rows.
        least: Value of the first colour; 1 has the last.
        ticks: What is written beside the least, the middle and the largest value of the scale.
        title: Of the scale.
        hover: What hovering says.
        more: Of the heatmap.
    """
    titled = {"title": {"text": title, "side": "right", "font": {"size": 11}}} if title else {}
    bar = {
        "thickness": 10, "len": 1, "outlinewidth": 0, "tickfont": {"color": MUTED[scheme], "size": 11}, "xpad": 6,
        "tickvals": [least, (least + 1) / 2, 1], "ticktext": ticks, **titled,
    }  # fmt: skip
    gaps = {"xgap": int(len(x) <= MANY_COLUMNS), "ygap": int(len(y) <= MANY_ROWS)}
    fig.add_heatmap(
        z=z, x=x, y=y, zmin=least, zmax=1, colorscale=colourscale(scheme), colorbar=bar, hovertemplate=hover,
        hoverongaps=False, **{**gaps, **more},
    )  # fmt: skip


def name_rows(fig: go.Figure, names: Sequence[str], most: int, *, down: bool = False) -> None:
    """Names rows 0, 1, ... of cells, every second or third where there are more than fit, from below or `down`."""
    every = max(1, -(-len(names) // most))
    ends = [-0.5, len(names) - 0.5]
    fig.update_yaxes(
        tickvals=list(range(0, len(names), every)), ticktext=list(names[::every]), range=ends[::-1] if down else ends,
        showgrid=False,
    )  # fmt: skip


def over_cells(
    fig: go.Figure, scheme: Scheme, x: Any, y: Any, name: str, width: float, dash: str = "solid", dot: int = 0
) -> None:
    """A dark line over cells, on a broader one of the page's colour, with dots of a size if any."""
    common = {"x": x, "y": y, "hoverinfo": "skip", "mode": "lines+markers" if dot else "lines"}
    fig.add_scatter(
        line={"color": PAPER[scheme], "width": width + 3}, marker={"size": dot + 3, "color": PAPER[scheme]},
        showlegend=False, **common,
    )  # fmt: skip
    fig.add_scatter(
        line={"color": INK[scheme], "width": width, "dash": dash}, marker={"size": dot, "color": INK[scheme]},
        name=name, **common,
    )  # fmt: skip
