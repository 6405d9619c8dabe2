"""The answer traced back: how much of each node's state after step s is in the answer's last, drawn step by node."""

from __future__ import annotations

import csv
import html
import io

import numpy as np
import plotly.graph_objects as go

from depthscope.core.encoding import NEVER
from depthscope.core.tasks.wording import clipped
from depthscope.figures.instruments.edits import LEAST, MOST, ROW, rows_by_time
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import INK, MUTED, PAPER, colourscale, figure

MAX_TOLD = 40_000
"""Cells that say their names on hovering; in larger maps the axes do."""


def shares(value: np.ndarray) -> np.ndarray:
    """Each step's values as shares of their sum, (T+1, n); 0 where all are 0."""
    total = value.sum(1, keepdims=True)
    return np.divide(value, total, out=np.zeros_like(value, dtype=np.float64), where=total > 0)


def of_largest(value: np.ndarray) -> np.ndarray:
    """Each step's values as shares of the largest, (T+1, n) in [0, 1]."""
    largest = value.max(1, keepdims=True)
    return np.divide(value, largest, out=np.zeros_like(value, dtype=np.float64), where=largest > 0)


def answer_traced_back(
    value: np.ndarray, time: np.ndarray, path: np.ndarray, labels: tuple[str, ...], scheme: Scheme
) -> go.Figure:
    """Share of every node in the answer's last state, by the step of the node's state; rows in the oracle's order.

    Colours compare the nodes of one step: the largest is full.

    Args:
        value: (T+1, n) what the answer's last state takes of each state after s steps, not negative.
        time: (n,) step at which the oracle has each node, NEVER or negative for never.
        path: (n,) whether a node is on the path.
        labels: Of the nodes.
        scheme: Colours.
    """
    order, (rows, n) = rows_by_time(time), value.shape
    part, shade = shares(value)[:, order].T, of_largest(value)[:, order].T
    shown = [html.escape(clipped(labels[i], 18)) for i in order]
    told = None
    if part.size <= MAX_TOLD:
        on = ["<br>on the path" if path[i] else "" for i in order]
        told = [
            [f"<b>{shown[r]}, after step {s}</b><br>share {part[r, s]:.3f}{on[r]}" for s in range(rows)]
            for r in range(n)
        ]
    fig = figure(scheme, height=int(np.clip(ROW * n + 90, LEAST, MOST)), x="state after step s", y="", legend=True)
    fig.add_heatmap(
        z=shade, x=np.arange(rows), y=np.arange(n), text=told, zmin=0, zmax=1, colorscale=colourscale(scheme),
        hovertemplate="%{text}<extra></extra>" if told is not None else "step %{x}: %{z:.2f}<extra></extra>",
        xgap=1 if rows <= 60 else 0, ygap=1 if n <= 50 else 0,
        colorbar={
            "thickness": 10, "len": 1, "outlinewidth": 0, "tickfont": {"color": MUTED[scheme], "size": 11}, "xpad": 6,
            "tickvals": [0, 0.5, 1], "ticktext": ["0", ".5", "1"],
            "title": {"text": "share of the largest", "side": "right", "font": {"size": 11}},
        },
    )  # fmt: skip
    _front(fig, time[order], path[order], rows, scheme)
    every = -(-n // 40)
    fig.update_yaxes(tickvals=list(range(0, n, every)), ticktext=shown[::every], range=[n - 0.5, -0.5], showgrid=False)
    fig.update_xaxes(range=[-0.5, rows - 0.5], showgrid=False)
    return fig


def _front(fig: go.Figure, time: np.ndarray, path: np.ndarray, rows: int, scheme: Scheme) -> None:
    """The path's nodes at the step at which the oracle has them, joined in their order."""
    at = np.flatnonzero(path & (time >= 0) & (time != NEVER) & (time < rows))
    if not len(at):
        return
    where = {"x": time[at], "y": at, "hoverinfo": "skip", "mode": "lines+markers"}
    fig.add_scatter(line={"color": PAPER[scheme], "width": 5}, marker={"size": 8, "color": PAPER[scheme]},
                    showlegend=False, **where)  # fmt: skip
    fig.add_scatter(line={"color": INK[scheme], "width": 1.6}, marker={"size": 5, "color": INK[scheme]},
                    name="the path, as the oracle comes to know it", **where)  # fmt: skip


def as_csv(values: dict[str, np.ndarray], path: np.ndarray, labels: tuple[str, ...]) -> str:
    """Every state's share in the answer's last, a line each.

    Args:
        values: Name to (T+1, n).
        path: (n,) whether a node is on the path.
        labels: Of the nodes.
    """
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["step", "node", "label", *values, "on path"])
    parts = [shares(value) for value in values.values()]
    for s, i in np.ndindex(parts[0].shape):
        table.writerow([s, i, labels[i], *(f"{part[s, i]:.6g}" for part in parts), int(path[i])])
    return out.getvalue()
