"""The Frontier page: what is measured, the measurement under way, and its figures.

Rows are measured by a thread (`ui.frontier.measuring`) and drawn as they come; a row that was measured before, in this
visit or another, is taken from memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import streamlit as st

from depthscope.core import tasks
from depthscope.core.frontier import Frontier
from depthscope.figures.frontier.words import sentence
from depthscope.ui.frontier import figures, measures, measuring
from depthscope.ui.frontier.measuring import DATA, Subject, checked, first
from depthscope.ui.shell import frame, help as guide, sidebar
from depthscope.ui.trace import views
from depthscope.ui.visit import view as opening, visit
from depthscope.ui.visit.address import MAX_INSTANCES, MAX_SEED, MAX_STEPS, Address, Sample, UserInput, from_query
from depthscope.ui.widgets.figures import headline
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import job as jobs, work
from depthscope.ui.work.job import Job

PLACE = "frontier"
DRAWN, OWN = "Drawn", "Your own"
FIELDS = ("difficulty", "instances", "data", "seed")


@dataclass
class Measured:
    """What a visit measures on this page.

    Attributes:
        address: What is measured.
        by_task: What was last measured for each task.
        form: Number of the controls. Each question has controls of its own that begin with its values: a value that is
            put into the state of one that stands is lost if the run that sends it is cut off.
        form_of: What the controls were last filled from.
    """

    address: Address | None = None
    by_task: dict[str, Address] = field(default_factory=dict)
    form: int = 0
    form_of: Address | None = None


def show() -> None:
    """The page."""
    frame.enter("pages/frontier.py")
    with visit.error_box():
        address = open_frontier()
        if address is None:
            views.nothing_to_open()
            return
        with st.sidebar:
            sidebar.checkpoint(address.checkpoint)
            visit.write_url(address)
            guide.draw()
        controls(address)
        if _awaits_file(address):
            st.markdown("### Measure a checkpoint on your own instances")
            st.write("Upload a file above; its instances are grouped by their difficulty, a row each.")
            return
        with st.spinner("Reading the instances …"):
            what = measuring.subject(address)
        measured(what)
        measures.trivial_rules(what)
        measures.exits(what)


def open_frontier() -> Address | None:
    """What this visit measures: what the URL says at the start, then the last question. None without a checkpoint."""
    here = visit.part(Measured)
    if not opening.offered():
        return None
    if visit.url_is_news(here.address is not None):
        _adopt_url(here)
    assert here.address is not None
    name = visit.checkpoint_name()
    if here.address.checkpoint != name:  # another was chosen, here or on another page
        here.address = _for_checkpoint(here, here.address, name)
        visit.visit().failures.pop(PLACE, None)
    return here.address


def _adopt_url(here: Measured) -> None:
    query, offered = st.query_params.to_dict(), [entry["name"] for entry in opening.offered()]
    here.address = _default(query.get("checkpoint") if query.get("checkpoint") in offered else None)
    with visit.attempt(PLACE):
        address = from_query(query, _default, opening.content_of)
        here.address = checked(Address(address.checkpoint, address.origin, steps=address.steps))
    if here.address.checkpoint != visit.checkpoint_name() or visit.visit().address is None:
        visit.choose_checkpoint(here.address.checkpoint)


def _default(name: str | None) -> Address:
    return first(opening.opened(name or visit.checkpoint_name()))


def _for_checkpoint(here: Measured, address: Address, name: str) -> Address:
    """The same question to another checkpoint of the task; of another task what was last asked of it, or its first."""
    task, before = (opening.listed(x)["task"] for x in (name, address.checkpoint))
    here.by_task[before] = address
    return replace(here.by_task[task], checkpoint=name) if task in here.by_task else first(opening.opened(name))


def _take_up(address: Address) -> None:
    """Takes a question up, or says why not; for callbacks."""
    with visit.attempt(PLACE):
        visit.part(Measured).address = checked(address)
        _, job = visit.visit().jobs.get("frontier", ("", None))
        if job is None or not job.running:  # asked again: go on
            work.forget("frontier")


def controls(address: Address) -> None:
    """Which instances, how many steps; nothing is measured before it is asked for."""
    here = visit.part(Measured)
    if here.form_of != address:
        here.form_of, here.form = address, here.form + 1
    is_drawn = isinstance(address.origin, Sample)
    with st.container(horizontal=True, vertical_alignment="bottom", key="frontier_controls"):
        kind = DRAWN if is_drawn else OWN
        source = st.segmented_control("Instances", (DRAWN, OWN), default=kind, key=_key("source"), required=True)
        if source == OWN:
            _own_controls(address)
        else:
            _drawn_controls(address)
    if source == OWN and is_drawn:
        st.caption(
            'A .jsonl file with one instance a line, as `depthscope trace` reads it: `{"input": "a b\\nb c", "source": '
            '"a", "target": "c"}`; formulas and texts have "input" alone. It stays on this machine.'
        )
    visit.failure(PLACE)


def _key(control: str) -> str:
    return f"frontier {control} {visit.part(Measured).form}_widget"


def _drawn_controls(address: Address) -> None:
    sample = address.origin if isinstance(address.origin, Sample) else first(opening.opened(address.checkpoint)).origin
    assert isinstance(sample, Sample)
    steps = address.steps or 1

    def submit() -> None:
        values = {name: st.session_state[_key(name)] for name in FIELDS}
        values = {name: value for name, value in values.items() if value is not None}
        _take_up(replace(address, origin=replace(sample, **values), steps=st.session_state[_key("steps")] or steps))

    unit = tasks.get(opening.listed(address.checkpoint)["task"]).words.difficulty.capitalize()
    with st.form("frontier_form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(unit, sample.difficulty, key=_key("difficulty"), help="Such as 5, 1-12 or 1-12,20.", width=150)
        st.number_input("Steps T", 1, MAX_STEPS, steps, key=_key("steps"), width=112)
        st.number_input("Of each", 1, MAX_INSTANCES, sample.instances, key=_key("instances"), width=112)
        st.selectbox(
            "Data", DATA, DATA.index(sample.data), format_func=sidebar.DATA.__getitem__, key=_key("data"), width=112
        )
        st.number_input("Seed", 0, MAX_SEED, sample.seed, key=_key("seed"), width=104)
        st.form_submit_button("Measure", on_click=submit, type="primary")


def _own_controls(address: Address) -> None:
    state = st.session_state

    def upload() -> None:
        file = state["frontier file_widget"]
        if file is not None:
            _take_up(replace(address, origin=UserInput(file.getvalue(), file.name), steps=state[_key("own_steps")]))

    def choose() -> None:
        if isinstance(address.origin, UserInput):
            _take_up(replace(address, steps=state[_key("own_steps")] or address.steps))

    st.number_input("Steps T", 1, MAX_STEPS, address.steps or 1, key=_key("own_steps"), on_change=choose, width=112)
    st.file_uploader(
        "Instances as JSON Lines or a table",
        type=["jsonl", "csv", "tsv"],
        key="frontier file_widget",
        on_change=upload,
        max_upload_size=sidebar.MAX_UPLOAD_MB,
        width=360,
    )


def _awaits_file(address: Address) -> bool:
    """Whether a person wants to measure instances of their own and has uploaded none yet."""
    return st.session_state.get(_key("source")) == OWN and isinstance(address.origin, Sample)


def measured(what: Subject) -> None:
    """The figures, and the work behind them as long as there is any."""
    rows = measuring.rows_work(what)
    if work.job_of(rows) is None and len(measuring.rows(what)) < len(what.levels):
        work.start(rows)
    job = work.job_of(rows)
    running, n_shown = job is not None and job.running, 0 if job is None else len(job.results)
    result = measuring.frontier_of(what)
    name, missing = what.checkpoint.name, len(what.levels) - (0 if result is None else len(result.difficulty))
    nothing = f"Measuring {name} …" if running else "Nothing measured yet"
    headline(nothing if result is None else sentence(result, name, what.task), _about(what))
    if job is not None and running:
        jobs.watch(job, n_shown, "frontier cancel")
    elif missing:
        _go_on(what, job, missing)
    if result is not None:
        st.fragment(_figures)(what, result, re.sub(r"[^\w.-]", "-", f"{name}-frontier"))


def _figures(what: Subject, result: Frontier, name: str) -> None:
    with visit.error_box():
        figures.draw(what, result, name)


def _about(what: Subject) -> str:
    sample, origin = what.sample, what.address.origin
    if isinstance(origin, UserInput):
        total = len(what.listed or ())
        return f"{total:,} instances from {origin.file or 'your file'}, by their own difficulty; {what.steps} steps."
    data = sidebar.DATA[sample.data].lower()
    return f"{sample.instances:,} {data} instances of each difficulty, seed {sample.seed}; none of them was trained on."


def _go_on(what: Subject, job: Job | None, missing: int) -> None:
    """Why work ended early, and how to go on."""
    if job is not None and job.error:
        st.error(plain(whole(job.error)) + " Rows that were done are kept; ask for another range or other data above.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        total = len(what.levels)
        st.info(f"Stopped with {total - missing} of {total} rows. They are kept; the others can be measured any time.")
        st.button("Go on", on_click=work.forget, args=("frontier",), key="frontier go on")
