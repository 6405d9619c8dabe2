"""The Interventions page: edits, the run before and after them under one cursor, the logit and its controls."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.figures.instruments import edits as drawing
from depthscope.figures.summary import sentence, words
from depthscope.probes.editing import runner as intervene
from depthscope.ui.frontier import figures as frontier_figures
from depthscope.ui.interventions import (
    builder as intervention_builder,
    edits as intervention_edits,
    run as intervention_runs,
)
from depthscope.ui.interventions.edits import MAX_TYPED, Edits
from depthscope.ui.interventions.examples import Offer
from depthscope.ui.interventions.run import Ran
from depthscope.ui.trace import views
from depthscope.ui.visit.view import View
from depthscope.ui.widgets import explain
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import job as jobs


def draw(view: View) -> None:
    """The headline, the list of edits with its builder, both runs, and the logit over steps."""
    why = intervene.unfit(view.checkpoint)
    if why is not None:
        st.info(plain(whole(why)))
        return
    offers = intervention_runs.offers(view)
    edits = intervention_edits.settle(view, offers)
    short = intervention_edits.write_address(edits.text)
    top = st.container()
    _cards(view, edits, offers, short)
    problem = edits.problem
    ran = None
    if problem is None and edits.program:
        with top:
            ran, problem = _ran(view, edits)
    with top:
        _headline(view, edits, ran, problem)
    _both(view, ran)
    if ran is not None:
        _logits(view, edits, ran)


def _ran(view: View, edits: Edits) -> tuple[Ran | None, str | None]:
    """What the edits made, and why they made nothing; long work waits for its button."""
    found = intervention_runs.found(view, edits)
    if found is not None:
        return found, None
    if not intervention_runs.is_long(view):
        try:
            with st.spinner("Running the edits and their controls …"):
                return intervention_runs.run(view, edits), None
        except InputError as error:
            return None, str(error)
    job = intervention_runs.job_of("edits", intervention_runs.key(view, edits))
    return None, job.error if job is not None else None


def _headline(view: View, edits: Edits, ran: Ran | None, problem: str | None) -> None:
    with st.container(gap="xxsmall"):
        if ran is not None:
            said = drawing.what_happened(ran.replay.runs[0], words(view.instance))
            st.markdown(f"### {plain(said)}")
            donor = ran.replay.runs[0].donor
            told = [sentence(view.trace), *([whole(f"The patches take from {donor}")] if donor else [])]
            st.caption(" ".join(map(plain, told)))
            return
        st.markdown(f"### {plain(sentence(view.trace))}")
        if problem is not None:
            st.error(plain(whole(problem)) + " The undisturbed run is shown.")
        elif not edits.program:
            st.caption("No edit yet: choose an example, or build one and add it. The undisturbed run is shown.")
        else:
            _later(view, edits)


def _later(view: View, edits: Edits) -> None:
    """The button of work that takes longer, and its progress."""
    job = intervention_runs.job_of("edits", intervention_runs.key(view, edits))
    if job is not None and job.running:
        jobs.watch(job, 0, "edits cancel")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Run the edits", on_click=intervention_runs.run_later, args=(view, edits), key="edits go")
        st.caption("This run is long: the edits and their controls take a while.")


def _cards(view: View, edits: Edits, offers: Sequence[Offer], short: bool) -> None:
    left, right = st.columns(2, gap="small")
    with left, st.container(border=True, gap="xsmall", height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**Edits**")
            explain.popover("do")
        _list(edits)
        if not short:
            st.caption("This list is too long for a link: the address leaves it out.")
        note = st.session_state.get("edits note")
        if note:
            st.caption(plain(note))
        _examples(offers, clear=bool(edits.text))
    with right, st.container(border=True, gap="xsmall", height="stretch"):
        st.markdown("**Build an edit**")
        intervention_builder.draw(view)


def _examples(offers: Sequence[Offer], clear: bool) -> None:
    with st.container(horizontal=True, gap="xsmall", key="edit_examples"):
        for offer in offers:
            st.button(
                offer.title, help=offer.told, on_click=intervention_edits.put, args=(offer.text,),
                key=f"example {offer.title}",
            )  # fmt: skip
        if clear:
            st.button("Clear", on_click=intervention_edits.put, args=("",), key="edits clear", type="tertiary")


def _list(edits: Edits) -> None:
    state = st.session_state
    state["edits_widget"] = edits.text

    def typed() -> None:
        intervention_edits.put(state["edits_widget"])

    st.text_area(
        "Edits, one a line", key="edits_widget", on_change=typed, height=84, max_chars=MAX_TYPED,
        label_visibility="collapsed", placeholder="zero t=3 node=A\nhold t=4",
        help="One edit a line, all made in one run; Ctrl+Enter runs them.",
    )  # fmt: skip


def _both(view: View, ran: Ran | None) -> None:
    """Both runs under one cursor; the undisturbed one alone where nothing was edited."""
    if ran is None:
        views.linked(view)
        return
    with st.container():  # the player sticks to the top as long as the views are seen, and no longer
        views.linked(view, key="player", role="scrubber", pick_ends=False)
        sides = zip(st.columns(2, gap="medium"), ("Undisturbed", "Edited"), (view, ran.after), strict=True)
        for side, (column, title, shown) in enumerate(sides):
            with column:
                with st.container(gap="xxsmall"):
                    st.markdown(f"**{title}**")
                    st.caption(plain(sentence(shown.trace)))
                views.linked(shown, key=f"views_{side}", role="views", pick_ends=False, sides=(view, ran.after))


def _logits(view: View, edits: Edits, ran: Ran) -> None:
    replay, name = ran.replay, f"{view.checkpoint.name}-edits"
    run, (yes, no) = replay.runs[0], words(view.instance)
    with frontier_figures.card("The logit of the answer, step by step", height="content"):
        spans = [(edit.step, min(edit.last, view.trace.steps)) for edit in edits.program]
        fig = drawing.logit_over_steps(run, spans, frontier_figures.scheme(), view.trained_steps)
        frontier_figures.plot(fig, "edits logits", name, "Logit of the answer over steps, before and after the edits")
        random = (
            f"The band is the range of {len(run.random)} draws of the same edits at random {drawing.places(run)}: what "
            "leaves it is due to those that were named."
            if len(run.random)
            else "The edits name no node, so no random node can stand in for one."
        )
        st.caption(
            f"Above 0 the model says {plain(yes)}, below {plain(no)}. {random} "
            "The thin lines: a network that was never trained, with and without the same edits."
        )
        offers = [
            ("All as CSV", f"{name}.csv", "text/csv", lambda: drawing.as_csv(run)),
            ("JSON", f"{name}.json", "application/json", lambda: dumps(replay)),
            intervention_runs.instance_offer(view),
        ]
        command, code = (make(view, "do", edits) for make in (intervention_runs.command, intervention_runs.code))
        frontier_figures.take_away("edits", offers, command, code)
