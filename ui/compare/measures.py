"""What the Compare page shows below the two sides: where they differ, on a batch too, and what they are made with."""

from __future__ import annotations

import numpy as np
import streamlit as st

from depthscope.core import frontier
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.exchange.differences import differences
from depthscope.figures.instruments import two_checkpoints as drawing
from depthscope.figures.style.csv_text import csv_text
from depthscope.figures.style.curves import interval, share
from depthscope.probes.instruments.agreement import Agreement
from depthscope.probes.instruments.similarity import Similarity
from depthscope.probes.measuring import instances as subjects
from depthscope.probes.measuring.two_runs import Disagreement
from depthscope.ui.compare.pair import GAP, Pair
from depthscope.ui.visit import view as opening
from depthscope.ui.widgets import card as frames
from depthscope.ui.widgets.plot import choice, plot, scheme
from depthscope.ui.widgets.text import plain
from depthscope.ui.work.measure import Request, Section, section

HARDEST = 16
"""Greatest difficulty that is drawn to compare answers."""

BATCH = 100
"""Instances of each difficulty."""


def apart(pair: Pair, found: Disagreement | str) -> None:
    """Where the open runs differ: over steps, and node by node."""
    st.markdown("#### Where these two runs differ")
    if isinstance(found, str):
        st.info(plain(found))
        return
    first, second = (1 / (1 + np.exp(-side.trace.logits.astype(float))) for side in (pair.first, pair.second))
    left, right = st.columns(2, gap="small")
    name = f"{pair.first.checkpoint.name}-{pair.second.checkpoint.name}"
    with left, frames.card("Over the steps"):
        fig = drawing.gap_over_steps(found, scheme(), np.abs(first - second))
        plot(fig, "compare gap", f"{name}-gap", "Difference of the two over steps")
        st.caption(
            f"Mean absolute difference of the two readings over the {len(found.nodes):,} nodes that both have, the "
            "share of them that give the opposite answer, and the difference of the answers; shuffled: the second's "
            "nodes in random order."
        )
    with right, frames.card("Node by node"):
        fig = drawing.gap_over_steps_and_nodes(found, scheme())
        plot(fig, "compare nodes", f"{name}-nodes", "Difference of the two by node and step")
        st.caption(f"Those that differ most are on top. To see it in the views above choose “{GAP}” under *fill*.")
    st.download_button(
        "CSV of the differences", lambda: as_csv(found), f"{name}-differences.csv", "text/csv", on_click="ignore"
    )


def as_csv(found: Disagreement) -> str:
    """Both readings and their difference at every step and node, as the figures show them."""
    rows = (
        [t, name, *(f"{values[t, i]:.6g}" for values in (found.first, found.second, found.gap))]
        for t in range(len(found.first))
        for i, name in enumerate(found.nodes)
    )
    return csv_text(["step", "node", "first", "second", "difference"], rows)


def measured(pair: Pair) -> None:
    """What is measured of two checkpoints on drawn instances, each when it is asked for."""
    first, second = pair.first.checkpoint, pair.second.checkpoint
    task = first.config.task
    span = opening.trained(first, "difficulty") or (1, subjects.trained(first))
    hard = min(max(span[1] + 1, 2 * span[1]), HARDEST)
    levels = tuple(range(max(1, span[0]), hard + 1))
    st.markdown("#### On drawn instances")
    st.caption(f"Instances that no training saw, difficulty {levels[0]} to {levels[-1]}, the same for both.")
    other = second.name if any(second.name == e["name"] for e in opening.in_folder()) else str(second.folder)
    steps = steps_of(first, second, levels[-1])
    options = {"other": other}
    span_of_levels = f"{levels[0]}-{levels[-1]}"
    asks = (
        "How often do the two give the same answer, who is right where they do not, and how far does each carry? "
        "Up to a minute."
    )
    request = Request("agreement", first.name, span_of_levels, BATCH, steps, options=options)
    section(first, Section("agreement", "Answers", asks, lambda result, _: _answers(result, task, pair)), request)
    asks = "How alike are the states of the two, step by step, up to rotation and scale?"
    request = Request("similarity", first.name, steps=steps, options=options)
    section(first, Section("similarity", "States", asks, lambda result, _: _states(result)), request)


def steps_of(first: Checkpoint, second: Checkpoint, hardest: int) -> int:
    """T of both: what the Frontier page gives the hardest of the difficulties, whichever needs more."""
    return max(frontier.default_steps(side, hardest) for side in (first, second))


def _answers(found: Agreement, task: str, pair: Pair) -> None:
    options = {"frontier": "Frontiers", "right": "Who is right", "agree": "Agreement"}
    shown = choice("Figure", options, "compare answers")
    if shown == "agree":
        fig = drawing.agreement_over_steps(found, scheme(), opening.trained(pair.first.checkpoint, "steps"))
    elif shown == "right":
        fig = drawing.who_is_right(found, task, scheme())
    else:
        step = st.slider("Step", 1, found.steps, found.steps, key="compare step")
        fig = drawing.accuracy_of_both(found, task, scheme(), step)
    plot(fig, f"compare {shown}", f"{found.checkpoint}-{found.other}-{shown}", options[shown])
    if shown == "frontier":
        st.caption(
            f"Accuracy after the step of the slider, at first the last: T = {found.steps}, which the hardest of these "
            "is given. It is the column of that step on the Frontier page, but for how many instances are drawn there; "
            "where a model falls apart with more steps, or needs them, another step shows another wall."
        )
    both, one, two, none = found.parts[..., -1].sum(axis=0).tolist()
    agree = found.agree[-1]
    st.caption(
        f"At step {found.steps} the two agree on {share(float(agree))} [{share(float(agree.low))}, "
        f"{share(float(agree.high))}] of {found.n:,} instances (by chance {share(found.chance[-1])}; the first with an "
        f"untrained network {share(found.untrained[-1])}): {both:,} both right, {one:,} only the first, {two:,} only "
        f"the second, {none:,} neither."
    )


def _states(found: Similarity) -> None:
    one = {"cka": found.cka, "procrustes": found.procrustes}
    names = {"cka": "CKA", "procrustes": "Procrustes"}
    shown = choice("Measure", names, "compare states")
    left, right = st.columns(2, gap="small")
    stem = f"{found.checkpoint}-{found.other}-{shown}"
    with left:
        plot(drawing.likeness_over_steps(found, one[shown], scheme()), "compare alike", stem, "Similarity over steps")
    with right:
        plot(
            drawing.likeness_square(found, one[shown], scheme()),
            "compare square",
            f"{stem}-square",
            "Every pair of steps",
        )
    d = found.dynamics
    st.caption(
        f"{found.n_rows} nodes of {found.n} instances; ceiling by {plain(found.ceiling_by)}. What the steps do (DSA) "
        f"is alike by {interval(d.likeness)}; ceiling {share(d.ceiling)}, untrained "
        f"{share(d.untrained)}, steps shuffled {share(d.shuffled)}."
    )


def made_with(first: Checkpoint, second: Checkpoint) -> None:
    """Settings in which two checkpoints differ."""
    rows = differences(first, second)
    st.markdown("#### What they were made with")
    if not rows:
        st.caption("Every setting is the same.")
        return
    table = [{"setting": name, first.name: _cell(a), second.name: _cell(b)} for name, a, b in rows]
    st.dataframe(table, hide_index=True, height=min(420, 38 + 35 * len(table)))
    said = "1 setting differs" if len(rows) == 1 else f"{len(rows)} settings differ"
    st.caption(f"{said}; the others are the same.")


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " to ".join(map(str, value)) if isinstance(value, list) and len(value) == 2 else str(value)
