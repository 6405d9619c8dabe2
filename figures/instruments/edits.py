"""Interventions drawn and said: the answer before and after edits with its controls, and the effect of every patch.

Pure functions from the results of `probes.instruments.do` and `probes.instruments.patch` to Plotly figures, sentences
and tables.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from depthscope.core.encoding import NEVER
from depthscope.core.tasks.wording import clipped
from depthscope.figures.style.cells import cells, name_rows, over_cells
from depthscope.figures.style.csv_text import csv_text, number
from depthscope.figures.style.curves import band, line, shade
from depthscope.figures.style.palette import ACCENT, Scheme
from depthscope.figures.style.plotly import BAND, INK, MAIN, MUTED, RULE, Span, colour, figure
from depthscope.probes.instruments.do import Replayed
from depthscope.probes.instruments.patch import DIRECTIONS, FELT, EffectMap, Summary

HEIGHT = 340
ROW, LEAST, MOST = 15, 260, 660
"""Pixels a row of the effect map, and the bounds of its height."""

HOVER = "%{y:.2f}"

MAX_POINTS = 6000
"""Cells that can be clicked; a larger map is chosen from by name."""


def what_happened(run: Replayed, answers: tuple[str, str]) -> str:
    """What edits did to the answer of one run, its controls beside it. Plain text.

    For example "The answer turns from reachable to unreachable; the logit falls most at step 5, by 13.8. The same edit
    at random nodes moves it there by 0.02 on average of 20 draws, in an untrained model by 0.10."

    Args:
        run: One instance with and without the edits.
        answers: What the answers 1 and 0 are called.
    """
    moved = run.after.astype(np.float64) - run.before
    own, move = ("The same edit", "moves") if len(run.edits) == 1 else ("The same edits", "move")
    same = f"{own} at random {places(run)}"
    beside = [] if not len(run.random) else [_mean_size(run.random - run.before), len(run.random)]
    blank = float(np.abs(run.untrained_after - run.untrained_before).max())
    if not moved.any():
        most = beside[0].max() if beside else 0.0
        random = f"{same} {move} it by {'up to ' if most >= 0.005 else ''}{_size(most)} on average, "
        control = random if beside else f"{own} {move} it "
        return f"Nothing changes, the logit of the answer is the same to the bit. {control}{_UNTRAINED} {_size(blank)}."
    s = int(np.abs(moved).argmax())
    way = "rises" if moved[s] > 0 else "falls"
    blank = float(abs(run.untrained_after[s] - run.untrained_before[s]))
    control = f"{own} {move} it there "
    if beside:
        control = f"{same} {move} it there by {_size(beside[0][s])} on average of {beside[1]} draws, "
    logit = f"the logit {way} most at step {s}, by {_size(abs(moved[s]))}"
    return f"{_answer(run, answers)}; {logit}. {control}{_UNTRAINED} {_size(blank)}."


def places(run: Replayed) -> str:
    """What the control puts others in the place of: nodes, edges, or both."""
    named = [word for word in ("node", "edge") if any(f" {word}=" in text for text in run.edits)]
    return " and ".join(f"{word}s" for word in named) or "nodes"


_UNTRAINED = "in an untrained model by"


def _mean_size(moved: np.ndarray) -> np.ndarray:
    """Mean size of a change at every step, (R, T+1) to (T+1,)."""
    return np.abs(moved).mean(0)


def _size(x: float) -> str:
    return f"{x:.1f}" if x >= 0.95 or x == 0 else f"{x:.2f}" if x >= 0.005 else "less than 0.01"


def _committed(logits: np.ndarray) -> int:
    """First step from which the answer stays what it is at the end."""
    other = np.flatnonzero((logits > 0) != (logits[-1] > 0))
    return int(other[-1]) + 1 if len(other) else 0


def _answer(run: Replayed, answers: tuple[str, str]) -> str:
    was, now = (answers[1 - int(logits[-1] > 0)] for logits in (run.before, run.after))
    if was != now:
        return f"The answer turns from {was} to {now}"
    differ = int(((run.before > 0) != (run.after > 0)).sum())
    first, then = _committed(run.before), _committed(run.after)
    if not differ:
        return f"The answer stays {was}, at every step as it was"
    if then != first:
        late = "only from" if then > first else "already from"
        return f"The answer stays {was}, but {late} step {then} on, where it was from step {first}"
    return f"The answer stays {was}, but is another at {differ} step{'' if differ == 1 else 's'} on the way"


def logit_over_steps(
    run: Replayed, edited: Sequence[tuple[int, int]], scheme: Scheme, trained: Span = None
) -> go.Figure:
    """The logit of the answer before and after, random nodes as a line with the range of the draws, and untrained.

    Args:
        run: One instance with and without the edits.
        edited: First and last step of each edit.
        scheme: Colours.
        trained: Fewest and most steps in training.
    """
    fig = figure(scheme, height=HEIGHT, x="step t", y="logit of the answer")
    steps = len(run.before) - 1
    t = np.arange(steps + 1)
    shade(fig, scheme, trained, steps)
    fig.add_hline(y=0, line={"color": RULE[scheme], "width": 2})
    if len(run.random):
        band(fig, t, run.random.min(0), run.random.max(0), BAND[scheme])
        name = f"at random {places(run)}, mean and range of {len(run.random)}"
        line(fig, t, run.random.mean(0), name, colour(scheme, 0), "dot", hover=HOVER)
    line(fig, t, run.untrained_before, "untrained", MUTED[scheme], "dash", width=1.2, hover=HOVER)
    line(fig, t, run.untrained_after, "untrained, edited", colour(scheme, 1), "dashdot", width=1.2, hover=HOVER)
    line(fig, t, run.before, "undisturbed", INK[scheme], "7px,3px", hover=HOVER)
    line(fig, t, run.after, "edited", MAIN[scheme], "solid", steps <= 60, width=2.5, hover=HOVER)
    for first in sorted({span[0] for span in edited})[:12]:
        fig.add_vline(x=first, line={"color": INK[scheme], "width": 1, "dash": "2px,3px"})
    if edited:
        first = min(span[0] for span in edited)
        fig.add_annotation(
            x=first, y=1, yref="paper", yanchor="top", text=" edit" if len(edited) == 1 else " first edit",
            showarrow=False, xanchor="left" if first <= 0.8 * steps else "right", font={"size": 11},
        )  # fmt: skip
    every = [run.before, run.after, run.untrained_before, run.untrained_after, *run.random]
    low, high = min(float(x.min()) for x in every), max(float(x.max()) for x in every)
    fig.update_yaxes(range=[low - 0.1 * (high - low) - 0.1, high + 0.14 * (high - low) + 0.1])  # room for the words
    fig.update_layout(hovermode="x unified", margin_t=56)
    fig.update_xaxes(range=[-0.3, steps + 0.3], showgrid=False)
    return fig


def as_csv(run: Replayed) -> str:
    """Every line of the figure of logits, a row a step."""
    head = ["step", "before", "after", "random_mean", "random_low", "random_high", "untrained", "untrained_after"]
    random = run.random if len(run.random) else np.full((1, len(run.before)), np.nan)
    columns = [run.before, run.after, random.mean(0), random.min(0), random.max(0)]
    columns += [run.untrained_before, run.untrained_after]
    return csv_text(head, ([t, *map(number, row)] for t, row in enumerate(zip(*columns, strict=True))))


def rows_by_time(time: np.ndarray) -> np.ndarray:
    """Nodes in the order in which the oracle has them, those it never has last, (n,)."""
    return np.argsort(np.where(time < 0, NEVER, time), kind="stable")


def effect_heatmap(
    result: EffectMap, time: np.ndarray, scheme: Scheme, chosen: tuple[int, int] | None = None
) -> go.Figure:
    """R of every cell, step x node, the oracle's front as a line over it.

    Args:
        result: One direction of one pair.
        time: (n,) step at which the oracle has each node.
        scheme: Colours.
        chosen: Step and node of the cell that is marked.
    """
    order = rows_by_time(time)
    n, steps = len(order), len(result.effect) - 1
    row_of = np.argsort(order)
    fig = figure(scheme, height=int(np.clip(ROW * n + 96, LEAST, MOST)), x="step t of the patch", y="node")
    shown = [html.escape(clipped(result.labels[i], 18)) for i in order]
    values = result.effect[:, order].T  # (n, T+1)
    texts = [
        [
            f"<b>{name}, step {t}</b><br>R = {effect(values[r, t])}{_role(result, t, int(order[r]))}"
            for t in range(steps + 1)
        ]
        for r, name in enumerate(shown)
    ]
    click = values.size <= MAX_POINTS
    cells(
        fig, scheme, values, np.arange(steps + 1), np.arange(n), ticks=("≤ 0", ".5", "≥ 1"), title="R", text=texts,
        hoverinfo="skip" if click else None,
    )  # fmt: skip
    at, node = np.nonzero(result.front)
    if len(at):  # joined in the order of time
        first = np.lexsort((row_of[node], at))
        over_cells(fig, scheme, at[first], row_of[node[first]], "the oracle's front", 2, dot=6)
    if click:
        r, t = (x.ravel() for x in np.indices(values.shape))
        points = np.stack([t, order[r]], axis=1).tolist()  # the browser gives a row of an array back as a mapping
        fig.add_scatter(
            x=t, y=r, mode="markers", customdata=points, text=[texts[a][b] for a, b in zip(r, t, strict=True)],
            hovertemplate="%{text}<extra></extra>", showlegend=False,
            marker={"symbol": "square", "size": 12, "opacity": 0},
            selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
        )  # fmt: skip
    if chosen is not None and chosen[0] <= steps and chosen[1] < n:
        ring = {"symbol": "square-open", "size": 13, "color": ACCENT[scheme], "line": {"width": 2.5}}
        fig.add_scatter(
            x=[chosen[0]], y=[row_of[chosen[1]]], mode="markers", marker=ring, name="chosen", hoverinfo="skip"
        )
    name_rows(fig, shown, 44, down=True)
    fig.update_xaxes(range=[-0.5, steps + 0.5], showgrid=False)
    fig.update_layout(clickmode="event+select", dragmode=False, hovermode="closest")
    return fig


def _role(result: EffectMap, t: int, node: int) -> str:
    return "<br>on the oracle's front" if result.front[t, node] else "<br>on the path" if result.path[node] else ""


def count_strong(result: EffectMap) -> int:
    """Cells between the first and the last step that bring half of the other answer or more."""
    return int((result.effect[1:-1] >= FELT).sum())


def effect(x: float) -> str:
    """R with two digits, and no sign where they are 0."""
    return f"{round(x, 2) + 0.0:.2f}"


def what_patching_does(result: EffectMap, summary: Summary, answers: tuple[str, str]) -> str:
    """One sentence on a map, with random nodes, a donor of the same label and an untrained network beside it."""
    strong = count_strong(result)
    put = " into ".join(f"“{word}”" for word in (answers if result.direction == DIRECTIONS[0] else answers[::-1]))
    felt = "No single state" if not strong else "One state" if strong == 1 else f"{strong} single states"
    verb = "brings" if strong <= 1 else "bring"
    front, other, same, blank = (
        float(x) for x in (summary.effect_front, summary.effect_random, summary.effect_same, summary.effect_untrained)
    )
    donor = (
        "no donor of the same label was found" if np.isnan(same) else f"|R| of a donor of the same label {effect(same)}"
    )
    if np.isnan(front):
        return f"{felt} before the last step {verb} half of the other answer or more ({put}); no path to hold it to."
    random = "none to draw" if np.isnan(other) else effect(other)
    return (
        f"{felt} before the last step {verb} half of the other answer or more ({put}). Mean R on the oracle's front is "
        f"{effect(front)}, of random other nodes at the same steps {random}, {donor}, in an untrained "
        f"network {effect(blank)}."
    )


def effects_csv(result: EffectMap) -> str:
    """Every cell of a map, a row each."""
    rows = (
        [t, i, result.labels[i], number(result.effect[t, i]), int(result.front[t, i]), int(result.path[i])]
        for t, i in np.ndindex(result.effect.shape)
    )
    return csv_text(["step", "node", "label", "effect", "front", "path"], rows)
