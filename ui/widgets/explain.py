"""The page of an instrument's documentation behind a "?" beside its figure."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import streamlit as st

DOCS = Path(__file__).parents[2] / "docs" / "instruments"


@cache
def page(name: str) -> str:
    """The documentation of an instrument, its title as a small heading; links to other files lead nowhere here."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8").replace("\n# ", "\n### ").replace("# ", "### ", 1)
    return re.sub(r"\[([^\]]+)\]\([^)]*\.md\)", r"\1", text)


def popover(name: str) -> None:
    """A "?" that opens the page of an instrument: question, formula, control, how to read it, pitfalls, source."""
    if not (DOCS / f"{name}.md").is_file():
        return  # an instrument of the user's own
    with st.popover("?", help="What this measures, its controls and its pitfalls"):
        st.markdown(page(name))
