"""One person's visit: the selection that is open, the one that is wanted, and the URL that says so.

Widgets never open anything: their callbacks propose a selection, and the next run opens it or says in one sentence why
not, with what was open still open. The URL is written in the browser by the address component, beside the cursor that
the linked views write there, so that neither wipes the other; it is read when a visit starts and on Back and Forward.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.components.v2 import component
from streamlit.runtime.scriptrunner import get_script_run_ctx

from depthscope.core.errors import InputError
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.selection import PARAMETERS, Own, Selection, from_query, pack, to_query
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.text import plain, whole

LOG = logging.getLogger(__name__)

CURSOR = ("step", "node", "head", "reading", "playing", "speed")
"""Parameters of the URL that the linked views own."""

_ADDRESS_JS = """
export default function (component) {
  const { parentElement } = component, data = JSON.parse(component.data.json);
  const host = parentElement.host ?? parentElement;
  if (!host.scheme) { // what the server draws has the colours of the scheme it was told of: tell it when that changes
    host.scheme = matchMedia("(prefers-color-scheme: dark)");
    const tell = () => host.isConnected && component.setTriggerValue("scheme", host.scheme.matches ? "dark" : "light");
    host.scheme.addEventListener("change", () => setTimeout(tell, 200));
  }
  const now = new URLSearchParams(location.search);
  const next = new URLSearchParams();
  for (const [name, value] of Object.entries(data.query)) next.set(name, value);
  for (const [name, value] of now) if (!data.owned.includes(name)) next.set(name, value);
  const started = host.dataset.address;
  host.dataset.address = JSON.stringify(data.query);
  const owned = (p) => data.owned.map((name) => p.get(name)).join("\\u0000");
  if (owned(now) === owned(next)) return;
  // Another instance or checkpoint: the place of the old cursor means nothing there.
  if (started !== undefined) for (const name of data.cursor) next.delete(name);
  const url = location.pathname + "?" + next.toString() + location.hash;
  if (started === undefined || data.in_place) history.replaceState(history.state, "", url);
  else history.pushState({}, "", url);
}
"""

_address = component("depthscope_address", html="<span hidden></span>", js=_ADDRESS_JS)


def propose(selection: Selection) -> None:
    """Asks for a selection to be opened by the coming run; for callbacks."""
    st.session_state["wanted"] = selection


def current() -> Selection:
    """The selection that is open."""
    return st.session_state["selection"]


def change(**fields: Any) -> None:
    """Proposes the open selection with other values; for callbacks."""
    propose(replace(current(), **fields))


def chosen() -> str:
    """Name of the checkpoint that is wanted, or open, or offered first."""
    state = st.session_state
    asked = state.get("wanted") or state.get("selection")
    return asked.checkpoint if asked is not None else opening.offered()[0]["name"]


def choose(name: str) -> None:
    """Proposes another checkpoint, with the instance that was last open for its task; for callbacks."""
    state, task = st.session_state, opening.listed(name)["task"]
    asked = state.get("wanted") or state.get("selection")
    if asked is None:  # a page that opens no instance was the first
        state["selection"] = Selection(name, opening.default_origin(name))
        return
    before, seen = opening.listed(asked.checkpoint)["task"], state.setdefault("seen", {})
    seen[before] = asked
    if task in seen:
        propose(replace(seen[task], checkpoint=name, against=None))
    else:
        propose(Selection(name, opening.default_origin(name)))


def settle() -> View | None:
    """Opens what is wanted; what was open stays open where that fails. None if there is nothing to open at all."""
    state = st.session_state
    if not opening.offered():
        return None
    run = get_script_run_ctx()
    if "selection" not in state or (run is not None and run.is_history_navigation):
        _adopt_url()
    wanted = state.pop("wanted", None)
    view, problem = None, None
    open_before = state.get("selection")
    instead = [open_before] if open_before is not None else _defaults(wanted)
    for candidate in [wanted, *instead, *_defaults()]:
        if candidate is None or view is not None:
            continue
        try:
            with st.spinner("Running the model …"):
                view = opening.open_selection(candidate)
        except InputError as error:
            problem = problem or str(error)
        except Exception:
            LOG.exception("could not open a selection for %s", candidate.checkpoint)  # never its content
            problem = problem or "This could not be opened, through no fault of yours; the log of the server says why."
    if problem and open_before is not None:
        problem = f"{whole(problem)} What was open before is still open."
    if wanted is not None or problem:
        state["problem"] = problem
    if view is not None:
        state["selection"] = view.selection
        state.setdefault("cursor_of", view.selection)
        for origin in (view.selection.origin, view.selection.beside):
            if isinstance(origin, Own):
                opening.keep(origin)
    return view


def _defaults(wanted: Selection | None = None) -> list[Selection]:
    """What is shown when nothing is asked for: each checkpoint's first instance, to get past a damaged one.

    Args:
        wanted: What could not be had; its checkpoint alone is offered if it is there.
    """
    names = [entry["name"] for entry in opening.offered()]
    if wanted is not None:
        names = [name for name in names if name == wanted.checkpoint]
    return [Selection(name, opening.default_origin(name)) for name in names]


def _adopt_url() -> None:
    """Takes selection and cursor from the URL."""
    state, query = st.session_state, st.query_params.to_dict()
    state["cursor"] = {name: query[name] for name in CURSOR if name in query}
    state.pop("cursor_of", None)
    state["problem"] = None
    try:
        state["wanted"] = from_query(query, _defaults()[0], opening.kept, opening.default_origin)
    except InputError as error:
        state["wanted"] = None
        state["problem"] = str(error)


def cursor() -> dict[str, Any]:
    """Where the cursor starts: where the URL says if it speaks of what is open, else playing from the first step."""
    state = st.session_state
    given = state.get("cursor", {}) if state.get("cursor_of") == current() else {}
    start: dict[str, Any] = {"playing": "step" not in given}
    if "keep_cursor" in state:
        start["keep"] = state.pop("keep_cursor")
    for name in ("step", "node", "head", "speed"):
        try:
            start[name] = float(given[name]) if name == "speed" else int(given[name])
        except (KeyError, ValueError):
            continue
    if "reading" in given:
        start["reading"] = given["reading"]
    if "playing" in given:
        start["playing"] = given["playing"] in ("1", "true")
    return start


def write_address(view: View) -> None:
    """Puts the open selection into the URL of the browser, leaving the cursor's part of it."""
    write_query(to_query(view.selection), PARAMETERS, CURSOR)


def write_query(
    query: dict[str, str], owned: Sequence[str], cursor: Sequence[str] = (), *, in_place: bool = False
) -> None:
    """Puts parameters into the URL of the browser.

    Args:
        query: The parameters.
        owned: Names that are the page's; others stay as they are.
        cursor: Names that are the linked views', which mean nothing once the parameters change.
        in_place: Whether Back passes over the change; else it is taken back one by one.
    """
    data = json.dumps({"query": query, "owned": list(owned), "cursor": list(cursor), "in_place": in_place})
    # As text: for anything else pandas is imported first.
    _address(data={"json": data}, key="address", height=1, on_scheme_change=lambda: None)


def notices(view: View | None) -> None:
    """The sentence of the last thing that could not be opened, and whether a link can hold what is open."""
    problem = st.session_state.get("problem")
    if problem:
        st.error(plain(whole(problem)))
    origin = view.selection.origin if view is not None else None
    if isinstance(origin, Own) and pack(origin.content) is None:
        st.caption("This instance is too long for a link: the address opens it only while the app runs.")


@contextmanager
def calm() -> Iterator[None]:
    """Whatever goes wrong inside is said in a box: a person's mistake in its own words, a bug in a calm sentence."""
    try:
        yield
    except InputError as error:
        st.error(plain(whole(str(error))))
    except Exception:
        LOG.exception("a page failed")
        st.error("Something went wrong here; the log of the server says what. Reload the page to go on.")
