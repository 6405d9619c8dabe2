"""The frontier drawn: accuracy over difficulty x steps, one difficulty over steps, and T75 over difficulty.

Pure functions from a `core.frontier.Frontier` to a Plotly figure; what is not measured yet stays blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go

from depthscope.core.frontier import NO_DIFFICULTY, Frontier, stays_from, t75
from depthscope.figures.frontier.words import axis, difficulty_title, in_order, line_of
from depthscope.figures.style.cells import cells, name_rows, over_cells
from depthscope.figures.style.csv_text import csv_text, number
from depthscope.figures.style.curves import band, line, shade
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import BAND, HEIGHT, INK, MAIN, MUTED, Span, colour, figure

Measured = Literal["accuracy", "ceiling", "tpr", "tnr"]

MAX_TICKS = 24


def accuracy_heatmap(
    frontier: Frontier,
    task: str,
    scheme: Scheme,
    measured: Measured = "accuracy",
    asked: Sequence[int] | None = None,
    trained: Span = None,
    trained_steps: Span = None,
) -> go.Figure:
    """Difficulty x steps as colour, with the stair of T75 and a frame around what was trained on.

    Args:
        frontier: What is measured so far.
        task: Its task.
        scheme: Colours.
        measured: Which of its arrays is the colour.
        asked: Difficulties that get a row, measured or not; None for those measured.
        trained: Lowest and highest difficulty in training.
        trained_steps: Fewest and most steps in training.

    Raises:
        ValueError: If the frontier has no ceiling, and it was asked for.
    """
    values = getattr(frontier, measured)
    if values is None:
        raise ValueError("full attention has no ceiling to draw")
    rows = in_order(frontier.difficulty if asked is None else asked)
    place = {d: i for i, d in enumerate(rows)}
    at = [place[int(d)] for d in frontier.difficulty]
    colours = np.full((len(rows), len(frontier.steps)), np.nan)
    colours[at] = values
    texts = np.full((len(rows), len(frontier.steps)), "", dtype=object)
    texts[at] = _hover_texts(frontier, task)
    fig = figure(scheme, height=HEIGHT, x="steps T", y=axis(task))
    least = 0.5 if measured in ("accuracy", "ceiling") else 0.0
    ticks = ("≤ .5", ".75", "1") if least else ("0", ".5", "1")
    cells(fig, scheme, colours, frontier.steps, np.arange(len(rows)), least=least, ticks=ticks, text=texts)
    shown = frontier.ceiling if measured == "ceiling" and frontier.ceiling is not None else frontier.accuracy
    _stair(fig, scheme, at, stays_from(shown))
    _frame(fig, scheme, rows, trained, trained_steps, len(frontier.steps))
    name_rows(fig, [difficulty_title(task, d) for d in rows], MAX_TICKS)
    fig.update_xaxes(range=[0.5, len(frontier.steps) + 0.5], showgrid=False)
    return fig


def accuracy_over_steps(frontier: Frontier, row: int, task: str, scheme: Scheme, trained_steps: Span) -> go.Figure:
    """One difficulty: accuracy with its interval, both rates and the ceiling at every step."""
    t, ink = frontier.steps, MAIN[scheme]
    name = difficulty_title(task, int(frontier.difficulty[row]), unit=True)
    fig = figure(scheme, height=HEIGHT, x="steps T", y=f"share right, {name}")
    band(fig, t, frontier.low[row], frontier.high[row], BAND[scheme])
    few = len(t) <= 60
    if frontier.ceiling is not None:
        line(fig, t, frontier.ceiling[row], "ceiling", MUTED[scheme], "dash")
    line(fig, t, frontier.tpr[row], "positives", colour(scheme, 1), "dot", few, marker={"symbol": "triangle-up"})
    line(fig, t, frontier.tnr[row], "negatives", colour(scheme, 2), "dot", few, marker={"symbol": "square"})
    line(fig, t, frontier.accuracy[row], "accuracy, 95% interval", ink, "solid", few)
    arrives = int(stays_from(frontier.accuracy[row : row + 1])[0])
    if arrives > 0:
        fig.add_vline(x=arrives, line={"color": INK[scheme], "width": 1})
        fig.add_annotation(
            x=arrives, y=0.02, yref="paper", text=f" T75 = {arrives}", showarrow=False,
            xanchor="left" if arrives <= 0.8 * len(t) else "right", font={"size": 11},
        )  # fmt: skip
    shade(fig, scheme, trained_steps, len(t), top=True)
    fig.update_yaxes(range=[-0.04, 1.12], tickvals=[0, 0.25, 0.5, 0.75, 1])
    fig.update_xaxes(range=[0.5, len(t) + 0.5], showgrid=False)
    return fig


def arrival_over_difficulty(frontier: Frontier, task: str, scheme: Scheme, trained: Span) -> go.Figure:
    """T75 at each difficulty, its line a + b*h, and the ceiling's T75."""
    arrival, ends = t75(frontier), len(frontier.steps)
    fig = figure(scheme, height=HEIGHT, x=axis(task), y="T75, steps")
    has = frontier.difficulty != NO_DIFFICULTY
    h = frontier.difficulty[has]
    order = np.argsort(h)
    h, steps = h[order], arrival.steps[has][order]
    if frontier.ceiling is not None:
        best = stays_from(frontier.ceiling)[has][order]
        reached = best > 0
        line(fig, h[reached], best[reached], "the ceiling's", MUTED[scheme], "dash")
    if np.isfinite(arrival.slope):
        ends_of = np.array([h.min(), h.max()])
        fit = arrival.intercept + arrival.slope * ends_of
        fits = f", R² {arrival.r2:.2f}" if np.isfinite(arrival.r2) else ""
        line(fig, ends_of, fit, f"{line_of(arrival)}{fits}", MAIN[scheme])
    arrived = steps > 0
    marker = {"color": MAIN[scheme], "size": 8}
    seen = "h = %{x}, T75 = %{y}<extra></extra>"
    fig.add_scatter(x=h[arrived], y=steps[arrived], mode="markers", marker=marker, name="T75", hovertemplate=seen)
    if not arrived.all():
        late = h[~arrived]
        fig.add_scatter(
            x=late, y=np.full(len(late), ends), mode="markers", name=f"not within T = {ends}",
            marker={"symbol": "triangle-up-open", "size": 9, "color": colour(scheme, 1), "line": {"width": 2}},
            hovertemplate=f"h = %{{x}}: does not stay within {ends} steps<extra></extra>",
        )  # fmt: skip
    shade(fig, scheme, trained, int(h.max()) if len(h) else 0, top=True)
    top = int(steps.max()) if len(steps) and arrived.all() else ends
    fig.update_yaxes(range=[0, top * 1.1 + 0.5])
    low, high = (float(h.min()), float(h.max())) if len(h) else (0.0, 1.0)
    pad = max(0.5, 0.03 * (high - low))
    fig.update_xaxes(range=[low - pad, high + pad], showgrid=False)
    return fig


def as_csv(frontier: Frontier, task: str) -> str:
    """Every cell of the frontier, a line each."""
    names, rows = ("low", "high", "accuracy", "tpr", "tnr", "ceiling"), []
    for i, difficulty in enumerate(frontier.difficulty):
        for t, steps in enumerate(frontier.steps):
            arrays = [getattr(frontier, name) for name in names]
            values = [number(None if x is None else x[i, t]) for x in arrays]
            rows.append([difficulty_title(task, difficulty), steps, frontier.n[i], frontier.distinct[i], *values])
    return csv_text(["difficulty", "steps", "n", "distinct", *names], rows)


def _hover_texts(frontier: Frontier, task: str) -> np.ndarray:
    """What hovering over a cell says, (D, T)."""
    texts = np.empty(frontier.accuracy.shape, dtype=object)
    for i, d in enumerate(frontier.difficulty):
        name = difficulty_title(task, int(d), unit=True)
        for t, steps in enumerate(frontier.steps):
            rates = [
                f"{title} {values[i, t]:.3f}"
                for title, values in (
                    ("positives", frontier.tpr),
                    ("negatives", frontier.tnr),
                    ("ceiling", frontier.ceiling),
                )
                if values is not None and np.isfinite(values[i, t])
            ]
            texts[i, t] = (
                f"<b>{name}, T = {steps}</b><br>accuracy {frontier.accuracy[i, t]:.3f} "
                f"[{frontier.low[i, t]:.3f}, {frontier.high[i, t]:.3f}]<br>{', '.join(rates)}<br>"
                f"{frontier.n[i]:,} instances"
            )
    return texts


def _stair(fig: go.Figure, scheme: Scheme, at: list[int], steps: np.ndarray) -> None:
    """The left edge of what stays at .75 or above, row by row, dark on a light edge."""
    x: list[float | None] = []
    y: list[float | None] = []
    before = -1
    for row, t in sorted(zip(at, steps.tolist(), strict=True)):
        gap = [None] if t < 0 or row != before + 1 else []
        x += gap + [t - 0.5, t - 0.5] * (t > 0)
        y += gap + [row - 0.5, row + 0.5] * (t > 0)
        before = row
    over_cells(fig, scheme, x, y, "T75", 2.5)


def _frame(fig: go.Figure, scheme: Scheme, rows: list[int], trained: Span, steps: Span, n_steps: int) -> None:
    """A dashed frame around the difficulties and steps in training, as far as they are drawn."""
    inside = [i for i, d in enumerate(rows) if trained is not None and trained[0] <= d <= trained[1]]
    if not inside or steps is None or steps[0] > n_steps:
        return
    left, right = steps[0] - 0.5, min(steps[1], n_steps) + 0.5
    low, high = inside[0] - 0.5, inside[-1] + 0.5
    x, y = [left, right, right, left, left], [low, low, high, high, low]
    over_cells(fig, scheme, x, y, "trained on", 1.5, "4px,3px")
