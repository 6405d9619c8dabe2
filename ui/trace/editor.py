"""The editor: what a hand did in the structure becomes another instance, with undo and redo, a twin, harder, easier.

An edited instance is the person's own: its text is in the sidebar and in the URL like one that was typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import streamlit as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.core.tasks.editing import edit
from depthscope.ui.visit import visit
from depthscope.ui.visit.address import Address, Generated, UserInput
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.text import plain, whole

Keep = Literal["step", "node"]
PLACE = "editor"
LONGEST = 100
"""Edits that can be undone."""


@dataclass(frozen=True)
class Change:
    """One edit: what was open before and after, and a sentence on it."""

    before: Address
    after: Address
    message: str


@dataclass
class History:
    """This visit's edits: those that can be undone and those that can be done again, the next at the end.

    Attributes:
        undo: Edits that can be undone.
        redo: Edits that can be done again.
    """

    undo: list[Change] = field(default_factory=list)
    redo: list[Change] = field(default_factory=list)


def history() -> History:
    """This visit's edits."""
    return visit.part(History)


def same(a: Address, b: Address) -> bool:
    """Whether two addresses show the same instance, whatever model reads it and for how many steps."""
    return (a.origin, a.source, a.target) == (b.origin, b.source, b.target)


def undoable() -> Change | None:
    """The edit that led to what is open, None if none did."""
    done, now = history().undo, visit.current()
    while done and same(done[-1].before, now) and not same(done[-1].after, now):
        done.pop()  # it could not be opened
    return done[-1] if done and same(done[-1].after, visit.current()) else None


def redoable() -> Change | None:
    """The edit that was undone last, None if something else was opened since."""
    undone = history().redo
    return undone[-1] if undone and same(undone[-1].before, visit.current()) else None


def undo() -> None:
    """Takes the last edit back; for callbacks."""
    if (change := undoable()) is not None:
        history().redo.append(history().undo.pop())
        _open(change.before)


def redo() -> None:
    """Does again what was undone last; for callbacks."""
    if (change := redoable()) is not None:
        history().undo.append(history().redo.pop())
        _open(change.after)


def _open(address: Address, keep: Keep = "step") -> None:
    now = visit.current()
    visit.propose(replace(address, checkpoint=now.checkpoint, against=now.against))
    visit.visit().keep_cursor = keep


def take(instance: Any, message: str, keep: Keep = "step", steps: int | None = None) -> None:
    """Opens an edited instance in the place of the open one; for callbacks.

    Args:
        instance: The instance.
        message: What was changed.
        keep: "node" where the chosen node is still the same thing, "step" where only the step is.
        steps: T; None for the edited instance's default.
    """
    before = visit.current()
    content = tasks.get(instance.task).render(instance).encode()
    after = replace(before, origin=UserInput(content), source=None, target=None, steps=steps)
    done = history().undo
    done.append(Change(before, after, message))
    del done[:-LONGEST]
    history().redo.clear()
    _open(after, keep)


def edited(instance: Any, request: Any) -> tuple[Any, str]:
    """The instance after what the browser sent.

    Args:
        instance: What is open.
        request: {"name": of the edit, "at": [places]}.

    Raises:
        InputError: If that is no edit, or cannot be done.
    """
    at = request.get("at") if isinstance(request, Mapping) else None
    if not isinstance(at, list) or not all(isinstance(i, int | float) and float(i).is_integer() for i in at):
        raise InputError("The browser sent an edit that cannot be read; reload the page.")
    result = edit(instance, str(request.get("name")), *map(int, at))
    return result.instance, result.change


def from_browser(view: View, request: Any) -> None:
    """Does what was sent from the structure; for callbacks. What cannot be done is said, and all stays as it is."""
    name = request.get("name") if isinstance(request, Mapping) else None
    if name in ("undo", "redo"):
        (undo if name == "undo" else redo)()
        return
    with visit.attempt(PLACE):
        instance = view.instance
        # what the model reads is what is drawn
        instance = tasks.get(instance.task).drawing.encoded(instance, view.trace.encoding)
        keep: Keep = "node" if view.trace.encoding.interface == "edges" and name in ("edge", "add", "turn") else "step"
        take(*edited(instance, request), keep=keep, steps=visit.current().steps)


def _twin(view: View) -> None:
    with visit.attempt(PLACE):
        twin = twins.find(view.instance)
        # As many steps as its twin, so that the two can be compared.
        take(twin.instance, f"The twin: {twin.change}.", keep="node", steps=view.trace.steps)


def _move(view: View, by: int) -> None:
    """One step harder or easier: another draw where the instance was drawn, else the same instance changed."""
    origin, name = view.address.origin, "harder" if by > 0 else "easier"
    if isinstance(origin, Generated):
        task = tasks.get(view.instance.task)
        most, least = task.most.get(origin.data, 1), task.least.get(origin.data, 1)
        if least <= origin.difficulty + by <= most:
            visit.change(
                origin=replace(origin, difficulty=origin.difficulty + by), source=None, target=None, steps=None
            )
            return
    with visit.attempt(PLACE):
        result = edit(view.instance, name)
        take(result.instance, result.change)


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
        refusal = visit.visit().failures.pop(PLACE, None)
        message = whole(refusal) if refusal else last.message if last is not None else None
        st.caption(plain(message) if message else "To change it by hand, press *Edit* in the structure.")
