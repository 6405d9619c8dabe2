"""The builder of an edit: what is done, at which step, where and how strongly; it writes a line of the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.tasks.concepts import concept_of
from depthscope.probes.editing import directions, language
from depthscope.probes.editing.language import END, NEEDS, PARTS, TAKES, Edit
from depthscope.probes.instruments.steer import MEANS, ORTHOGONAL
from depthscope.ui.interventions import edits as edit_list
from depthscope.ui.interventions.effect_map import name_of
from depthscope.ui.interventions.examples import has_gate
from depthscope.ui.visit import view as opening, visit
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.text import plain, whole

SAYS = {
    "zero": "state becomes 0",
    "mean": "state becomes the mean of other instances",
    "noise": "state gains noise",
    "swap": "two nodes exchange states",
    "add": "state moves along a direction",
    "patch": "state is taken from the twin",
    "hold": "the update is left out",
    "repeat": "the update is done again",
    "gate": "the update gate is set",
    "cut": "attention along an edge is cut, the rest shared out",
    "silence": "attention along an edge is lost",
}
AMOUNT: dict[str, dict[str, Any]] = {
    "noise": {"label": "Spread", "value": 1.0, "min_value": 0.0, "step": 0.5},
    "add": {"label": "Length", "value": 4.0, "step": 1.0},
    "gate": {"label": "Gate", "value": 0.0, "min_value": 0.0, "max_value": 1.0, "step": 0.1},
    "repeat": {"label": "Times more", "value": 1, "min_value": 1, "max_value": language.MAX_REPEATS, "step": 1},
}
ONCE, ON = "that step", "the end"


def draw(view: View) -> None:
    """The builder, on its own: nothing else runs again until a line is added."""
    st.fragment(_builder)(view)


def kinds(checkpoint: Checkpoint) -> list[str]:
    """What can be done to a checkpoint's runs."""
    heads = checkpoint.model.shapes.heads
    no = {"gate"} - {"gate" if has_gate(checkpoint) else ""} | (set() if heads else {"cut", "silence"})
    return [kind for kind in language.KINDS if kind not in no]


def _builder(view: View) -> None:
    with visit.error_box():
        opened, steps = view.checkpoint, view.trace.steps
        first, second, third = st.columns([6, 3, 4], vertical_alignment="bottom", gap="small")
        with first:
            kind = st.selectbox(
                "What is done", kinds(opened), format_func=lambda k: f"{k}: {SAYS[k]}", key="build kind"
            )
        least = 0 if kind in language.STATE_KINDS else 1
        with second:
            step = st.number_input("At step", least, steps, min(3, steps), key=f"build step {least} {steps}")
        with third:
            until = st.selectbox("Until", (ONCE, ON), key="build until")
        given: dict[str, Any] = {"step": int(step), "until": END if until == ON else None}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            given |= _where(view, kind)
            given |= _how(opened, kind)
        _finish(view, lambda: Edit(kind, **given))


def _where(view: View, kind: str) -> dict[str, Any]:
    labels = view.trace.encoding.labels
    if kind == "repeat":
        return {}
    if len(labels) > opening.MAX_LISTED:
        return _typed(labels, kind)
    options, name = range(len(labels)), lambda i: name_of(labels, i)
    size = f"{len(labels)} {view.key[:6]}"  # names of another instance are other choices
    if kind in ("cut", "silence"):
        reader = st.selectbox("Node that reads", options, format_func=name, key=f"build query {size}")
        seen = _read_by(view, reader)
        key = st.selectbox("Node that is read", seen, format_func=name, key=f"build key {size} {reader}")
        return {"edges": None if key is None else ((int(reader), int(key)),)}
    chosen = st.multiselect(
        "Nodes", options, format_func=name, key=f"build nodes {size}", placeholder="all",
        max_selections=2 if kind == "swap" else None,
    )  # fmt: skip
    return {"nodes": tuple(chosen) or None}


def _typed(labels: tuple[str, ...], kind: str) -> dict[str, Any]:
    """Nodes by name in a text, where there are too many for a list."""
    if kind in ("cut", "silence"):
        text = st.text_input("Edge, reader<read", key="build edge", placeholder="B<A")
        query, _, key = text.partition("<")
        given = ((language.node_of(query, labels), language.node_of(key, labels)),) if text else None
        return {"edges": given}
    text = st.text_input("Nodes", key="build names", placeholder="all, or names between commas")
    return {"nodes": tuple(language.node_of(x.strip(), labels) for x in text.split(",")) if text.strip() else None}


def _read_by(view: View, reader: int) -> list[int]:
    """Whom a node can attend to; another than itself first."""
    edges, n = view.trace.encoding.edge_index, view.trace.n_nodes
    seen = np.arange(n) if edges is None else np.unique(edges[1][edges[0] == reader])
    return [*seen[seen != reader].tolist(), *seen[seen == reader].tolist()]


def _how(opened: Checkpoint, kind: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    takes = {*NEEDS.get(kind, ()), *TAKES.get(kind, ())}
    if "amount" in takes:
        spec = dict(AMOUNT[kind])
        given["amount"] = float(st.number_input(spec.pop("label"), key=f"build amount {kind}", width=120, **spec))
    if "direction" in takes:
        two = not concept_of(opened.config.task).values
        between = (MEANS, ORTHOGONAL) if two else ()
        names = [*directions.weights(opened, 0), *between, "random"]
        given["direction"] = st.selectbox("Direction", names, key=f"build direction {names}", width=150)
    if "heads" in takes:
        heads = range(opened.model.shapes.heads)
        given["heads"] = tuple(st.multiselect("Heads", heads, key="build heads", placeholder="all")) or None
    if "parts" in takes:
        parts = st.multiselect("Of the twin", PARTS, default=["state"], key="build parts")
        given["parts"] = tuple(parts) or ("state",)
    return given


def _finish(view: View, make: Callable[[], Edit]) -> None:
    """The line as it will stand in the list, and the button that adds it."""
    line, problem = "", None
    try:
        edit, labels = make(), view.trace.encoding.labels
        language.check([edit], len(labels), view.checkpoint.model.shapes.heads, view.trace.steps)
        line = language.written(edit, labels)
    except InputError as error:
        problem = str(error)
    with st.container(horizontal=True, vertical_alignment="center"):
        add = st.button("Add", disabled=problem is not None, key="build add", type="primary")
        if problem is None:
            st.code(line, language=None, wrap_lines=True)
        else:
            st.caption(plain(whole(problem)))
    if add:
        edit_list.append(line)
        st.rerun()
