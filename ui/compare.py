"""The second checkpoint of a comparison, and the two sides under one cursor."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.errors import InputError
from figures.comparison import comparison
from figures.summary import sentence
from ui import opening, session, views
from ui.opening import View
from ui.sidebar import describe
from ui.text import plain, whole


def candidates(view: View) -> list[str]:
    """The other checkpoints of the task."""
    return [
        entry["name"]
        for entry in opening.shipped()
        if entry["task"] == view.instance.task and entry["name"] != view.checkpoint.name
    ]


def chosen(view: View) -> str | None:
    """The checkpoint on the other side, None if there is no other."""
    names = candidates(view)
    return view.selection.against if view.selection.against in names else (names or [None])[0]


def choice(view: View) -> None:
    """The sidebar's choice of the other checkpoint."""

    def choose() -> None:
        session.change(against=st.session_state["against_widget"])

    name = chosen(view)
    if name is not None:
        st.session_state["against_widget"] = name
        with st.container(gap="xsmall"):
            st.selectbox("Compare with", candidates(view), key="against_widget", on_change=choose)
            st.caption(plain(describe(name)))


def other(view: View) -> View | str:
    """The same instance and steps in the other checkpoint, or a sentence why not."""
    name = chosen(view)
    if name is None:
        return f"There is no second checkpoint for this task beside {view.checkpoint.name}; train one to compare."
    try:
        selection = replace(view.selection, checkpoint=name, steps=view.trace.steps)
        return opening.open_selection(selection)
    except InputError as error:
        return f"{name} cannot run this: {whole(str(error))}"


def draw(view: View, second: View | str) -> None:
    """The sentence of the comparison and both sides."""
    if isinstance(second, str):
        st.warning(plain(second))
        views.headline(view)
        views.linked(view)
        return
    st.markdown(f"### {plain(comparison(view.trace, second.trace))}")
    views.linked(view, key="player", role="scrubber", pick_ends=False)
    for side, (column, shown) in enumerate(zip(st.columns(2, gap="medium"), (view, second), strict=True)):
        with column:
            with st.container(gap="xxsmall"):
                st.markdown(f"**{plain(shown.checkpoint.name)}**")
                st.caption(plain(sentence(shown.trace)))
            views.linked(shown, key=f"views_{side}", role="views")
