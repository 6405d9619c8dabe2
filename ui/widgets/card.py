"""A framed section with its title and, at the right, the documentation of its instrument."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal

import streamlit as st

from depthscope.ui.widgets import explain
from depthscope.ui.widgets.text import plain

Height = Literal["stretch", "content"]


def card(title: str, doc: str | None = None, height: Height = "stretch") -> AbstractContextManager:
    """A frame with a title; with a "?" that opens the documentation where there is some."""
    box = st.container(border=True, gap="xsmall", height=height)
    if doc is None:
        box.markdown(f"**{title}**")
        return box
    with box.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{title}**", width="content")
        explain.popover(doc)
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
