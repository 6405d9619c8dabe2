"""Help on every page: the words that are used, and the tour of a first visit."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

from depthscope.ui.visit.visit import visit
from depthscope.ui.widgets.figures import PICTURE

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"
_FOLDER = Path(__file__).with_name("tour")

_tour = component(
    "depthscope_tour",
    html="<div class='tour'></div>",
    css=(_FOLDER / "tour.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "tour.js").read_text(encoding="utf-8"),
)


@cache
def glossary() -> str:
    """The glossary without its title."""
    return GLOSSARY.read_text(encoding="utf-8").split("\n", 2)[2]


def draw() -> None:
    """The glossary, the format of pictures and the way into the tour, at the foot of the sidebar."""
    with st.container(horizontal=True, key="help"):
        with st.popover("Glossary"):
            st.markdown(glossary())
        with st.popover("Pictures"):
            st.segmented_control(
                "Save figures as", ("png", "svg"), default="png", format_func=str.upper, key=PICTURE,
                required=True, persist_state="session",
            )  # fmt: skip
            st.caption("The camera over each figure and the arrow over each view save it in this format.")
        if st.button("Tour", key="start tour", help="Five stops on the Trace page"):
            visit().tour = str(time.time_ns())
            st.switch_page("pages/trace.py")


def tour() -> None:
    """The tour of the Trace page: offered on a first visit, and whenever its button is pressed."""
    _tour(data={"asked": visit().tour}, key="tour", height=1)
