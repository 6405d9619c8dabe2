"""Two runs or two checkpoints side by side, drawn: the gap node by node, who is right, how alike the states are."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from depthscope.core.tasks.wording import clipped
from depthscope.figures.frontier.words import axis
from depthscope.figures.style.cells import cells, name_rows
from depthscope.figures.style.curves import error_bars, estimated, line, shade
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import HEIGHT, INK, MAIN, MUTED, RULE, Span, colour, figure
from depthscope.probes.instruments.agreement import PARTS, Agreement
from depthscope.probes.instruments.similarity import Alike, Similarity
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.two_runs import Disagreement

MOST_ROWS = 60
"""Nodes that are drawn a row each; of more, those that differ most."""


def gap_over_steps_and_nodes(result: Disagreement, scheme: Scheme) -> go.Figure:
    """Difference of the two readings, node by node and step by step; the nodes that differ most are on top."""
    total = np.nansum(result.gap, axis=0)
    rows = np.argsort(-total, kind="stable")[:MOST_ROWS]
    names = [html.escape(clipped(result.nodes[i], 18), quote=False) for i in rows]
    fig = figure(scheme, height=HEIGHT + 8 * max(0, len(rows) - 20), x="step", y="", legend=False)
    t = np.arange(len(result.first))
    cells(
        fig, scheme, result.gap[:, rows].T, t, np.arange(len(rows)), text=[[name] * len(t) for name in names],
        customdata=np.stack([result.first[:, rows].T, result.second[:, rows].T], axis=-1),
        hover="%{text}, step %{x}: %{customdata[0]:.2f} and %{customdata[1]:.2f}<extra></extra>",
    )  # fmt: skip
    name_rows(fig, names, 24, down=True)
    fig.update_xaxes(showgrid=False)
    return fig


def gap_over_steps(result: Disagreement, scheme: Scheme, answers: np.ndarray) -> go.Figure:
    """Mean difference of the readings over steps, the share that say the opposite, and the control.

    Args:
        result: The comparison.
        scheme: Of the page.
        answers: (T+1,) difference of the two probabilities of the answer.
    """
    fig, t = figure(scheme, height=HEIGHT, x="step", y="difference"), np.arange(len(result.first))
    line(fig, t, result.mean_gap, "mean", MAIN[scheme], "solid")
    line(fig, t, result.opposite, "opposite", colour(scheme, 1), "dash")
    line(fig, t, answers, "answer", INK[scheme], "dot")
    line(fig, t, result.shuffled, "shuffled", MUTED[scheme], "longdash")
    fig.update_yaxes(range=[-0.03, 1.03])
    return fig


def agreement_over_steps(result: Agreement, scheme: Scheme, trained: Span = None) -> go.Figure:
    """Share of instances with the same answer over steps, with its interval, chance and the untrained network's."""
    fig, t = figure(scheme, height=HEIGHT, x="step", y="same answer"), np.arange(result.steps + 1)
    shade(fig, scheme, trained, result.steps)
    estimated(fig, t, result.agree, "agree", MAIN[scheme], scheme)
    line(fig, t, result.chance, "by chance", MUTED[scheme], "dot")
    line(fig, t, result.untrained, "first with untrained", MUTED[scheme], "dash")
    fig.update_yaxes(range=[-0.03, 1.03])
    return fig


def who_is_right(result: Agreement, task: str, scheme: Scheme) -> go.Figure:
    """How many answers are right with both, with one alone, with none, by difficulty at the last step; shares."""
    fig = figure(scheme, height=HEIGHT, x=axis(task), y="share at the last step")
    names = [_level(d) for d in result.difficulty]
    hues = (MAIN[scheme], colour(scheme, 0), colour(scheme, 1), RULE[scheme])
    patterns = ("", "/", "\\", "")
    titles = ("both right", f"only {result.checkpoint}", f"only {result.other}", "both wrong")
    for k, (name, hue, pattern) in enumerate(zip(titles, hues, patterns, strict=True)):
        share = result.parts[:, k, -1] / result.count
        fig.add_bar(
            x=names, y=share, name=_short(name, 34), marker={"color": hue, "pattern": {"shape": pattern}},
            customdata=np.stack([result.parts[:, k, -1], result.count], axis=-1),
            hovertemplate="%{x}: %{customdata[0]} of %{customdata[1]}<extra>" + PARTS[k] + "</extra>",
        )  # fmt: skip
    fig.update_layout(barmode="stack", bargap=0.12)
    fig.update_xaxes(type="category")
    return fig


def accuracy_of_both(result: Agreement, task: str, scheme: Scheme, step: int | None = None) -> go.Figure:
    """Two frontiers over each other: accuracy over difficulty after one number of steps, with Wilson intervals."""
    t = result.steps if step is None else step
    fig = figure(scheme, height=HEIGHT, x=axis(task), y=f"accuracy at step {t}")
    names = [_level(d) for d in result.difficulty]
    for side, (name, hue, dash, symbol) in enumerate(
        ((result.checkpoint, MAIN[scheme], "solid", "circle"), (result.other, colour(scheme, 1), "dash", "diamond"))
    ):
        right = Estimate.share(result.accuracy(side)[:, t] * result.count, result.count)
        line(
            fig, names, right.value, _short(name, 34), hue, dash, True, marker={"size": 7, "symbol": symbol},
            error_y=error_bars(right.value, right.low, right.high, hue, 3),
            hover="%{x}: %{y:.3f}<extra>" + _short(name, 34) + "</extra>",
        )  # fmt: skip
    fig.add_hline(y=0.5, line={"color": MUTED[scheme], "dash": "dot", "width": 1})
    fig.update_yaxes(range=[-0.03, 1.05])
    fig.update_xaxes(type="category")
    return fig


def likeness_over_steps(result: Similarity, one: Alike, scheme: Scheme) -> go.Figure:
    """One measure of similarity at each step, with its interval, ceiling, untrained network and shuffled rows."""
    fig = figure(scheme, height=HEIGHT, x="step", y=one.title)
    estimated(fig, result.step, one.likeness, "alike", MAIN[scheme], scheme, markers=True)
    line(fig, result.step, one.ceiling, f"ceiling: {_short(result.ceiling_by, 24)}", colour(scheme, 2), "longdash")
    line(fig, result.step, one.untrained, "untrained", MUTED[scheme], "dash")
    line(fig, result.step, one.shuffled, "shuffled", MUTED[scheme], "dot")
    fig.update_layout(legend_traceorder="normal")
    return fig


def likeness_square(result: Similarity, one: Alike, scheme: Scheme) -> go.Figure:
    """One measure between every step of the first (rows) and every step of the second (columns)."""
    second = result.other or result.checkpoint
    fig = figure(
        scheme,
        height=HEIGHT,
        x=f"step of {_short(second, 24)}",
        y=f"step of {_short(result.checkpoint, 24)}",
        legend=False,
    )
    names = [str(t) for t in result.step]
    cells(fig, scheme, one.square, names, names, hover="step %{y} with step %{x}: %{z:.3f}<extra></extra>")
    fig.update_xaxes(type="category", showgrid=False)
    fig.update_yaxes(type="category", showgrid=False)
    return fig


def _level(difficulty: int) -> str:
    return "no path" if difficulty < 0 else str(difficulty)


def _short(name: str, longest: int = 18) -> str:
    flat = " ".join(name.split())
    flat = flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
    return html.escape(flat, quote=False)  # Plotly reads markup in labels
