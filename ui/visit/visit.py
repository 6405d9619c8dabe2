"""One person's visit: what is open, what is about to be, and what every page remembers of it.

All of it is one `Visit` under one key of the session; the other keys of the session are those of widgets. Widgets never
open anything: their callbacks propose an address, and the next run opens it or says in one sentence why not, with what
was open still open. The URL is written in the browser (address.js), beside the cursor that the linked views write
there; it is read when a visit starts and on Back and Forward.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import streamlit as st
from streamlit.components.v2 import component
from streamlit.runtime.scriptrunner import get_script_run_ctx

from depthscope.core.errors import InputError
from depthscope.figures import linked_views
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.address import CURSOR, IN_PLACE, PARAMETERS, Address, UserInput, from_query, to_query
from depthscope.ui.visit.view import View, default_address
from depthscope.ui.widgets.text import plain, whole

if TYPE_CHECKING:
    from depthscope.ui.work.job import Job

LOG = logging.getLogger(__name__)
KEY = "visit"
CURSOR_READ: dict[str, Callable[[str], Any]] = {
    "step": int, "node": int, "head": int, "speed": float, "reading": str, 
    "playing": lambda text: text in ("1", "true"),
}  # fmt: skip
"""How the parameters of the cursor are read."""

P = TypeVar("P")

_address = component(
    "depthscope_address",
    html="<span hidden></span>",
    js="\n".join(
        (folder / "address.js").read_text(encoding="utf-8")
        for folder in (Path(linked_views.__path__[0]), Path(__file__).parent)
    ),
)


@dataclass
class EditList:
    """The list of interventions of a visit.

    Attributes:
        text: One a line, or JSON; None before there was one.
        note: What happened to the list before.
        instance: Digest of the instance it was last shown for; None for a list from the URL, which is taken as it is.
        example: Title of the example that it is, None if it is none.
    """

    text: str | None = None
    note: str | None = None
    instance: str | None = None
    example: str | None = None


@dataclass
class Visit:
    """What is remembered of a visit from run to run.

    Attributes:
        address: What is open.
        proposal: What the coming run is to open.
        problem: Why the last proposal could not be opened.
        by_task: What was last open for each task.
        edits: The list of interventions.
        cursor: Parameters of the URL where the cursor starts, as long as `cursor_of` is open.
        cursor_of: What those are about.
        keep_cursor: What of the cursor outlives the coming change of instance, None for nothing.
        jobs: Kind of work to the digest it is about and its latest job.
        in_frame: Whether the router has run.
        resume: Page and query that a link asked for before the router had run.
        tour: When the tour was last asked for.
        failures: By place on a page, why the last thing that was asked for there could not be done.
        parts: What single pages remember, by type.
    """

    address: Address | None = None
    proposal: Address | None = None
    problem: str | None = None
    by_task: dict[str, Address] = field(default_factory=dict)
    edits: EditList = field(default_factory=EditList)
    cursor: dict[str, str] = field(default_factory=dict)
    cursor_of: Address | None = None
    keep_cursor: Literal["step", "node"] | None = None
    jobs: dict[str, tuple[str, Job]] = field(default_factory=dict)
    in_frame: bool = False
    resume: tuple[str, dict[str, str]] | None = None
    tour: str = ""
    failures: dict[str, str] = field(default_factory=dict)
    parts: dict[type, Any] = field(default_factory=dict)


def visit() -> Visit:
    """This visit."""
    return st.session_state.setdefault(KEY, Visit())


def part(kind: type[P]) -> P:
    """What this visit remembers for a page: the one value of this type."""
    return visit().parts.setdefault(kind, kind())


def propose(address: Address) -> None:
    """Lets the coming run open an address; for callbacks."""
    visit().proposal = address


def current() -> Address:
    """The address that is open."""
    address = visit().address
    assert address is not None
    return address


def bind(key: str, value: Any, choose: Callable[[Any], None]) -> dict[str, Any]:
    """Key and callback of a widget that shows a value and hands on another that is chosen."""
    st.session_state[key] = value
    return {"key": key, "on_change": lambda: choose(st.session_state[key])}


def change(**fields: Any) -> None:
    """Proposes the open address with other values; for callbacks."""
    propose(replace(current(), **fields))


def latest() -> Address | None:
    """What is proposed, else what is open."""
    return visit().proposal or visit().address


def checkpoint_name() -> str:
    """Name of the checkpoint that is proposed, or open, or offered first."""
    address = latest()
    return address.checkpoint if address is not None else opening.offered()[0]["name"]


def choose_checkpoint(name: str) -> None:
    """Proposes another checkpoint, with the instance that was last open for its task; for callbacks."""
    before, by_task, task = latest(), visit().by_task, opening.listed(name)["task"]
    if before is None:  # a page that opens no instance was the first
        visit().address = default_address(name)
        return
    by_task[opening.listed(before.checkpoint)["task"]] = before
    propose(replace(by_task[task], checkpoint=name, against=None) if task in by_task else default_address(name))


def url_is_news(known: bool) -> bool:
    """Whether a page has to read the URL: before it knows what it shows, and on Back and Forward."""
    run = get_script_run_ctx()
    return not known or (run is not None and run.is_history_navigation)


def open_proposal() -> View | None:
    """Opens what is proposed; what was open stays open where that fails. None if there is nothing to open at all."""
    here = visit()
    if not opening.offered():
        return None
    if url_is_news(here.address is not None):
        _adopt_url()
    proposal, here.proposal = here.proposal, None
    view, problem, before = None, None, here.address
    for candidate in [proposal, *([before] if before is not None else _defaults(proposal)), *_defaults()]:
        if candidate is None or view is not None:
            continue
        try:
            with st.spinner("Running the model …"):
                view = opening.open_address(candidate)
        except InputError as error:
            problem = problem or str(error)
        except Exception:
            LOG.exception("could not open an address of %s", candidate.checkpoint)  # never its content
            problem = problem or "This could not be opened (an internal error); the server's log has the details."
    if problem and before is not None:
        problem = f"{whole(problem)} What was open before is still open."
    if proposal is not None or problem:
        here.problem = problem
    if view is not None:
        here.address = view.address
        here.cursor_of = here.cursor_of or view.address
        for origin in (view.address.origin, view.address.beside):
            if isinstance(origin, UserInput):
                opening.keep(origin)
    return view


def _defaults(proposal: Address | None = None) -> list[Address]:
    """Each checkpoint's first instance, to get past a damaged one; after a proposal that failed, its checkpoint's."""
    names = [entry["name"] for entry in opening.offered()]
    return [default_address(name) for name in names if proposal is None or name == proposal.checkpoint]


def _adopt_url() -> None:
    """Takes address, edits and cursor from the URL."""
    here, query = visit(), st.query_params.to_dict()
    here.cursor, here.cursor_of = {name: query[name] for name in CURSOR if name in query}, None
    here.proposal = here.problem = None
    try:
        address = from_query(query, default_address, opening.content_of)
        here.proposal = replace(address, edits=None)
        if address.edits is not None:
            here.edits = EditList(address.edits)
    except InputError as error:
        here.problem = str(error)


def cursor() -> dict[str, Any]:
    """Where the cursor starts: where the URL says if it is about what is open, else playing from the first step."""
    here = visit()
    values = here.cursor if here.cursor_of == here.address else {}
    start: dict[str, Any] = {"playing": "step" not in values}
    if here.keep_cursor is not None:
        start["keep"], here.keep_cursor = here.keep_cursor, None
    for name, read in CURSOR_READ.items():
        with suppress(KeyError, ValueError):
            start[name] = read(values[name])
    return start


def write_url(query: Address | dict[str, str]) -> None:
    """Puts an address, or parameters, into the URL of the browser, beside the cursor of the linked views."""
    query = to_query(query) if isinstance(query, Address) else query
    data = json.dumps({"query": query, "parameters": PARAMETERS, "cursor": CURSOR, "in_place": IN_PLACE})
    # As text: for anything else pandas is imported first.
    _address(data={"json": data}, key="address", height=1, on_scheme_change=lambda: None)


def notices(view: View | None) -> None:
    """Why the last proposal could not be opened, and whether a link can hold what is open."""
    problem = visit().problem
    if problem:
        st.error(plain(whole(problem)))
    origin = view.address.origin if view is not None else None
    if isinstance(origin, UserInput) and origin.packed is None:
        st.caption("This instance is too long for a link: the address opens it only while the app runs.")


@contextmanager
def attempt(place: str) -> Iterator[None]:
    """Keeps why the body could not do what was asked for, until the next attempt at this place; for callbacks."""
    visit().failures.pop(place, None)
    try:
        yield
    except InputError as error:
        visit().failures[place] = str(error)


def failure(place: str, prefix: str = "") -> None:
    """Says why the last attempt at a place failed, if it did."""
    if problem := visit().failures.get(place):
        st.error(plain(whole(prefix + problem)))


@contextmanager
def error_box() -> Iterator[None]:
    """Draws what goes wrong inside as a box: the sentence of a person's mistake, or that it was an internal error."""
    try:
        yield
    except InputError as error:
        st.error(plain(whole(str(error))))
    except Exception:
        LOG.exception("a page failed")
        st.error("Something went wrong here (an internal error); the server's log has the details. Reload the page.")
