"""The frame of every page, and the way back into it for a link that opens a page without the router."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from depthscope.ui.visit.visit import visit

STATIC = Path(__file__).parents[2] / "static"

SIDEBAR_WIDTH = 308

_STYLE = """
[data-testid="stMainBlockContainer"] { padding-inline: clamp(1rem, 2.2vw, 2.5rem); }
[data-testid="stMain"] { --ds-top: 4rem; }
.st-key-player { position: sticky; top: 4rem; z-index: 5; }
.st-key-source_widget button { padding-inline: 0.4rem; }
.st-key-frontier_controls [data-testid="stButtonGroup"] button { min-height: 2.5rem; }
.st-key-editor button { min-height: 1.9rem; padding: 0 0.7rem; }
.st-key-editor button p { font-size: 0.82rem; }
.st-key-side_0, .st-key-side_1 { min-height: 5.4rem; }
[class*="st-key-numbers-"] { margin-top: -0.9rem; }
[class*="st-key-numbers-"] button { min-height: 1.2rem; padding: 0; font-size: 0.75rem; }
[class*="st-key-numbers-"] button p { font-size: 0.75rem; }
.st-key-help button { min-height: 1.9rem; padding: 0 0.6rem; }
.st-key-help button p { font-size: 0.82rem; }
[data-testid="stHeader"] a:focus-visible { outline: 2px solid currentColor; outline-offset: -2px; }
[class*="st-key-cells-"] { overflow-x: auto; }
[class*="st-key-cells-"] :is(td, th) { font-size: 0.9rem; padding: 0.3rem 0.55rem; }
.st-key-facts thead { display: none; }
.st-key-facts table { font-size: 0.92rem; width: 100%; }
.st-key-facts td { overflow-wrap: anywhere; }
.st-key-facts td:first-child { white-space: nowrap; overflow-wrap: normal; }
@media (max-width: 1000px) { /* a tablet beside its sidebar: figures stack, what is compared stays abreast */
  [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .stPlotlyChart):not(:has(.st-key-side_0)) {
    flex-wrap: wrap;
  }
  [data-testid="stHorizontalBlock"]:not(:has(.st-key-side_0)) > [data-testid="stColumn"]:has(.stPlotlyChart) {
    flex: 1 1 100%;
    min-width: 100%;
  }
}
@media (max-height: 560px) { .st-key-player { position: static; } } /* at a strong zoom the views need the room */
"""
"""What the theme has no word for: the stage takes the width it gets, what sticks stays below the header."""


def begin() -> None:
    """Title, icon, logo and layout; the router's first line."""
    st.set_page_config(
        page_title="Depthscope",
        page_icon=str(STATIC / "mark.svg"),
        layout="wide",
        initial_sidebar_state=SIDEBAR_WIDTH,
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
