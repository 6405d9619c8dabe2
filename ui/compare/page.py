"""What stands on the other side of a comparison, and the two sides under one cursor.

The other side is a second checkpoint on the same instance, or the same checkpoint on a twin or another instance.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.figures.linked_views.comparison import comparison, of_two_instances
from depthscope.probes.measuring import two_runs
from depthscope.probes.measuring.two_runs import Disagreement
from depthscope.ui.compare import measures
from depthscope.ui.compare.measures import GAP, Kind, Pair
from depthscope.ui.shell import instance_page
from depthscope.ui.shell.sidebar import describe
from depthscope.ui.trace import views
from depthscope.ui.visit import examples, view as opening, visit
from depthscope.ui.visit.address import TWIN, Example, UserInput
from depthscope.ui.visit.view import View, open_address
from depthscope.ui.widgets.figures import headline
from depthscope.ui.widgets.text import plain, whole

KINDS: dict[Kind, str] = {"checkpoint": "Checkpoint", "twin": "Twin", "instance": "Instance"}
PINNED = "pinned"


def show() -> None:
    """The page."""
    instance_page.show("pages/compare.py", _sections, choice)


def _sections(view: View) -> None:
    pair = other(view)
    if isinstance(pair, str):
        views.alone(view, plain(pair))
        return
    difference = gap(pair)
    _headline(pair)
    both, readings = (pair.first, pair.second), (pair.first.readings, pair.second.readings)
    if not isinstance(difference, str):  # where they share nodes, their difference can fill them
        gaps = (difference.on(difference.of_first), difference.on(difference.of_second))
        readings = ({**readings[0], GAP: gaps[0]}, {**readings[1], GAP: gaps[1]})
    views.abreast(pair.titles, both, readings)
    measures.apart(pair, difference)
    if pair.kind == "checkpoint":
        measures.measured(pair)
        measures.made_with(pair.first.checkpoint, pair.second.checkpoint)


def kind_of(view: View) -> Kind:
    """What the other side of an address is."""
    beside = view.address.beside
    return "checkpoint" if beside is None else "twin" if isinstance(beside, str) else "instance"


def candidates(view: View) -> list[str]:
    """The other checkpoints of the task."""
    return [
        entry["name"]
        for entry in opening.offered()
        if entry["task"] == view.instance.task and entry["name"] != view.checkpoint.name
    ]


def chosen(view: View) -> str | None:
    """The checkpoint on the other side, None if there is no other."""
    names = candidates(view)
    return view.address.against if view.address.against in names else (names or [None])[0]


def choice(view: View) -> None:
    """The sidebar's choice of the other side."""
    kind, first = kind_of(view), examples.examples(view.instance.task)[0].name
    beside = {"checkpoint": None, "twin": TWIN, "instance": Example(first)}
    with st.container(gap="xsmall"):
        st.segmented_control(
            "Compare with",
            KINDS,
            format_func=KINDS.__getitem__,
            width="stretch",
            **visit.bind("beside_widget", kind, lambda chosen: visit.change(beside=beside[chosen or kind])),
        )
        if kind == "checkpoint":
            _other_checkpoint(view)
        elif kind == "instance":
            _other_instance(view)
        else:
            st.caption("The smallest change that turns the answer.")


def _other_checkpoint(view: View) -> None:
    name = chosen(view)
    if name is not None:
        shows = visit.bind("against_widget", name, lambda against: visit.change(against=against))
        st.selectbox("Second checkpoint", candidates(view), label_visibility="collapsed", **shows)
        st.caption(plain(describe(name)))


def _other_instance(view: View) -> None:
    """One of the examples, or what was open when it was taken over; then the first side can be changed freely."""
    entries = {entry.name: entry.title for entry in examples.examples(view.instance.task)}
    beside = view.address.beside
    names, shown = ([*entries], beside.name) if isinstance(beside, Example) else ([PINNED, *entries], PINNED)

    def pin() -> None:
        content = tasks.get(view.instance.task).render(view.instance).encode()
        visit.change(beside=UserInput(content))

    st.selectbox(
        "Second instance", names, format_func=lambda name: entries.get(name, "The one taken over"),
        label_visibility="collapsed",
        **visit.bind("other_widget", shown, lambda name: visit.change(beside=Example(name))),
    )  # fmt: skip
    st.button(
        "Take the open one over", on_click=pin, width="stretch",
        help="It stays on the second side, while you open or edit another on the first",
    )  # fmt: skip


def other(view: View) -> Pair | str:
    """The two sides for as many steps, or a sentence why there is no second."""
    kind, address = kind_of(view), replace(view.address, steps=view.trace.steps, beside=None)
    name = view.checkpoint.name
    try:
        if kind == "checkpoint":
            second = chosen(view)
            if second is None:
                return f"There is no second checkpoint for this task beside {name}; train one to compare."
            opened = open_address(replace(address, checkpoint=second))
            return Pair(kind, view, opened, (name, opened.checkpoint.name))
        here = replace(address, source=None, target=None)
        if kind == "twin":
            twin = twins.find(view.instance)
            content = tasks.get(view.instance.task).render(twin.instance).encode()
            opened = open_address(replace(here, origin=UserInput(content)))
            return Pair(kind, view, opened, ("As it is", "Its twin"), whole(twin.change))
        assert view.address.beside is not None
        assert not isinstance(view.address.beside, str)
        opened = open_address(replace(here, origin=view.address.beside))
        return Pair(kind, view, opened, ("First instance", "Second instance"))
    except InputError as error:
        what = chosen(view) if kind == "checkpoint" else name
        return f"{what} cannot run the second side: {whole(str(error))}"


def gap(pair: Pair) -> Disagreement | str:
    """Where the first readings of the two sides differ, or a sentence why they cannot be compared."""
    sides = (pair.first, pair.second)
    first = [next(iter(side.readings.items()), None) for side in sides]
    if first[0] is None or first[1] is None:
        return "One of the two has no reading of its nodes, so that only the answers can be compared."
    try:
        return two_runs.compare(pair.first.trace, pair.second.trace, (first[0][1], first[1][1]))
    except InputError as error:
        return whole(str(error))


def _headline(pair: Pair) -> None:
    """The sentence of the comparison, and what makes the instances differ."""
    first, second = pair.first.trace, pair.second.trace
    message = comparison(first, second) if pair.kind == "checkpoint" else of_two_instances(first, second)
    headline(message, " ".join(filter(None, (pair.note, whole(views.size(pair.first))))))
