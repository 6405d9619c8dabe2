"""The Checkpoints page: what can be opened, what a visit brings along, and what it trains here."""

from __future__ import annotations

from typing import Literal, cast

import streamlit as st

from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.ui.checkpoints import cards as checkpoint_cards, training as training_page, upload
from depthscope.ui.checkpoints.cards import Shown
from depthscope.ui.shell import startup
from depthscope.ui.visit import session, uploads as own, view as opening
from depthscope.ui.visit.selection import Selection
from depthscope.ui.widgets.text import plain, whole

Section = Literal["Open", "Bring your own", "Train one here"]
SECTIONS: tuple[Section, ...] = ("Open", "Bring your own", "Train one here")
PARAMETER = "section"
IN_URL: dict[Section, str] = {"Open": "open", "Bring your own": "own", "Train one here": "train"}
_STYLE = """
[class*="st-key-settings-"] thead { display: none; }
[class*="st-key-settings-"] table { font-size: 0.86rem; }
[class*="st-key-settings-"] td { padding: 0.2rem 0.5rem; overflow-wrap: anywhere; min-width: 6.5rem; }
[class*="st-key-card-"] :is(p, td, th, li) { font-size: 0.86rem; }
[class*="st-key-card-"] :is(td, th) { padding: 0.15rem 0.5rem; }
"""
"""Small tables in small cards."""

HEADINGS = {
    "graph": "Graphs: is there a path?",
    "logic": "Formulas: is it true?",
    "text": "Texts: are they so related?",
}


def headline() -> Section:
    """How many there are, and the choice of what to do."""
    st.html(f"<style>{_STYLE}</style>")
    there, brought = len(opening.in_folder()), len(own.mine())
    with st.container(gap="xxsmall"):
        whose = f" and {brought} of your own" if brought else ""
        count = f"{there} checkpoint{'' if there == 1 else 's'}" if there else "No checkpoint yet"
        st.markdown(f"### {count}{whose}" + (" can be opened here" if there or brought else ""))
        st.caption(
            "A checkpoint is a trained model: weights, config, and what was measured when it was made. What you bring "
            "along or train here stands beside the others on every page."
        )
    sections = SECTIONS[:-1] if startup.read_only() else SECTIONS
    asked = {name: section for section, name in IN_URL.items() if section in sections}
    first = st.session_state.setdefault("checkpoints first", asked.get(st.query_params.get(PARAMETER, ""), "Open"))
    chosen = cast(Section, st.segmented_control(
        "What to do", sections, key="checkpoints section_widget", default=first, persist_state="session",
        label_visibility="collapsed", required=True,
    ) or "Open")  # fmt: skip
    session.write_query({PARAMETER: IN_URL[chosen]} if chosen != "Open" else {}, [PARAMETER], in_place=True)
    if chosen != "Train one here":
        training_page.under_way()
    _notices()
    return chosen


def draw(section: Section) -> None:
    """One of the three sections."""
    {"Open": _cards, "Bring your own": _bring, "Train one here": training_page.draw}[section]()


def _cards() -> None:
    cards = checkpoint_cards.shown()
    if not cards:
        st.info("The first one takes about a minute: choose **Train one here**, or **Bring your own**.")
        return
    _mine()
    for task, heading in HEADINGS.items():
        among = [one for one in cards if one.brought is None and one.entry["task"] == task]
        if among:
            st.markdown(f"#### {heading}")
            checkpoint_cards.grid(among, lambda _: None)
    for name, why in checkpoint_cards.unreadable().items():
        st.warning(plain(whole(f"The folder checkpoints/{name[:60]} is passed over: {why}")))
    st.caption(
        "Numbered cells are difficulties, coloured by the accuracy of the last validation in training, from .5 to 1; "
        "those underlined were trained on. The Frontier page measures any of them with intervals. "
        "`depthscope list` prints the same list."
    )


def _bring() -> None:
    upload.draw()
    _mine()


def _mine() -> None:
    """What this visit brought along."""
    mine = [one for one in checkpoint_cards.shown() if one.brought is not None]
    if mine:
        st.markdown("#### Your own, for this visit")
        st.caption(
            "They are the server's until it stops or you remove them. Other visits do not see them, unless they follow "
            "a link with the whole name; the command line knows those that are kept."
        )
        checkpoint_cards.grid(mine, _keep_or_remove)


def _notices() -> None:
    """What the last thing asked for came to, said once."""
    said = st.session_state.pop("checkpoints said", None)
    if said is not None:
        kind, sentence = said
        (st.error if kind == "error" else st.success)(plain(whole(sentence)))


def say(kind: Literal["error", "success"], sentence: str) -> None:
    """Leaves a sentence for the coming run; for callbacks."""
    st.session_state["checkpoints said"] = (kind, sentence)


def _keep_or_remove(one: Shown) -> None:
    field = f"keep name {one.name}"

    def keep() -> None:
        if startup.read_only():
            return
        name = (st.session_state.get(field) or "").strip()
        try:
            bundle.keep(one.folder, name)
            opening.in_folder.clear()
            say("success", f"{name} is in the folder checkpoints now, for every visit and the command line")
        except InputError as error:
            say("error", str(error).replace(f"{one.folder}/", ""))

    with st.container(horizontal=True, gap="xsmall"):
        if not startup.read_only():
            with st.popover("Keep in this folder"):
                proposed = one.name[: -own.DIGITS - 1]
                st.text_input("Its name in the folder checkpoints", proposed, key=field, max_chars=bundle.MAX_NAME)
                st.button("Keep", on_click=keep, key=f"keep {one.name}", type="primary")
                st.caption("Nothing there is overwritten. Commands and code find it by this name.")
        st.button("Remove", on_click=remove, args=(one.name,), key=f"remove {one.name}", help="From this visit")


def remove(name: str) -> None:
    """Takes a checkpoint of this visit's own away, and whatever is open with it; for callbacks."""
    state, visit = st.session_state, own.visit()
    if visit is not None:
        own.shelf().let_go(name, visit)
    for key in ("wanted", "selection", "frontier"):
        if getattr(state.get(key), "checkpoint", None) == name:
            del state[key]
    left = opening.offered()
    if "selection" not in state and left:
        state["selection"] = Selection(left[0]["name"], opening.default_origin(left[0]["name"]))
    say("success", f"{name} is gone from this visit")
