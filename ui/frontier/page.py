"""The Frontier page: what is asked for, the measurement under way, and its figures.

Rows are measured by a thread (`ui.frontier.measuring`) and drawn as they come; a row that was measured before, in this
visit or another, is taken from memory.
"""

from __future__ import annotations

import re
from dataclasses import replace

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from depthscope.core.errors import InputError
from depthscope.core.frontier import Frontier
from depthscope.figures.frontier.words import sentence
from depthscope.ui.frontier import figures as frontier_figures, measuring, request as frontier_request
from depthscope.ui.frontier.measuring import Subject
from depthscope.ui.frontier.request import DATA, MAX_INSTANCES, Request, checked, first
from depthscope.ui.shell import help as guide, sidebar as shared
from depthscope.ui.visit import session, view as opening
from depthscope.ui.visit.selection import MAX_STEPS, PARAMETERS, Own
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import job as jobs
from depthscope.ui.work.job import Job

DRAWN, OWN = "Drawn", "Your own"
FIELDS = ("difficulty", "steps", "instances", "data", "seed")


def settle() -> Request | None:
    """What this visit asks for: what the URL says at the start, then what was asked last. None without a checkpoint."""
    state, run = st.session_state, get_script_run_ctx()
    if not opening.offered():
        return None
    if "frontier" not in state or (run is not None and run.is_history_navigation):
        _adopt_url()
    request: Request = state["frontier"]
    if request.checkpoint != session.chosen():  # another was chosen, here or on another page
        request = _for_checkpoint(request, session.chosen())
        state["frontier problem"] = None
    state["frontier"] = request
    return request


def _adopt_url() -> None:
    state, query = st.session_state, st.query_params.to_dict()
    state["frontier problem"] = None
    try:
        request = frontier_request.from_query(query, lambda name: first(opening.opened(name)), session.chosen())
    except InputError as error:
        state["frontier problem"] = str(error)
        names = [query.get("checkpoint"), session.chosen()]
        known = [name for name in names if name in [entry["name"] for entry in opening.offered()]]
        request = first(opening.opened(str(known[0])))
    state["frontier"] = request
    if request.checkpoint != session.chosen() or "selection" not in state:
        session.choose(request.checkpoint)


def _for_checkpoint(request: Request, name: str) -> Request:
    """The same question to another checkpoint of the task; of another task what was last asked of it, or its first."""
    seen = st.session_state.setdefault("frontiers", {})
    task, before = (opening.listed(x)["task"] for x in (name, request.checkpoint))
    seen[before] = request
    if task == before:
        return replace(request, checkpoint=name)
    return replace(seen[task], checkpoint=name) if task in seen else first(opening.opened(name))


def sidebar(request: Request) -> None:
    """The checkpoint, and the URL that says all."""
    with st.sidebar:
        shared.checkpoint(request.checkpoint)
        owned = {*frontier_request.PARAMETERS, *PARAMETERS, *session.CURSOR}
        session.write_query(frontier_request.to_query(request), sorted(owned))
        guide.draw()


def _ask(request: Request) -> None:
    """Takes a request up, or says why not; for callbacks."""
    state = st.session_state
    try:
        state["frontier"], state["frontier problem"] = checked(request), None
        state.pop("frontier job", None) if _idle() else None  # asked again: go on
    except InputError as error:
        state["frontier problem"] = str(error)


def _idle() -> bool:
    job = st.session_state.get("frontier job", (None, None))[1]
    return job is None or not job.running


def controls(request: Request) -> None:
    """Which instances, how many steps; nothing is measured before it is asked for."""
    state = st.session_state
    if state.get("frontier shown") != request:
        state["frontier shown"], state["frontier asked"] = request, state.get("frontier asked", 0) + 1
    with st.container(horizontal=True, vertical_alignment="bottom", key="frontier_controls"):
        kind = DRAWN if request.content is None else OWN
        source = st.segmented_control("Instances", (DRAWN, OWN), default=kind, key=_key("source"), required=True)
        if source == OWN:
            _own_controls(request)
        else:
            _drawn_controls(request)
    if source == OWN and request.content is None:
        st.caption(
            'A .jsonl file with one instance a line, as `core trace` reads it: `{"input": "a b\\nb c", "source": "a", '
            '"target": "c"}`; formulas and texts have "input" alone. It stays on this machine.'
        )
    problem = state.get("frontier problem")
    if problem:
        st.error(plain(whole(problem)))


def _key(field: str) -> str:
    """Key of a control.

    Each question has controls of its own that begin with its values: a value that is put into the state of one that
    stands is lost if the run that sends it is cut off.
    """
    return f"frontier {field} {st.session_state['frontier asked']}_widget"


def _drawn_controls(request: Request) -> None:
    def submit() -> None:
        values = {field: st.session_state[_key(field)] for field in FIELDS}
        values = {name: getattr(request, name) if value is None else value for name, value in values.items()}
        _ask(replace(request, **values, content=None, file=None))

    unit = shared.DIFFICULTY[opening.listed(request.checkpoint)["task"]]
    with st.form("frontier_form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(unit, request.difficulty, key=_key("difficulty"), help="Such as 5, 1-12 or 1-12,20.", width=150)
        st.number_input("Steps T", 1, MAX_STEPS, request.steps, key=_key("steps"), width=112)
        st.number_input("Of each", 1, MAX_INSTANCES, request.instances, key=_key("instances"), width=112)
        st.selectbox(
            "Data", DATA, DATA.index(request.data), format_func=shared.DATA.__getitem__, key=_key("data"), width=112
        )
        st.number_input("Seed", 0, 2**31 - 1, request.seed, key=_key("seed"), width=104)
        st.form_submit_button("Measure", on_click=submit, type="primary")


def _own_controls(request: Request) -> None:
    state = st.session_state

    def upload() -> None:
        file = state["frontier file_widget"]
        if file is not None:
            own = Own(file.getvalue(), file.name)
            opening.keep(own)
            _ask(replace(request, content=own.digest, file=file.name, steps=state[_key("own_steps")]))

    def choose() -> None:
        if request.content is not None:
            _ask(replace(request, steps=state[_key("own_steps")] or request.steps))

    st.number_input("Steps T", 1, MAX_STEPS, request.steps, key=_key("own_steps"), on_change=choose, width=112)
    st.file_uploader(
        "Instances as JSON Lines or a table",
        type=["jsonl", "csv", "tsv"],
        key="frontier file_widget",
        on_change=upload,
        max_upload_size=shared.MAX_UPLOAD_MB,
        width=360,
    )


def awaits_file(request: Request) -> bool:
    """Whether a person wants instances of their own measured and has brought none yet."""
    return st.session_state.get(_key("source")) == OWN and request.content is None


def measured(request: Request) -> None:
    """The figures, and the work behind them as long as there is any."""
    if awaits_file(request):
        st.markdown("### Measure a checkpoint on your own instances")
        st.write("Upload a file above; its instances are grouped by their difficulty, a row each.")
        return
    with st.spinner("Reading the instances …"):
        what = measuring.subject(request)
    job = measuring.job_of("frontier", what)
    if job is None and len(measuring.found(what)) < len(what.asked):
        measuring.measure_rows(what)
        job = measuring.job_of("frontier", what)
    running, shown = job is not None and job.running, 0 if job is None else len(job.results)
    found = measuring.frontier_of(what)
    name, missing = what.checkpoint.name, len(what.asked) - (0 if found is None else len(found.difficulty))
    with st.container(gap="xxsmall"):
        nothing = f"Measuring {name} …" if running else "Nothing measured yet"
        st.markdown(f"### {plain(nothing if found is None else sentence(found, name, what.task))}")
        st.caption(plain(_about(what)))
    if job is not None and running:
        jobs.watch(job, shown, "frontier cancel")
    elif missing:
        _go_on(what, job, missing)
    if found is not None:
        st.fragment(_figures)(what, found, re.sub(r"[^\w.-]", "-", f"{name}-frontier"))


def _figures(what: Subject, found: Frontier, name: str) -> None:
    with session.calm():
        frontier_figures.draw(what, found, name)


def _about(what: Subject) -> str:
    r = what.request
    if what.own is not None:
        total = sum(map(len, what.own.values()))
        return f"{total:,} instances from {r.file or 'your file'}, by their own difficulty; {r.steps} steps."
    data = shared.DATA[r.data].lower()
    return f"{r.instances:,} {data} instances of each difficulty, seed {r.seed}; none of them was trained on."


def _go_on(what: Subject, job: Job | None, missing: int) -> None:
    """Why work ended early, and how to go on."""
    if job is not None and job.error:
        st.error(plain(whole(job.error)) + " Rows that were done are kept; ask for another range or other data above.")
        return

    def go_on() -> None:
        st.session_state.pop("frontier job", None)

    with st.container(horizontal=True, vertical_alignment="center"):
        total = len(what.asked)
        st.info(f"Stopped with {total - missing} of {total} rows. They are kept; the others can be measured any time.")
        st.button("Go on", on_click=go_on, key="frontier go on")
