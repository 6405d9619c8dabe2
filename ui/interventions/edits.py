"""The list of edits of a visit: its text, what it means on the open instance, and its place in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.components.v2 import component
from streamlit.runtime.scriptrunner import get_script_run_ctx

from depthscope.core.errors import InputError
from depthscope.probes.editing import language
from depthscope.probes.editing.language import Edit
from depthscope.ui.interventions.examples import Offer
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.visit.selection import MAX_URL_CHARS
from depthscope.ui.visit.view import View

PARAMETER = "edits"
NONE = "none"
"""In the URL, for a list that was emptied; without the parameter a page shows its first example."""

MAX_TYPED = 20_000

_ADDRESS_JS = """
export default function (component) {
  const { name, value } = component.data;
  const query = new URLSearchParams(location.search);
  if (query.get(name) === value) return;
  if (value === null) query.delete(name); else query.set(name, value);
  history.replaceState(history.state, "", location.pathname + "?" + query.toString() + location.hash);
}
"""

_address = component("depthscope_edits", html="<span hidden></span>", js=_ADDRESS_JS)


@dataclass(frozen=True)
class Edits:
    """A list of edits as it was typed, and as it is read.

    Attributes:
        text: One edit a line, or JSON.
        program: The edits; empty where the list has none or cannot be read.
        problem: Why it cannot be read.
    """

    text: str
    program: tuple[Edit, ...] = ()
    problem: str | None = None

    @property
    def texts(self) -> list[str]:
        """As `probes.instruments.do` and its command take them: one text an edit, or JSON whole."""
        if self.text.lstrip().startswith("["):
            return [self.text.strip()]
        return [line.strip() for line in self.text.splitlines() if line.strip()]


def read(text: str, labels: Sequence[str], heads: int, steps: int) -> tuple[Edit, ...]:
    """The edits of a text, checked against a run.

    Raises:
        InputError: If one makes no sense; the message names its line.
    """
    if text.lstrip().startswith("["):
        found = language.loads(text, labels)
        language.check(found, len(labels), heads, steps)
        return tuple(found)
    program = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            edit = language.parse(line.strip(), labels)
            language.check([edit], len(labels), heads, steps)
        except InputError as error:
            raise InputError(f"Line {number}: {error}") from None
        program.append(edit)
    if len(program) > language.MAX_EDITS:
        raise InputError(f"at most {language.MAX_EDITS} edits are made (got {len(program)})")
    return tuple(program)


def of_view(text: str, view: View) -> Edits:
    """A text as it is read on what is open."""
    try:
        heads = view.checkpoint.model.shapes.heads
        return Edits(text, read(text, view.trace.encoding.labels, heads, view.trace.steps))
    except InputError as error:
        return Edits(text, problem=str(error))


def to_url(text: str) -> str | None:
    """The list as a parameter of the URL; None if it is too long for one."""
    lines = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    return None if len(lines) > MAX_URL_CHARS else lines or NONE


def from_url(value: str) -> str:
    """The inverse of `to_url`, cut to what may be typed."""
    return "" if value == NONE else value[:MAX_TYPED]


def settle(view: View, offers: Sequence[Offer]) -> Edits:
    """The list of this visit: what the URL says at its start, then what was made of it; an example at first.

    On another instance an example is that of the same name, and a list that does not fit gives way to the first.
    """
    state, run = st.session_state, get_script_run_ctx()
    here = fingerprint(view.checkpoint.name, view.instance)
    asked = st.query_params.get(PARAMETER)
    if ("edits" not in state or (run is not None and run.is_history_navigation)) and asked is not None:
        put(from_url(asked))
    elif "edits" not in state or state.get("edits of") != here:
        _carry_over(view, offers)
    state["edits of"] = here
    state["edits example"] = next((offer.title for offer in offers if offer.text == state["edits"]), None)
    return of_view(state["edits"], view)


def _carry_over(view: View, offers: Sequence[Offer]) -> None:
    state = st.session_state
    named = {offer.title: offer.text for offer in offers}
    first = offers[0].text if offers else ""
    if "edits" not in state:
        put(first)
    elif state.get("edits example") is not None:
        put(named.get(state["edits example"], first))
    elif of_view(state["edits"], view).problem is not None:
        put(first, "The edits before do not fit this instance; here is the first example.")


def put(text: str, note: str | None = None) -> None:
    """Takes another text as the list; for callbacks."""
    st.session_state["edits"], st.session_state["edits note"] = text, note


def append(line: str) -> None:
    """Adds a line to the list; for callbacks."""
    before = st.session_state.get("edits", "").rstrip()
    put(f"{before}\n{line}" if before else line)


def replace_example(line: str) -> None:
    """Adds a line, or puts it in the place of an example that nobody has changed; for callbacks."""
    if st.session_state.get("edits example") is not None:
        put(line)
    else:
        append(line)


def write_address(text: str) -> bool:
    """Puts the list into the URL of the browser; whether it is short enough."""
    value = to_url(text)
    data: dict[str, Any] = {"name": PARAMETER, "value": value}
    _address(data=data, key="edits_address", height=1)
    return value is not None
