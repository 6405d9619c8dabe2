"""The section on patching: what every single state of the twin brings, cell by cell, and cells put into the list."""

from __future__ import annotations

from typing import Any

import streamlit as st

from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks.twins import Twin
from depthscope.figures.instruments import edits as drawing
from depthscope.figures.style.plotly import config
from depthscope.figures.summary import words
from depthscope.probes.editing import language
from depthscope.probes.editing.language import Edit
from depthscope.probes.instruments.patch import DIRECTIONS, EffectMap, Patching
from depthscope.ui.frontier import figures as frontier_figures
from depthscope.ui.interventions import (
    edits as intervention_edits,
    patching as intervention_patching,
    run as intervention_runs,
)
from depthscope.ui.shell import help as guide
from depthscope.ui.visit import session, view as opening
from depthscope.ui.visit.selection import Own
from depthscope.ui.visit.view import View
from depthscope.ui.widgets import copy as lines, explain
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import job as jobs

INTO, FROM = "The twin's states into this run", "This run's states into the twin's"


def section(view: View) -> None:
    """Title, button and progress, and the map once there is one."""
    with frontier_figures.card("Which single state carries the answer?", height="content"):
        twin = intervention_runs.twin_of(view)
        if isinstance(twin, str):
            st.info(plain(whole(twin)))
            return
        found = intervention_patching.found(view)
        if found is not None:
            st.fragment(_found)(view, twin, found)
            return
        st.caption(
            f"The twin has the other answer: {plain(whole(twin.change))} Every node at every step takes the twin's "
            "state in turn, and R says how much of the twin's answer that one state brings: 0 nothing, 1 all of it."
        )
        _measure(view)


def _measure(view: View) -> None:
    job, count = intervention_patching.job(view), intervention_patching.cells(view)
    if count > intervention_patching.MAX_CELLS:
        st.info(
            f"These are {count:,} patches, more than the {intervention_patching.MAX_CELLS:,} that a page makes. "
            "Lower the steps, or measure on the command line:"
        )
        lines.show(intervention_runs.command(view, "patch"))
        return
    if job is not None and job.running:
        jobs.watch(job, 0, "effects cancel")
        return
    if job is not None and job.error:
        st.error(plain(whole(job.error)))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Patch all {count:,} cells", on_click=intervention_patching.measure_later, args=(view,), key="effects go"
        )
        explain.popover("patch")


def _found(view: View, twin: Twin, found: Patching) -> None:
    with session.calm():
        if not found.maps:
            st.info("The answers of the two runs lie less than a logit apart: there is nothing to bring over.")
            return
        # The first takes from this instance, the second from its twin.
        idle = drawing.count_strong(found.maps[0]) and not drawing.count_strong(found.maps[1])
        way = _way(FROM if idle else INTO)
        one = found.maps[1 if way == INTO else 0]
        summary = found.summaries[DIRECTIONS.index(one.direction)]
        other = drawing.count_strong(found.maps[0 if way == INTO else 1])
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
        offers = [
            ("All as CSV", f"{name}.csv", "text/csv", lambda: drawing.effects_csv(one)),
            ("JSON", f"{name}.json", "application/json", lambda: dumps(found)),
            intervention_runs.instance_offer(view),
        ]
        command, code = (make(view, "patch") for make in (intervention_runs.command, intervention_runs.code))
        frontier_figures.take_away("effects", offers, command, code)


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
    fig = drawing.effect_heatmap(one, intervention_patching.times(view, twin), frontier_figures.scheme(), chosen)
    state = st.session_state
    round_ = state.get("effects round", 0)  # another key forgets the click, so that the same cell can be clicked again
    shown: Any = {
        "theme": None,
        "config": config(f"{view.checkpoint.name}-effects", guide.picture()),
        "alt": "Effect of every patch, step by node",
    }
    if chosen is None:
        st.plotly_chart(fig, key="effects map", **shown)
        frontier_figures.numbers_of(fig, "effects map", f"{view.checkpoint.name}-effects")
        return
    picked: Any = st.plotly_chart(fig, key=f"effects map {round_}", on_select="rerun", selection_mode="points", **shown)
    frontier_figures.numbers_of(fig, "effects map", f"{view.checkpoint.name}-effects")
    points = [p["customdata"] for p in picked.selection.points if p.get("customdata") is not None]
    if points:
        t, i = (int(x) for x in points[0])
        state["effects round"] = round_ + 1
        state["effects cell"] = view.key, t, i
        _put(view, t, i)
        st.rerun()


def _chosen(view: View) -> tuple[int, int]:
    """Step and node of the cell that is chosen; the path's at an early step at first."""
    of, *cell = st.session_state.get("effects cell", (None, 0, 0))
    if of == view.key:
        return cell[0], cell[1]
    found = next((e for o in intervention_runs.offers(view) for e in _patches(view, o.text)), (1, 0))
    return min(found[0], view.trace.steps), found[1]


def _patches(view: View, text: str) -> list[tuple[int, int]]:
    program = intervention_edits.of_view(text, view).program
    return [(e.step, e.nodes[0]) for e in program if e.kind == "patch" and e.nodes]


def _put(view: View, t: int, i: int) -> None:
    line = language.written(Edit("patch", t, nodes=(i,)), view.trace.encoding.labels)
    intervention_edits.replace_example(line)


def _cell(view: View, one: EffectMap) -> None:
    """The chosen cell by name, for keyboards and large maps."""
    state, labels = st.session_state, one.labels
    t, i = _chosen(view)
    state["effects step_widget"], state["effects node_widget"] = t, i

    def choose() -> None:
        state["effects cell"] = view.key, int(state["effects step_widget"]), int(state["effects node_widget"])

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
    content, source, target = intervention_patching.as_own(twin)

    def open_it() -> None:
        session.change(origin=Own(content), source=source, target=target, steps=view.trace.steps)

    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Open the twin", key="effects twin"):
            open_it()
            st.rerun()
        st.caption("These patches go into the twin's run: open it to make them in the list above.")
