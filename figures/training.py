"""A training drawn while it runs or after it: the loss, the validation as a frontier that grows, its last row as cells.

Pure functions from a `core.training.log.Log`, or from accuracy by difficulty, to a figure or a piece of HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from depthscope.core.training.log import Log
from depthscope.figures.frontier.words import axis, difficulty_title, spans
from depthscope.figures.style.cells import cells, name_rows
from depthscope.figures.style.csv_text import csv_text
from depthscope.figures.style.curves import line, share
from depthscope.figures.style.palette import Scheme, sequential
from depthscope.figures.style.plotly import FONT, INK, MAIN, MUTED, PAPER, SHADE, Span, colour, figure

HEIGHT = 320
SMOOTHED = 12
"""Logged batches that the line of the loss is a mean of."""

MAX_TICKS = 10
CHANCE = 0.5


def loss_over_batches(log: Log, batches: int, scheme: Scheme) -> go.Figure:
    """The loss of single batches and its running mean, on a logarithmic axis, with the loss at the start as control."""
    fig = figure(scheme, height=HEIGHT, x="batch", y="loss")
    fig.update_xaxes(range=[0, batches * 1.01])
    fig.update_yaxes(type="log", exponentformat="power", nticks=6)
    if not len(log.batch):
        return fig
    loss = np.maximum(log.loss, 1e-8)
    if loss.max() > 20 * loss.min():
        fig.update_yaxes(dtick=1)  # powers of ten alone
    fig.add_scatter(
        x=log.batch, y=loss, mode="markers", name="one batch", marker={"size": 3, "color": MUTED[scheme]}, opacity=0.5,
        hovertemplate="batch %{x}: %{y:.4f}<extra></extra>",
    )  # fmt: skip
    hover = "batch %{x}: %{y:.4f}<extra>running mean</extra>"
    line(fig, log.batch, smoothed(loss), "running mean", MAIN[scheme], hover=hover)
    line(fig, [0, batches], [loss[0], loss[0]], "untrained", colour(scheme, 1), "dot", width=1.5, hover="")
    return fig


def smoothed(values: np.ndarray) -> np.ndarray:
    """Mean of the last few values at each place, fewer at the beginning, (k,)."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(0, end - SMOOTHED)
    return (total[end] - total[start]) / np.maximum(1, end - start)


def validation_over_batches(
    log: Log,
    due: Sequence[int],
    difficulties: Sequence[int],
    task: str,
    scheme: Scheme,
    trained: Span = None,
    beside: tuple[str, Mapping[int, float]] | None = None,
) -> go.Figure:
    """Validation accuracy, difficulty x batches, as far as the training has come.

    Args:
        log: Of the run.
        due: Batches at which the run validates; those to come are blank.
        difficulties: That it validates at.
        task: Its task.
        scheme: Colours.
        trained: Lowest and highest difficulty in training, framed.
        beside: Name and accuracy of a checkpoint to compare with, a column of its own at the end.
    """
    rows, columns = sorted(difficulties), sorted({*due, *(batch for batch, _ in log.validation)})
    names = [f"{batch:,}" for batch in columns] + (["", beside[0]] if beside else [])
    values = np.full((len(rows), len(names)), np.nan)
    for batch, accuracy in log.validation:
        values[:, columns.index(batch)] = [accuracy.get(d, np.nan) for d in rows]
    if beside:
        values[:, -1] = [beside[1].get(d, np.nan) for d in rows]
    titles = [difficulty_title(task, d) for d in rows]
    told = [
        [
            f"{difficulty_title(task, d, unit=True)}, {'batch ' if j < len(columns) else ''}{name}: {values[i, j]:.3f}"
            for j, name in enumerate(names)
        ]
        for i, d in enumerate(rows)
    ]
    fig = figure(scheme, height=HEIGHT, x="batch", y=axis(task), legend=False)
    ticks, y = ("≤ .5", ".75", "1"), np.arange(len(rows))
    cells(fig, scheme, values, np.arange(len(names)), y, least=CHANCE, ticks=ticks, text=told, xgap=2)
    _frame(fig, rows, trained, len(columns), scheme)
    every = max(1, -(-len(columns) // MAX_TICKS))
    shown = [*range(every - 1, len(columns), every), *([len(names) - 1] if beside else [])]
    fig.update_xaxes(
        tickvals=shown, ticktext=[names[i] for i in shown], range=[-0.5, len(names) - 0.5], showgrid=False, tickangle=0
    )
    name_rows(fig, titles, len(titles))
    return fig


def _frame(fig: go.Figure, rows: Sequence[int], trained: Span, n_columns: int, scheme: Scheme) -> None:
    """A dashed frame around the difficulties in training."""
    inside = [i for i, d in enumerate(rows) if trained is not None and trained[0] <= d <= trained[1]]
    if not inside or not n_columns:
        return
    box = {"x0": -0.46, "x1": n_columns - 0.54, "y0": inside[0] - 0.5, "y1": inside[-1] + 0.5, "type": "rect"}
    fig.add_shape(line={"color": PAPER[scheme], "width": 3}, **box)
    fig.add_shape(line={"color": INK[scheme], "width": 1.5, "dash": "4px,3px"}, **box)


def accuracy_cells(accuracy: Mapping[int, float], scheme: Scheme, trained: Span = None) -> str:
    """Accuracy by difficulty as a row of coloured cells, HTML; difficulties in training are underlined.

    Every cell holds its difficulty and, on hovering, its accuracy; nothing in it comes from outside but numbers.
    """
    colours, parts = sequential(scheme, 101), []
    for difficulty, value in accuracy.items():
        k = int(np.clip(round((value - CHANCE) / (1 - CHANCE) * 100), 0, 100))
        red, green, blue = (int(c) for c in colours[k])
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 140
        ink = "#ffffff" if dark else "#1c2030"
        inside = trained is not None and trained[0] <= difficulty <= trained[1]
        line = INK[scheme] if inside else "transparent"
        parts.append(
            f'<div title="difficulty {int(difficulty)}: {value:.3f}" style="flex:1 1 0;min-width:0;max-width:56px;'
            f'border-bottom:2px solid {line};padding-bottom:2px"><div style="background:rgb({red},{green},{blue});'
            f'color:{ink};text-align:center;border-radius:3px;line-height:20px">{int(difficulty)}</div></div>'
        )
    return (
        f'<div role="img" aria-label="{told(accuracy)}" style="display:flex;gap:2px;font:500 11px {FONT};'
        f'background:{SHADE[scheme] if not parts else "none"}">{"".join(parts)}</div>'
    )


def told(accuracy: Mapping[int, float]) -> str:
    """Accuracy by difficulty in words, neighbours of the same accuracy together: `1.000 at 1–6; .500 at 7–12`."""
    groups: list[tuple[str, list[int]]] = []
    for difficulty in sorted(accuracy):
        text = share(accuracy[difficulty])
        if groups and groups[-1][0] == text:
            groups[-1][1].append(difficulty)
        else:
            groups.append((text, [difficulty]))
    return "; ".join(f"{text} at {spans(among)}" for text, among in groups)


def as_csv(log: Log) -> str:
    """Every number of the curves, a line each: what, batch, difficulty, value."""
    rows: list[list[object]] = []
    for what, values in (("loss", log.loss), ("accuracy of the batch", log.accuracy), ("seconds", log.seconds)):
        rows += [[what, int(b), "", f"{v:.6g}"] for b, v in zip(log.batch, values, strict=True)]
    for batch, accuracy in log.validation:
        rows += [["validation accuracy", batch, d, f"{v:.6g}"] for d, v in sorted(accuracy.items())]
    return csv_text(["what", "batch", "difficulty", "value"], rows)
