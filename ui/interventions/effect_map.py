"""The section on patching: what every single state of the twin brings, cell by cell, and cells put into the list."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from depthscope.core import tasks
from depthscope.core.tasks.twins import Twin
from depthscope.figures.instruments import edits as drawing
from depthscope.figures.summary import words
from depthscope.probes.editing import language
from depthscope.probes.editing.language import Edit
from depthscope.probes.instruments.patch import DIRECTIONS, EffectMap, Patching
from depthscope.ui.interventions import edits as edit_list, run
from depthscope.ui.interventions.examples import positive
from depthscope.ui.visit import view as opening, visit
from depthscope.ui.visit.address import UserInput
from depthscope.ui.visit.view import View
from depthscope.ui.widgets import copy_instance
from depthscope.ui.widgets.figures import plot, scheme
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work.measure import Request, Section, as_csv, section

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


def draw(view: View) -> None:
    """The section, with the map once there is one."""
    twin, count = run.twin_of(view), 2 * (view.trace.steps + 1) * view.trace.n_nodes
    change = "" if isinstance(twin, str) else whole(twin.change)
    note = (
        f"The twin has the other answer: {change} Every node at every step takes the twin's state in turn, and R says "
        "how much of the twin's answer that one state brings: 0 nothing, 1 all of it."
    )
    what = Section(
        "patch", "Which single state carries the answer?",
        lambda result: None if isinstance(twin, str) else st.fragment(_result)(view, twin, result),
        csv=lambda result: drawing.effects_csv(_map(view, result)) if result.maps else as_csv(result),
        unit="patches", button=f"Patch all {count:,} cells",
        note=note,
    )  # fmt: skip
    refusal = whole(twin) if isinstance(twin, str) else None
    if refusal is None and count > MAX_CELLS:
        refusal = (
            f"These are {count:,} patches, more than the {MAX_CELLS:,} that a page makes. Lower the steps, or measure "
            f"on the command line: {copy_instance.on_instance(view, 'patch')[0]}"
        )
    section(view.checkpoint, what, Request.of_view("patch", view), refusal)


def _map(view: View, result: Patching) -> EffectMap:
    """The direction that is shown: at first the one in which there is something to see.

    The first map takes from this instance, the second from its twin.
    """
    idle = drawing.count_strong(result.maps[0]) and not drawing.count_strong(result.maps[1])
    way = st.session_state.get(_way(view)) or (FROM if idle else INTO)
    return result.maps[1 if way == INTO else 0]


def _way(view: View) -> str:
    return f"effects way {view.key[:8]}"


def _result(view: View, twin: Twin, result: Patching) -> None:
    with visit.error_box():
        if not result.maps:
            st.info("The answers of the two runs lie less than a logit apart: there is nothing to bring over.")
            return
        one = _map(view, result)
        into = one is result.maps[1]
        st.segmented_control(
            "Direction", (INTO, FROM), default=INTO if into else FROM, key=_way(view), label_visibility="collapsed",
            required=True,
        )  # fmt: skip
        summary = result.summaries[DIRECTIONS.index(one.direction)]
        other = drawing.count_strong(result.maps[0 if into else 1])
        hint = f" In the other direction {other:,} do." if other and not drawing.count_strong(one) else ""
        st.write(plain(drawing.what_patching_does(one, summary, words(view.instance)) + hint))
        _plot(view, twin, one, _chosen(view) if into else None)
        st.caption(
            "Rows in the order in which the oracle has the nodes; the line is its front, the path's nodes at the step "
            f"at which they are decided. {plain(whole(one.change))} "
            + ("Click a cell to put its patch into the list above." if into else "")
        )
        if into:
            _cell(view, one)
        else:
            _open_twin(view, twin)


def _plot(view: View, twin: Twin, one: EffectMap, chosen: tuple[int, int] | None) -> None:
    positive_run = positive(view.checkpoint, view.trace, twin.instance)
    times = positive_run.encoding.has_from  # (n,), the oracle's, label 1
    fig, cell = drawing.effect_heatmap(one, times, scheme(), chosen), visit.part(Chosen)
    key, on_select = ("effects map", "ignore") if chosen is None else (f"effects map {cell.clicks}", "rerun")
    name, alt = f"{view.checkpoint.name}-effects", "Effect of every patch, step by node"
    picked = plot(fig, key, name, alt, on_select=on_select, selection_mode="points")
    if chosen is None:
        return
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
    labels = one.labels
    t, i = _chosen(view)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps = visit.bind("effects step_widget", t, lambda step: _choose(view, step, _chosen(view)[1]))
        st.selectbox("Step", range(len(one.effect)), width=96, **steps)
        if len(labels) <= opening.MAX_LISTED:
            nodes = visit.bind("effects node_widget", i, lambda node: _choose(view, _chosen(view)[0], node))
            st.selectbox("Node", range(len(labels)), format_func=lambda k: name_of(labels, k), width=170, **nodes)
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
