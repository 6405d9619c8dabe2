"""The figures of a frontier, each with a sentence that says how to read it, and what can be taken away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import streamlit as st

from depthscope.core import tasks
from depthscope.core.exchange.npz import frontier_object
from depthscope.core.files.strict_json import dumps
from depthscope.core.frontier import Frontier, t75
from depthscope.figures.frontier import beside_paper, figures as drawing
from depthscope.figures.frontier.figures import Measured
from depthscope.figures.frontier.published import SOURCE, Grid, published
from depthscope.figures.frontier.words import axis, difficulty_title, in_order
from depthscope.ui.frontier import measuring
from depthscope.ui.frontier.measuring import Subject, frontier_lines
from depthscope.ui.visit import view as opening, visit
from depthscope.ui.visit.address import UserInput
from depthscope.ui.widgets.figures import Figures, Picture, card, csv_and_json, draw_figures, take_away


@dataclass
class Row:
    """The difficulty that is drawn step by step, None until one is chosen."""

    difficulty: int | None = None


TITLES: dict[Measured, str] = {
    "accuracy": "Accuracy", "ceiling": "Ceiling", "tpr": "Positives", "tnr": "Negatives",
}  # fmt: skip
READ: dict[Measured, str] = {
    "accuracy": "A cell is the share of right answers at one difficulty after T steps; chance level is closest to the "
    "background.",
    "ceiling": "The observer: what a rule that may use exactly what T steps can carry would get on these instances.",
    "tpr": "The share of right answers among instances whose answer is yes; .5 in accuracy can be all-negative.",
    "tnr": "The share of right answers among instances whose answer is no.",
}


def draw(what: Subject, result: Frontier, name: str) -> None:
    """All figures of what is measured so far.

    Args:
        what: What is measured.
        result: The rows that are there.
        name: Of the files that are saved.
    """
    paper = published(what.task) is not None
    top, below = st.columns(2 if paper else 1, gap="small"), st.columns(2, gap="small")
    with top[0], card("Accuracy over difficulty and steps"):
        draw_figures(_grids(what, result), "frontier", name)
    if paper:
        with top[1], card(f"The paper's, {SOURCE}"):
            draw_figures(_paper(what, result), "frontier", "paper")
    with below[0], card("One difficulty, step by step"):
        row = _row(result, what.task)
        draw_figures(_steps(what, result, row), "frontier", name)
        _open_one(what, result, row)
    with below[1], card("T75 over difficulty"):
        draw_figures(_arrival(what, result), "frontier", name)
    if (t75(result).steps < 0).any():
        _why()
    _take_away(what, result, name)


def _grids(what: Subject, result: Frontier) -> Figures:
    trained, steps = (opening.trained(what.checkpoint, of) for of in ("difficulty", "steps"))
    none = "" if result.ceiling is not None else " With full attention there is no ceiling: one step can carry all."
    pictures: dict[str, Picture] = {}
    for measured, title in TITLES.items():
        if getattr(result, measured) is not None:
            spans = {"asked": what.levels, "trained": trained, "trained_steps": steps}
            make = partial(drawing.accuracy_heatmap, result, what.task, measured=measured, **spans)
            line = "the ceiling's" if measured == "ceiling" else "the accuracy's"
            stays = f"The line is {line} T75, the first T from which it stays at .75 or above.{none}"
            pictures[measured] = Picture(title, make, f"{READ[measured]} {stays}")
    return Figures(pictures)


def _paper(what: Subject, result: Frontier) -> Figures:
    grid = isinstance(published(what.task), Grid)
    picture = Picture(
        "What the paper's author published",
        partial(beside_paper.paper_beside, result, what.task, what.checkpoint.name),
        f"Accuracy {'at the steps published, d = 128' if grid else 'at the best of all steps'}. The author's numbers, "
        "on the author's instances, whose shortcuts audited ones leave out (see below). "
        + ("Hover for ours in the same cell." if grid else "Bars are 95% intervals."),
    )
    return Figures({what.task: picture})


def _steps(what: Subject, result: Frontier, row: int) -> Figures:
    trained = opening.trained(what.checkpoint, "steps")
    picture = Picture(
        "Accuracy over steps at one difficulty",
        lambda scheme: drawing.accuracy_over_steps(result, row, what.task, scheme, trained),
        f"Accuracy with its 95% interval (Wilson; {result.n[row]:,} instances, {result.distinct[row]:,} of them "
        "distinct) and its two halves: where they differ, the model gives every instance the same answer. The "
        "ceiling is what a rule would get that uses exactly what T steps can carry.",
    )
    return Figures({"steps": picture})


def _arrival(what: Subject, result: Frontier) -> Figures:
    trained = opening.trained(what.checkpoint, "difficulty")
    picture = Picture(
        "T75 over difficulty, with its line",
        lambda scheme: drawing.arrival_over_difficulty(result, what.task, scheme, trained),
        "T75: the first T from which accuracy stays at .75 or above. A straight line is a wave of constant speed: a "
        "steps to start, b steps for each unit of difficulty h. Difficulties that never reach it are left out.",
    )
    return Figures({"t75": picture})


def _why() -> None:
    """Where the other pages say more about a frontier that ends."""
    with card("Why does it end there?", height="content"):
        st.caption("*Open one it gets wrong* shows on one instance how far the wave comes. Other pages ask further:")
        with st.container(horizontal=True, gap="medium", key="frontier_why"):
            st.page_link("pages/probes.py", label="Probes: when does the wave arrive, where does it stall? →")
            st.page_link("pages/dynamics.py", label="Dynamics: do the states settle? →")
            st.page_link("pages/compare.py", label="Compare: what does another model do there? →")


def _open_one(what: Subject, result: Frontier, row: int) -> None:
    """The way from a row to one of its instances on the Trace page; one that is answered wrongly if there is any."""
    wrong = result.accuracy[row, -1] < 1
    if st.button(f"Open one {'it gets wrong ' if wrong else ''}in Trace", key="frontier open one"):
        with st.spinner("Looking for it …"):
            instance = measuring.first_wrong(what, int(result.difficulty[row]))
        content = tasks.get(what.task).render(instance).encode()
        visit.change(
            checkpoint=what.checkpoint.name, origin=UserInput(content), source=None, target=None, steps=what.steps
        )
        st.switch_page("pages/trace.py")


def _row(result: Frontier, task: str) -> int:
    """Index of the row that is drawn step by step; the hardest that is there unless one was chosen."""
    rows, row = in_order(result.difficulty), visit.part(Row)
    shown = row.difficulty if row.difficulty in rows else rows[-1]
    chosen = st.selectbox(
        axis(task).capitalize(),
        rows,
        index=rows.index(shown),
        format_func=lambda d: difficulty_title(task, d, unit=True),
        key=f"frontier row {rows}",  # a widget whose options change keeps its old choice
        label_visibility="collapsed",
    )
    if chosen != shown:
        row.difficulty = chosen
    return result.difficulty.tolist().index(chosen)


def _take_away(what: Subject, result: Frontier, name: str) -> None:
    sample, origin = what.sample, what.address.origin
    of = {"input": origin.file} if isinstance(origin, UserInput) else {"data": sample.data, "seed": sample.seed}
    whole = frontier_object(result, checkpoint=what.checkpoint.name, task=what.task, **of)
    offers = csv_and_json(name, lambda: drawing.as_csv(result, what.task), lambda: dumps(whole))
    take_away("frontier", offers, *frontier_lines(what.address))
