"""The frame of every page, and the way back into it for a link that opens a page without the router."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from depthscope.ui.visit.visit import visit

STATIC = Path(__file__).parents[2] / "static"

SIDEBAR_WIDTH = 308

_STYLE = Path(__file__).with_name("frame.css").read_text(encoding="utf-8")


def begin() -> None:
    """Title, icon, logo and layout; the router's first line."""
    st.set_page_config(
        page_title="Depthscope", page_icon=str(STATIC / "mark.svg"), layout="wide", initial_sidebar_state=SIDEBAR_WIDTH
    )
    st.html(f"<style>{_STYLE}</style>")
    st.logo(str(STATIC / "logo.svg"), icon_image=str(STATIC / "mark.svg"), size="medium")
    visit().in_frame = True


def resume() -> None:
    """Goes on to the page that a link named before the router had run."""
    if (link := visit().resume) is not None:
        visit().resume = None
        st.switch_page(link[0], query_params=link[1])


def enter(page: str) -> None:
    """The first line of a page: on a fresh server a link to it skips the router, so go there and come back.

    Args:
        page: Path of the page's file.
    """
    if not visit().in_frame:
        visit().resume = (page, st.query_params.to_dict())
        st.switch_page("app.py")
