"""What the Compare page shows below the two sides: where they differ, on a batch too, and what they are made with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

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
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.figures import Figures, Picture, card, choice, downloads, draw_figures, headline
from depthscope.ui.widgets.text import plain, setting
from depthscope.ui.work.measure import Section, section

Kind = Literal["checkpoint", "twin", "instance"]
GAP = "difference of the two"
"""Name of the reading that fills the nodes with it."""

HARDEST = 16
"""Greatest difficulty that is drawn to compare answers."""

BATCH = 100
"""Instances of each difficulty."""


@dataclass(frozen=True)
class Pair:
    """Two sides that are open.

    Attributes:
        kind: What the other side is.
        first: The open view.
        second: The other side.
        titles: What the sides are called.
        note: What makes the second another instance, where that can be said.
    """

    kind: Kind
    first: View
    second: View
    titles: tuple[str, str]
    note: str = ""


def apart(pair: Pair, result: Disagreement | str) -> None:
    """Where the open runs differ: over steps, and node by node."""
    if isinstance(result, str):
        with card("Where these two runs differ"):
            st.info(plain(result))
        return
    first, second = (1 / (1 + np.exp(-side.trace.logits.astype(float))) for side in (pair.first, pair.second))
    name = f"{pair.first.checkpoint.name}-{pair.second.checkpoint.name}"
    pictures = {
        "gap": Picture(
            "Difference of the two over steps", lambda x: drawing.gap_over_steps(result, x, np.abs(first - second)),
            f"Mean absolute difference of the two readings over the {len(result.nodes):,} nodes that both have, the "
            "share of them that give the opposite answer, and the difference of the answers; shuffled: the second's "
            "nodes in random order.",
        ),
        "nodes": Picture(
            "Difference of the two by node and step", partial(drawing.gap_over_steps_and_nodes, result),
            f"Those that differ most are on top. To see it in the views above choose “{GAP}” under fill.",
        ),
    }  # fmt: skip
    with card("Where these two runs differ", height="content"):
        draw_figures(Figures(pictures, abreast=True), "compare", name)
        downloads("compare", [("CSV of the differences", f"{name}-differences.csv", lambda: as_csv(result))])


def as_csv(result: Disagreement) -> str:
    """Both readings and their difference at every step and node, as the figures show them."""
    rows = (
        [t, name, *(f"{values[t, i]:.6g}" for values in (result.first, result.second, result.gap))]
        for t in range(len(result.first))
        for i, name in enumerate(result.nodes)
    )
    return csv_text(["step", "node", "first", "second", "difference"], rows)


def measured(pair: Pair) -> None:
    """What is measured of two checkpoints on drawn instances, each when it is asked for."""
    first, second = pair.first.checkpoint, pair.second.checkpoint
    task = first.config.task
    span = opening.trained(first, "difficulty") or (1, subjects.trained(first))
    hard = min(max(span[1] + 1, 2 * span[1]), HARDEST)
    levels = tuple(range(max(1, span[0]), hard + 1))
    note = f"Instances that no training saw, difficulty {levels[0]} to {levels[-1]}, the same for both."
    headline("On drawn instances", note, 4)
    other = second.name if any(second.name == e["name"] for e in opening.offered()) else str(second.folder)
    steps = {"steps": steps_of(first, second, levels[-1]), "options": {"other": other}}
    drawn = {"difficulty": f"{levels[0]}-{levels[-1]}", "instances": BATCH, **steps}
    answers = lambda result: _answers(result, task, pair.first)  # noqa: E731
    section(first, Section("agreement", "Answers", answers, drawn, note="Up to a minute."))
    section(first, Section("similarity", "States", _states, steps))


def steps_of(first: Checkpoint, second: Checkpoint, hardest: int) -> int:
    """T of both: what the Frontier page gives the hardest of the difficulties, whichever needs more."""
    return max(frontier.default_steps(side, hardest) for side in (first, second))


def _answers(result: Agreement, task: str, view: View) -> Figures:
    both, one, two, none = result.parts[..., -1].sum(axis=0).tolist()
    agree, span = result.agree[-1], view.trained_steps
    step = lambda: st.slider("Step", 1, result.steps, result.steps, key="compare step")  # noqa: E731
    return Figures(
        {
            "frontier": Picture(
                "Frontiers", lambda scheme: drawing.accuracy_of_both(result, task, scheme, step()),
                f"Accuracy after the step of the slider, at first the last: T = {result.steps}, which the hardest of "
                "these is given. It is the column of that step on the Frontier page, but for how many instances are "
                "drawn there. Some models degrade with more steps, others need them.",
            ),
            "right": Picture("Who is right", partial(drawing.who_is_right, result, task)),
            "agree": Picture("Agreement", lambda scheme: drawing.agreement_over_steps(result, scheme, span)),
        },
        f"At step {result.steps} the two agree on {interval(agree)} of {result.n:,} instances (by chance "
        f"{share(result.chance[-1])}; the first with an untrained network {share(result.untrained[-1])}): {both:,} "
        f"both right, {one:,} only the first, {two:,} only the second, {none:,} neither.",
    )  # fmt: skip


def _states(result: Similarity) -> Figures:
    names = {"cka": "CKA", "procrustes": "Procrustes"}
    of, dynamics = getattr(result, choice("Measure", names, "compare states")), result.dynamics
    return Figures(
        {
            "alike": Picture("Similarity over steps", partial(drawing.likeness_over_steps, result, of)),
            "square": Picture("Similarity of every pair of steps", partial(drawing.likeness_square, result, of)),
        },
        f"{result.n_rows} nodes of {result.n} instances; ceiling by {result.ceiling_by}. What the steps do (DSA) is "
        f"alike by {interval(dynamics.likeness)}; ceiling {share(dynamics.ceiling)}, untrained "
        f"{share(dynamics.untrained)}, steps shuffled {share(dynamics.shuffled)}.",
        abreast=True,
    )


def made_with(first: Checkpoint, second: Checkpoint) -> None:
    """Settings in which two checkpoints differ."""
    rows = differences(first, second)
    st.markdown("#### What they were made with")
    if not rows:
        st.caption("Every setting is the same.")
        return
    table = [{"setting": name, first.name: setting(a), second.name: setting(b)} for name, a, b in rows]
    st.dataframe(table, hide_index=True, height=min(420, 38 + 35 * len(table)))
    st.caption(f"{len(rows)} settings differ; the others are the same.")
