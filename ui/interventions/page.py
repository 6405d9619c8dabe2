"""The Interventions page: edits, the run before and after them under one cursor, the logit and its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.figures.instruments import edits as drawing
from depthscope.figures.summary import sentence, words
from depthscope.ui.interventions import builder, edits as edit_list, effect_map, run
from depthscope.ui.interventions.edits import Edits
from depthscope.ui.interventions.examples import Offer
from depthscope.ui.interventions.run import Ran
from depthscope.ui.shell import instance_page
from depthscope.ui.trace import views
from depthscope.ui.visit.address import MAX_EDITS_CHARS, Address, edits_fit
from depthscope.ui.visit.view import View
from depthscope.ui.visit.visit import visit
from depthscope.ui.widgets import copy_instance, explain
from depthscope.ui.widgets.card import card
from depthscope.ui.widgets.plot import csv_and_json, plot, scheme, take_away
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import work


def show() -> None:
    """The page."""
    instance_page.show("pages/interventions.py", _sections, address_of=_address)


def _address(view: View) -> Address:
    """What the URL says: the view, and the edits where they can be made."""
    return replace(view.address, edits=edit_list.open_edits(view, run.offers(view)).text)


def _sections(view: View) -> None:
    draw(view)
    effect_map.section(view)


def draw(view: View) -> None:
    """The headline, the list of edits with its builder, both runs, and the logit over steps."""
    offers = run.offers(view)
    edits = edit_list.open_edits(view, offers)
    top = st.container()
    _cards(view, edits, offers)
    ran, problem = None, edits.problem
    with top:
        if problem is None and edits.program:
            ran, problem = _ran(view, edits)
        _headline(view, edits, ran, problem)
    _both(view, ran)
    if ran is not None:
        _logits(view, edits, ran)


def _ran(view: View, edits: Edits) -> tuple[Ran | None, str | None]:
    """What the edits made, and why they made nothing; long work waits for its button."""
    ran = run.result(view, edits)
    if ran is not None:
        return ran, None
    if not run.is_long(view):
        try:
            with st.spinner("Running the edits and their controls …"):
                return run.run(view, edits), None
        except InputError as error:
            return None, str(error)
    job = work.job_of(run.work_of(view, edits))
    return None, job.error if job is not None else None


def _headline(view: View, edits: Edits, ran: Ran | None, problem: str | None) -> None:
    with st.container(gap="xxsmall"):
        if ran is not None:
            st.markdown(f"### {plain(drawing.what_happened(ran.replay.runs[0], words(view.instance)))}")
            donor = ran.replay.runs[0].donor
            sentences = [sentence(view.trace), *([whole(f"The patches take from {donor}")] if donor else [])]
            st.caption(" ".join(map(plain, sentences)))
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
    later = run.work_of(view, edits)
    if work.under_way(later):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Run the edits", on_click=work.start, args=(later,), key="edits go")
        st.caption("This run is long: the edits and their controls take a while.")


def _cards(view: View, edits: Edits, offers: Sequence[Offer]) -> None:
    left, right = st.columns(2, gap="small")
    with left, st.container(border=True, gap="xsmall", height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**Edits**")
            explain.popover("do")
        _list(edits)
        if not edits_fit(edits.text):
            st.caption("This list is too long for a link: the address leaves it out.")
        if note := visit().edits.note:
            st.caption(plain(note))
        _examples(offers, clear=bool(edits.text))
    with right, st.container(border=True, gap="xsmall", height="stretch"):
        st.markdown("**Build an edit**")
        builder.draw(view)


def _examples(offers: Sequence[Offer], clear: bool) -> None:
    with st.container(horizontal=True, gap="xsmall", key="edit_examples"):
        for offer in offers:
            st.button(
                offer.title, help=offer.caption, on_click=edit_list.put, args=(offer.text,),
                key=f"example {offer.title}",
            )  # fmt: skip
        if clear:
            st.button("Clear", on_click=edit_list.put, args=("",), key="edits clear", type="tertiary")


def _list(edits: Edits) -> None:
    state = st.session_state
    state["edits_widget"] = edits.text

    def typed() -> None:
        edit_list.put(state["edits_widget"])

    st.text_area(
        "Edits, one a line", key="edits_widget", on_change=typed, height=84, max_chars=MAX_EDITS_CHARS,
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
    one, (yes, no) = replay.runs[0], words(view.instance)
    with card("The logit of the answer, step by step", height="content"):
        spans = [(edit.step, min(edit.last, view.trace.steps)) for edit in edits.program]
        fig = drawing.logit_over_steps(one, spans, scheme(), view.trained_steps)
        plot(fig, "edits logits", name, "Logit of the answer over steps, before and after the edits")
        random = (
            f"The band is the range of {len(one.random)} draws of the same edits at random {drawing.places(one)}: what "
            "leaves it is due to those that were named."
            if len(one.random)
            else "The edits name no node, so no random node can stand in for one."
        )
        st.caption(
            f"Above 0 the model says {plain(yes)}, below {plain(no)}. {random} "
            "The thin lines: a network that was never trained, with and without the same edits."
        )
        offers = csv_and_json(name, lambda: drawing.as_csv(one), lambda: dumps(replay))
        offers.append(copy_instance.instance_offer(view))
        take_away("edits", offers, *copy_instance.on_instance(view, "do", edit=edits.texts))
