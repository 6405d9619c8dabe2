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
from depthscope.ui.visit.visit import bind, visit
from depthscope.ui.widgets import copy_instance
from depthscope.ui.widgets.figures import Figures, Picture, card, csv_and_json, draw_figures, headline, take_away
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
    effect_map.draw(view)


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
    if ran is None:
        views.linked(view)
    else:
        views.abreast(("Undisturbed", "Edited"), (view, ran.after), pick_ends=False)
        _logits(view, edits, ran)


def _ran(view: View, edits: Edits) -> tuple[Ran | None, str | None]:
    """What the edits made, and why they made nothing; long work waits for its button."""
    edited = run.work_of(view, edits)
    try:
        with st.spinner("Running the edits and their controls …"):
            ran = work.result_or_run(edited, not run.is_long(view))
    except InputError as error:
        return None, str(error)
    job = work.job_of(edited)
    return ran, job.error if ran is None and job is not None else None


def _headline(view: View, edits: Edits, ran: Ran | None, problem: str | None) -> None:
    if ran is not None:
        donor = ran.replay.runs[0].donor
        taken = f" {whole(f'The patches take from {donor}')}" if donor else ""
        headline(drawing.what_happened(ran.replay.runs[0], words(view.instance)), sentence(view.trace) + taken)
        return
    headline(sentence(view.trace))
    if problem is not None:
        st.error(plain(whole(problem)) + " The undisturbed run is shown.")
    elif not edits.program:
        st.caption("No edit yet: choose an example, or build one and add it. The undisturbed run is shown.")
    else:
        later = run.work_of(view, edits)
        work.offer(later, "Run the edits", "This run is long: the edits and their controls take a while.")


def _cards(view: View, edits: Edits, offers: Sequence[Offer]) -> None:
    left, right = st.columns(2, gap="small")
    with left, card("Edits", "do"):
        _list(edits)
        if not edits_fit(edits.text):
            st.caption("This list is too long for a link: the address leaves it out.")
        if note := visit().edits.note:
            st.caption(plain(note))
        _examples(offers, clear=bool(edits.text))
    with right, card("Build an edit"):
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
    st.text_area(
        "Edits, one a line", **bind("edits_widget", edits.text, edit_list.put), height=84, max_chars=MAX_EDITS_CHARS,
        label_visibility="collapsed", placeholder="zero t=3 node=A\nhold t=4",
        help="One edit a line, all made in one run; Ctrl+Enter runs them.",
    )  # fmt: skip


def _logits(view: View, edits: Edits, ran: Ran) -> None:
    replay, name = ran.replay, f"{view.checkpoint.name}-edits"
    one, (yes, no) = replay.runs[0], words(view.instance)
    random = (
        f"The band is the range of {len(one.random)} draws of the same edits at random {drawing.places(one)}: where "
        "the solid line leaves it, the effect is specific to those that were named."
        if len(one.random)
        else "The edits name no node, so no random node can stand in for one."
    )
    spans = [(edit.step, min(edit.last, view.trace.steps)) for edit in edits.program]
    picture = Picture(
        "Logit of the answer over steps, before and after the edits",
        lambda scheme: drawing.logit_over_steps(one, spans, scheme, view.trained_steps),
        f"Above 0 the model says {yes}, below {no}. {random} The thin lines: a network that was never trained, with "
        "and without the same edits.",
    )
    with card("The logit of the answer, step by step", height="content"):
        draw_figures(Figures({"logits": picture}), "edits", name)
        offers = csv_and_json(name, lambda: drawing.as_csv(one), lambda: dumps(replay))
        offers.append(copy_instance.instance_offer(view))
        take_away("edits", offers, *copy_instance.on_instance(view, "do", edit=edits.texts))
