"""The answer traced back: how much of each node's state after step s is in the answer's last, drawn step by node."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from depthscope.core.encoding import NEVER
from depthscope.core.tasks.wording import clipped
from depthscope.figures.instruments.edits import LEAST, MOST, ROW, rows_by_time
from depthscope.figures.style.cells import cells, name_rows, over_cells
from depthscope.figures.style.csv_text import csv_text, number
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import figure

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
    texts = None
    if part.size <= MAX_TOLD:
        on = ["<br>on the path" if path[i] else "" for i in order]
        texts = [
            [f"<b>{shown[r]}, after step {s}</b><br>share {part[r, s]:.3f}{on[r]}" for s in range(rows)]
            for r in range(n)
        ]
    fig = figure(scheme, height=int(np.clip(ROW * n + 90, LEAST, MOST)), x="state after step s", y="", legend=True)
    hover = "%{text}<extra></extra>" if texts is not None else "step %{x}: %{z:.2f}<extra></extra>"
    cells(fig, scheme, shade, np.arange(rows), np.arange(n), title="share of the largest", text=texts, hover=hover)
    since = time[order]
    at = np.flatnonzero(path[order] & (since >= 0) & (since != NEVER) & (since < rows))
    if len(at):
        over_cells(fig, scheme, since[at], at, "the path, as the oracle comes to know it", 1.6, dot=5)
    name_rows(fig, shown, 40, down=True)
    fig.update_xaxes(range=[-0.5, rows - 0.5], showgrid=False)
    return fig


def as_csv(values: dict[str, np.ndarray], path: np.ndarray, labels: tuple[str, ...]) -> str:
    """Every state's share in the answer's last, a line each.

    Args:
        values: Name to (T+1, n).
        path: (n,) whether a node is on the path.
        labels: Of the nodes.
    """
    parts = [shares(value) for value in values.values()]
    rows = (
        [s, i, labels[i], *(number(part[s, i]) for part in parts), int(path[i])] for s, i in np.ndindex(parts[0].shape)
    )
    return csv_text(["step", "node", "label", *values, "on path"], rows)
