"""The author's published numbers, drawn beside a measured frontier."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from depthscope.core.frontier import NO_DIFFICULTY, Frontier
from depthscope.figures.frontier.published import Best, Grid, published
from depthscope.figures.frontier.words import axis, in_order
from depthscope.figures.style.cells import cells, name_rows
from depthscope.figures.style.curves import error_bars, line, shade
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import HEIGHT, INK, MAIN, MUTED, PAPER, colour, figure

DARK = 0.72
"""Accuracy from which the map is so far from the page that text on it takes the colour of the page."""


def paper_beside(frontier: Frontier | None, task: str, name: str, scheme: Scheme) -> go.Figure:
    """What the author published for a task: a grid of steps, or the best over them.

    Raises:
        ValueError: If the author published none.
    """
    numbers = published(task)
    if numbers is None:
        raise ValueError(f"the paper has no frontier of {task!r}")
    if isinstance(numbers, Grid):
        return paper_grid(numbers, frontier, name, scheme)
    return paper_best(numbers, frontier, name, scheme)


def paper_grid(grid: Grid, frontier: Frontier | None, name: str, scheme: Scheme) -> go.Figure:
    """The published accuracies as a heatmap with their numbers; hovering tells ours at the same cell."""
    fig = figure(scheme, height=HEIGHT, x="steps T (those published)", y="hops")
    ours = cells_of(grid, frontier)
    texts = [
        [
            f"<b>hops {d}, T = {t}</b><br>paper {grid.accuracy[i, k]:.2f}"
            + (f"<br>{name} {ours[i, k]:.3f}" if np.isfinite(ours[i, k]) else "<br>not measured here")
            for k, t in enumerate(grid.steps)
        ]
        for i, d in enumerate(grid.difficulty)
    ]
    columns, rows = np.arange(len(grid.steps)), np.arange(len(grid.difficulty))
    cells(fig, scheme, grid.accuracy, columns, rows, least=0.5, text=texts, showscale=False)
    for i, k in np.ndindex(grid.accuracy.shape):
        value = grid.accuracy[i, k]
        fig.add_annotation(
            x=k, y=i, text=f"{value:.2f}".removeprefix("0"), showarrow=False,
            font={"size": 11, "color": PAPER[scheme] if value > DARK else INK[scheme]},
        )  # fmt: skip
    inside = np.flatnonzero((grid.difficulty >= grid.trained[0]) & (grid.difficulty <= grid.trained[1]))
    within = np.flatnonzero((grid.steps >= grid.trained_steps[0]) & (grid.steps <= grid.trained_steps[1]))
    left, right, low, high = within[0] - 0.5, within[-1] + 0.5, inside[0] - 0.5, inside[-1] + 0.5
    x, y = [left, right, right, left, left], [low, low, high, high, low]
    line(fig, x, y, "trained on", INK[scheme], "4px,3px", width=1.5, hover="")
    name_rows(fig, [str(d) for d in grid.difficulty], len(rows))
    steps = [str(t) for t in grid.steps]
    fig.update_xaxes(tickvals=columns, ticktext=steps, range=[-0.5, len(columns) - 0.5], showgrid=False)
    return fig


def cells_of(grid: Grid, frontier: Frontier | None) -> np.ndarray:
    """A frontier's accuracy at the cells of a grid, NaN where it was not measured."""
    result = np.full(grid.accuracy.shape, np.nan)
    if frontier is None:
        return result
    row = {int(d): i for i, d in enumerate(frontier.difficulty)}
    for i, d in enumerate(grid.difficulty):
        for k, t in enumerate(grid.steps):
            if int(d) in row and t <= len(frontier.steps):
                result[i, k] = frontier.accuracy[row[int(d)], t - 1]
    return result


def paper_best(best: Best, frontier: Frontier | None, name: str, scheme: Scheme) -> go.Figure:
    """Accuracy at the best step by difficulty: the author's, and what is measured here, with its interval."""
    fig = figure(scheme, height=HEIGHT, x=axis(best.task), y="accuracy at the best step")
    line(
        fig, best.difficulty, best.accuracy, "paper", MUTED[scheme], "dash", True,
        marker={"symbol": "square", "size": 7},
    )  # fmt: skip
    if frontier is not None:
        rows = [d for d in in_order(frontier.difficulty) if d != NO_DIFFICULTY]
        at = [frontier.difficulty.tolist().index(d) for d in rows]
        top = frontier.accuracy[at].argmax(axis=1)
        y, low, high = (values[at, top] for values in (frontier.accuracy, frontier.low, frontier.high))
        line(
            fig, rows, y, name, MAIN[scheme], markers=True, marker={"size": 7},
            error_y=error_bars(y, low, high, MAIN[scheme]), customdata=np.stack([low, high, top + 1], axis=1),
            hover=f"{name}: %{{y:.3f}} [%{{customdata[0]:.3f}}, %{{customdata[1]:.3f}}] at %{{x}}, "
            "T = %{customdata[2]:.0f}<extra></extra>",
        )  # fmt: skip
    shade(fig, scheme, best.trained, best.trained[1], "trained in the paper")
    fig.add_hline(y=0.5, line={"color": colour(scheme, 4), "width": 1, "dash": "dot"})
    fig.update_yaxes(range=[0.45, 1.02])
    fig.update_xaxes(showgrid=False)
    return fig
