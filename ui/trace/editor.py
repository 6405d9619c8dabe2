"""The editor: what a hand did in the structure becomes another instance, with undo and redo, a twin, harder, easier.

An edited instance is the person's own: its text is in the sidebar and in the URL like one that was typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.core.tasks.editing import edit
from depthscope.core.tasks.logic.instance import LogicInstance
from depthscope.figures.linked_views.layout import encoded_formula
from depthscope.ui.visit import session, view as opening
from depthscope.ui.visit.selection import Generated, Own, Selection
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.text import plain, whole

LONGEST = 100
"""Edits that can be undone."""


@dataclass(frozen=True)
class Change:
    """One edit: what was open before and after, and a sentence on it."""

    before: Selection
    after: Selection
    said: str


def history() -> dict[str, list[Change]]:
    """This visit's edits: those that can be undone and those that can be done again, the next at the end."""
    return st.session_state.setdefault("instance edits", {"undo": [], "redo": []})


def same(a: Selection, b: Selection) -> bool:
    """Whether two selections show the same instance, whatever model reads it and for how many steps."""
    return (a.origin, a.source, a.target) == (b.origin, b.source, b.target)


def undoable() -> Change | None:
    """The edit that led to what is open, None if none did."""
    done, now = history()["undo"], session.current()
    while done and same(done[-1].before, now) and not same(done[-1].after, now):
        done.pop()  # it could not be opened
    return done[-1] if done and same(done[-1].after, session.current()) else None


def redoable() -> Change | None:
    """The edit that was undone last, None if something else was opened since."""
    undone = history()["redo"]
    return undone[-1] if undone and same(undone[-1].before, session.current()) else None


def undo() -> None:
    """Takes the last edit back; for callbacks."""
    if (change := undoable()) is not None:
        history()["redo"].append(history()["undo"].pop())
        _open(change.before)


def redo() -> None:
    """Does again what was undone last; for callbacks."""
    if (change := redoable()) is not None:
        history()["undo"].append(history()["redo"].pop())
        _open(change.after)


def _open(selection: Selection, keep: str = "step") -> None:
    now = session.current()
    session.propose(replace(selection, checkpoint=now.checkpoint, against=now.against))
    st.session_state["keep_cursor"] = keep


def take(instance: Any, said: str, keep: str = "step", steps: int | None = None) -> None:
    """Opens an edited instance in the place of the open one; for callbacks.

    Args:
        instance: The instance.
        said: What was changed.
        keep: "node" where the chosen node is still the same thing, "step" where only the step is.
        steps: T; None for the edited instance's default.
    """
    before = session.current()
    content = tasks.get(instance.task).render(instance).encode()
    after = replace(before, origin=Own(content), source=None, target=None, steps=steps)
    done = history()["undo"]
    done.append(Change(before, after, said))
    del done[:-LONGEST]
    history()["redo"].clear()
    _open(after, keep)


def edited(instance: Any, asked: Any) -> tuple[Any, str]:
    """The instance after what the browser sent.

    Args:
        instance: What is open.
        asked: {"name": of the edit, "at": [places]}.

    Raises:
        InputError: If that is no edit, or cannot be done.
    """
    at = asked.get("at") if isinstance(asked, Mapping) else None
    if not isinstance(at, list) or not all(isinstance(i, int | float) and float(i).is_integer() for i in at):
        raise InputError("The browser sent an edit that cannot be read; reload the page.")
    found = edit(instance, str(asked.get("name")), *map(int, at))
    return found.instance, found.change


def from_browser(view: View, asked: Any) -> None:
    """Does what was sent from the structure; for callbacks. What cannot be done is said, and all stays as it is."""
    name = asked.get("name") if isinstance(asked, Mapping) else None
    if name in ("undo", "redo"):
        (undo if name == "undo" else redo)()
        return
    try:
        instance = view.instance
        if isinstance(instance, LogicInstance):  # what the model reads is what is drawn
            instance = encoded_formula(instance, view.trace.encoding)
        keep = "node" if view.trace.encoding.interface == "edges" and name in ("edge", "add", "turn") else "step"
        take(*edited(instance, asked), keep=keep, steps=session.current().steps)
    except InputError as error:
        st.session_state["refused"] = whole(str(error))


def _twin(view: View) -> None:
    try:
        found = twins.find(view.instance)
        # As many steps as its fellow, so that the two can be held against each other.
        take(found.instance, f"The twin: {found.change}.", keep="node", steps=view.trace.steps)
    except InputError as error:
        st.session_state["refused"] = whole(str(error))


def _move(view: View, by: int) -> None:
    """One step harder or easier: another draw where the instance was drawn, else the same instance changed."""
    origin, name = view.selection.origin, "harder" if by > 0 else "easier"
    if isinstance(origin, Generated):
        most = opening.MOST[view.instance.task].get(origin.data, 1)
        least = 2 if (view.instance.task, origin.data) == ("text", "paper") else 1
        if least <= origin.difficulty + by <= most:
            session.change(
                origin=replace(origin, difficulty=origin.difficulty + by), source=None, target=None, steps=None
            )
            return
    try:
        found = edit(view.instance, name)
        take(found.instance, found.change)
    except InputError as error:
        st.session_state["refused"] = whole(str(error))


def bar(view: View) -> None:
    """The row of buttons between the headline and the views, with what the last edit did."""
    last, undone = undoable(), redoable()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="editor"):
        st.button("Undo", on_click=undo, disabled=last is None, key="undo", help="Take the last edit back (Ctrl+Z)")
        st.button("Redo", on_click=redo, disabled=undone is None, key="redo", help="Do it again (Ctrl+Shift+Z)")
        st.button("Easier", on_click=_move, args=(view, -1), key="easier", help="One hop, level or fact less")
        st.button("Harder", on_click=_move, args=(view, 1), key="harder", help="One hop, level or fact more")
        st.button(
            "Make a twin", on_click=_twin, args=(view,), key="twin",
            help="The smallest change that turns the answer: two edges, one atom or one fact",
        )  # fmt: skip
        refused = st.session_state.pop("refused", None)
        said = refused or (last.said if last is not None else None)
        st.caption(plain(said) if said else "To change it by hand, press *Edit* in the structure.")
