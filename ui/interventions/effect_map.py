"""The section on patching: what every single state of the twin brings, cell by cell, and cells put into the list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import streamlit as st

from depthscope.core import tasks
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks.twins import Twin
from depthscope.figures.instruments import edits as drawing
from depthscope.figures.style.plotly import config
from depthscope.figures.summary import words
from depthscope.probes.editing import language
from depthscope.probes.editing.language import Edit
from depthscope.probes.instruments import patch
from depthscope.probes.instruments.patch import DIRECTIONS, EffectMap, Patching
from depthscope.ui.interventions import edits as edit_list, run
from depthscope.ui.interventions.examples import positive
from depthscope.ui.visit import view as opening, visit
from depthscope.ui.visit.address import UserInput
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.visit.view import View
from depthscope.ui.widgets import copy_instance, explain
from depthscope.ui.widgets.card import card
from depthscope.ui.widgets.plot import csv_and_json, numbers_of, picture, scheme, take_away
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import work
from depthscope.ui.work.work import Progress, Work

INTO, FROM = "The twin's states into this run", "This run's states into the twin's"

MAX_CELLS = 60_000
"""Cells of both directions that a page patches; more are for the command line."""


@dataclass
class Chosen:
    """The cell that is chosen.

    Attributes:
        view: Key of the view it is a cell of.
        step: Its step.
        node: Its node.
        clicks: How many cells were clicked: the figure's key, so that the same cell can be clicked again.
    """

    view: str = ""
    step: int = 0
    node: int = 0
    clicks: int = 0


def section(view: View) -> None:
    """Title, button and progress, and the map once there is one."""
    with card("Which single state carries the answer?", height="content"):
        twin = run.twin_of(view)
        if isinstance(twin, str):
            st.info(plain(whole(twin)))
            return
        patching = _work(view)
        result = work.result(patching)
        if result is not None:
            st.fragment(_result)(view, twin, result)
            return
        st.caption(
            f"The twin has the other answer: {plain(whole(twin.change))} Every node at every step takes the twin's "
            "state in turn, and R says how much of the twin's answer that one state brings: 0 nothing, 1 all of it."
        )
        count = _cells(view)
        if count > MAX_CELLS:
            st.info(
                f"These are {count:,} patches, more than the {MAX_CELLS:,} that a page makes. Lower the steps, or "
                "measure on the command line:"
            )
            copy_instance.show(copy_instance.on_instance(view, "patch")[0])
        elif not work.under_way(patching):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(f"Patch all {count:,} cells", on_click=work.start, args=(patching,), key="effects go")
                explain.popover("patch")


def _cells(view: View) -> int:
    """Patches in all: every node at every step, both ways."""
    return 2 * (view.trace.steps + 1) * view.trace.n_nodes


def _work(view: View) -> Work:
    def patch_all(progress: Progress) -> Iterator[Patching]:
        progress(0, _cells(view))
        yield patch.measure(view.checkpoint, [view.instance], steps=view.trace.steps, seed=run.SEED, progress=progress)

    return Work("effects", fingerprint(view.key, "effects", run.SEED), patch_all, "patches")


def _result(view: View, twin: Twin, result: Patching) -> None:
    with visit.error_box():
        if not result.maps:
            st.info("The answers of the two runs lie less than a logit apart: there is nothing to bring over.")
            return
        # The first takes from this instance, the second from its twin.
        idle = drawing.count_strong(result.maps[0]) and not drawing.count_strong(result.maps[1])
        way = _way(FROM if idle else INTO)
        one = result.maps[1 if way == INTO else 0]
        summary = result.summaries[DIRECTIONS.index(one.direction)]
        other = drawing.count_strong(result.maps[0 if way == INTO else 1])
        hint = f" In the other direction {other:,} do." if other and not drawing.count_strong(one) else ""
        st.write(plain(drawing.what_patching_does(one, summary, words(view.instance)) + hint))
        chosen = _chosen(view) if way == INTO else None
        _plot(view, twin, one, chosen)
        st.caption(
            "Rows in the order in which the oracle has the nodes; the line is its front, the path's nodes at the step "
            f"at which they are decided. {plain(whole(one.change))} "
            + ("Click a cell to put its patch into the list above." if way == INTO else "")
        )
        if way == INTO:
            _cell(view, one)
        else:
            _open_twin(view, twin)
        name = f"{view.checkpoint.name}-effects"
        offers = csv_and_json(name, lambda: drawing.effects_csv(one), lambda: dumps(result))
        offers.append(copy_instance.instance_offer(view))
        take_away("effects", offers, *copy_instance.on_instance(view, "patch"))


def _way(first: str) -> str:
    """Which direction is shown: at first the one in which there is something to see."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        way = st.segmented_control(
            "Direction", (INTO, FROM), default=first, key=f"effects way {first}", label_visibility="collapsed",
            required=True,
        )  # fmt: skip
        explain.popover("patch")
    return way or first


def _plot(view: View, twin: Twin, one: EffectMap, chosen: tuple[int, int] | None) -> None:
    positive_run = positive(view.checkpoint, view.trace, twin.instance)
    times = positive_run.encoding.has_from  # (n,), the oracle's, label 1
    fig, cell = drawing.effect_heatmap(one, times, scheme(), chosen), visit.part(Chosen)
    shown: Any = {
        "theme": None,
        "config": config(f"{view.checkpoint.name}-effects", picture()),
        "alt": "Effect of every patch, step by node",
    }
    if chosen is None:
        st.plotly_chart(fig, key="effects map", **shown)
        numbers_of(fig, "effects map", f"{view.checkpoint.name}-effects")
        return
    picked: Any = st.plotly_chart(
        fig, key=f"effects map {cell.clicks}", on_select="rerun", selection_mode="points", **shown
    )
    numbers_of(fig, "effects map", f"{view.checkpoint.name}-effects")
    points = [p["customdata"] for p in picked.selection.points if p.get("customdata") is not None]
    if points:
        t, i = (int(x) for x in points[0])
        _choose(view, t, i)
        cell.clicks += 1
        _put(view, t, i)
        st.rerun()


def _chosen(view: View) -> tuple[int, int]:
    """Step and node of the cell that is chosen; the path's at an early step at first."""
    cell = visit.part(Chosen)
    if cell.view == view.key:
        return cell.step, cell.node
    step, node = next((e for o in run.offers(view) for e in _patches(view, o.text)), (1, 0))
    return min(step, view.trace.steps), node


def _choose(view: View, step: int, node: int) -> None:
    cell = visit.part(Chosen)
    cell.view, cell.step, cell.node = view.key, step, node


def _patches(view: View, text: str) -> list[tuple[int, int]]:
    program = edit_list.of_view(text, view).program
    return [(e.step, e.nodes[0]) for e in program if e.kind == "patch" and e.nodes]


def _put(view: View, t: int, i: int) -> None:
    line = language.written(Edit("patch", t, nodes=(i,)), view.trace.encoding.labels)
    edit_list.replace_example(line)


def _cell(view: View, one: EffectMap) -> None:
    """The chosen cell by name, for keyboards and large maps."""
    state, labels = st.session_state, one.labels
    t, i = _chosen(view)
    state["effects step_widget"], state["effects node_widget"] = t, i

    def choose() -> None:
        _choose(view, int(state["effects step_widget"]), int(state["effects node_widget"]))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Step", range(len(one.effect)), key="effects step_widget", on_change=choose, width=96)
        if len(labels) <= opening.MAX_LISTED:
            st.selectbox(
                "Node", range(len(labels)), format_func=lambda k: name_of(labels, k), key="effects node_widget",
                on_change=choose, width=170,
            )  # fmt: skip
        put = st.button("Put it into the list", key="effects put")
        st.markdown(f"R = **{drawing.effect(one.effect[t, i])}**", width="content")
    if put:
        _put(view, t, i)
        st.rerun()


def name_of(labels: tuple[str, ...], i: int) -> str:
    """A node in a list of choices: its label, with its number where several have it."""
    label = labels[i][:40] or "(no name)"
    return label if labels.count(labels[i]) == 1 else f"{label} #{i}"


def _open_twin(view: View, twin: Twin) -> None:
    other = twin.instance
    content = tasks.get(other.task).render(other).encode()
    ends = {"source": None, "target": None, **other.question()}
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Open the twin", key="effects twin"):
            visit.change(origin=UserInput(content), **ends, steps=view.trace.steps)
            st.rerun()
        st.caption("These patches go into the twin's run: open it to make them in the list above.")
