"""The Checkpoints page: what can be opened, what a visit uploads, and what it trains here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import streamlit as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.ui.checkpoints import cards, training, upload
from depthscope.ui.checkpoints.cards import Card
from depthscope.ui.frontier.page import Measured
from depthscope.ui.shell import frame, startup
from depthscope.ui.visit import uploads, view as opening, visit
from depthscope.ui.widgets.figures import headline as title
from depthscope.ui.widgets.text import plain, whole

Section = Literal["Open", "Bring your own", "Train one here"]
SECTIONS: tuple[Section, ...] = ("Open", "Bring your own", "Train one here")
PARAMETER, PLACE = "section", "checkpoints"
IN_URL: dict[Section, str] = {"Open": "open", "Bring your own": "own", "Train one here": "train"}


@dataclass
class Remembered:
    """What a visit remembers of this page.

    Attributes:
        first: The section that is shown first.
        message: What was done last; shown once.
    """

    first: Section | None = None
    message: str | None = None


def show() -> None:
    """The page."""
    frame.enter("pages/checkpoints.py")
    with visit.error_box():
        draw(headline())


def headline() -> Section:
    """How many there are, and the choice of what to do."""
    there, mine = len(opening.in_folder()), len(uploads.mine())
    whose = f" and {mine} of your own" if mine else ""
    count = f"{there} checkpoint{'' if there == 1 else 's'}" if there else "No checkpoint yet"
    title(
        f"{count}{whose}{' can be opened here' if there or mine else ''}",
        "A checkpoint is a trained model: weights, config, and what was measured when it was made. Models you upload "
        "or train here appear in the checkpoint menu on every page.",
    )
    sections = SECTIONS[:-1] if startup.read_only() else SECTIONS
    by_name: dict[str, Section] = {name: section for section, name in IN_URL.items() if section in sections}
    here = visit.part(Remembered)
    here.first = here.first or by_name.get(st.query_params.get(PARAMETER, ""), "Open")
    chosen = cast(Section, st.segmented_control(
        "What to do", sections, key="checkpoints section_widget", default=here.first, persist_state="session",
        label_visibility="collapsed", required=True,
    ) or "Open")  # fmt: skip
    visit.write_url({PARAMETER: IN_URL[chosen]} if chosen != "Open" else {})
    if chosen != "Train one here":
        training.under_way()
    _notices()
    return chosen


def draw(section: Section) -> None:
    """One of the three sections."""
    {"Open": _cards, "Bring your own": _upload, "Train one here": training.draw}[section]()


def _cards() -> None:
    there = cards.all_cards()
    if not there:
        st.info("The first one takes about a minute: choose **Train one here**, or **Bring your own**.")
        return
    _mine()
    for task in map(tasks.get, tasks.names()):
        among = [one for one in there if one.upload is None and one.entry["task"] == task.name]
        if among:
            st.markdown(f"#### {task.words.nouns.capitalize()}: {task.words.question}")
            cards.grid(among, lambda _: None)
    for name, why in cards.unreadable().items():
        st.warning(plain(whole(f"The folder checkpoints/{name[:60]} is passed over: {why}")))
    st.caption(
        "Numbered cells are difficulties, coloured by the accuracy of the last validation in training, from .5 to 1; "
        "those underlined were trained on. The Frontier page measures any of them with intervals. "
        "`depthscope list` prints the same list."
    )


def _upload() -> None:
    upload.draw()
    _mine()


def _mine() -> None:
    """What this visit uploaded, trained or opened by a link."""
    mine = [one for one in cards.all_cards() if one.upload is not None]
    if mine:
        st.markdown("#### Your own, for this visit")
        st.caption(
            "They are the server's until it stops or you remove them. Other visits do not see them, unless they follow "
            "a link with the whole name; the command line knows those that are kept."
        )
        cards.grid(mine, _keep_or_remove)


def _notices() -> None:
    """What the last thing asked for came to."""
    visit.failure(PLACE)
    message, visit.part(Remembered).message = visit.part(Remembered).message, None
    if message is not None:
        st.success(plain(whole(message)))


def _keep_or_remove(one: Card) -> None:
    field = f"keep name {one.name}"

    def keep() -> None:
        if startup.read_only():
            return
        name = (st.session_state.get(field) or "").strip()
        with visit.attempt(PLACE):
            try:
                bundle.keep(one.folder, name)
            except InputError as error:
                raise InputError(str(error).replace(f"{one.folder}/", "")) from None
            opening.in_folder.clear()
            visit.part(
                Remembered
            ).message = f"{name} is in the folder checkpoints now, for every visit and the command line"

    with st.container(horizontal=True, gap="xsmall"):
        if not startup.read_only():
            with st.popover("Keep in this folder"):
                proposed = one.name[: -uploads.DIGITS - 1]
                st.text_input("Its name in the folder checkpoints", proposed, key=field, max_chars=bundle.MAX_NAME)
                st.button("Keep", on_click=keep, key=f"keep {one.name}", type="primary")
                st.caption("Nothing there is overwritten. Commands and code find it by this name.")
        st.button("Remove", on_click=remove, args=(one.name,), key=f"remove {one.name}", help="From this visit")


def remove(name: str) -> None:
    """Takes a checkpoint of this visit's own away, and whatever is open with it; for callbacks."""
    here, measured, visitor = visit.visit(), visit.part(Measured), uploads.visitor()
    if visitor is not None:
        uploads.store().release(name, visitor)
    address, here.proposal, measured.address = (
        None if one is not None and one.checkpoint == name else one
        for one in (here.address, here.proposal, measured.address)
    )
    here.address = address or (opening.default_address() if opening.offered() else None)
    visit.visit().failures.pop(PLACE, None)
    visit.part(Remembered).message = f"{name} is gone from this visit"
