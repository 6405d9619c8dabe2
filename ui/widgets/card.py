"""A framed section with its title and, at the right, the documentation of its instrument."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Literal

import streamlit as st

from depthscope.ui.widgets.text import plain

DOCS = Path(__file__).parents[2] / "docs" / "instruments"
Height = Literal["stretch", "content"]


@cache
def documentation(name: str) -> str:
    """The documentation of an instrument, its title as a small heading; links to other files lead nowhere here."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8").replace("\n# ", "\n### ").replace("# ", "### ", 1)
    return re.sub(r"\[([^\]]+)\]\([^)]*\.md\)", r"\1", text)


def popover(name: str) -> None:
    """A "?" that opens the page of an instrument: question, formula, control, how to read it, pitfalls, source."""
    if not (DOCS / f"{name}.md").is_file():
        return  # an instrument of the user's own
    with st.popover("?", help="What this measures, its controls and its pitfalls"):
        st.markdown(documentation(name))


def card(title: str, doc: str | None = None, height: Height = "stretch") -> AbstractContextManager:
    """A frame with a title; with a "?" that opens the documentation where there is some."""
    box = st.container(border=True, gap="xsmall", height=height)
    if doc is None:
        box.markdown(f"**{title}**")
        return box
    with box.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{title}**", width="content")
        popover(doc)
    return box


def _unbroken(text: str) -> str:
    return text.replace(r"\, ", "\\,\N{NO-BREAK SPACE}")


def table(rows: Sequence[dict[str, str]]) -> None:
    """Rows of text as a small table; nothing in them is markup, and no interval is broken."""
    if rows:
        names = list(rows[0])
        lines = [names, ["---"] * len(names), *([_unbroken(plain(row[name])) for name in names] for row in rows)]
        with st.container(key=f"cells {' '.join(names)}"):
            st.markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))
