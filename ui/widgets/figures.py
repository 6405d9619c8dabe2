"""What pages are made of: headlines, cards with the documentation of an instrument, figures with their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import plotly.graph_objects as go
import streamlit as st

from depthscope.figures.style.numbers import as_csv
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import PictureFormat, config
from depthscope.ui.widgets import copy_instance
from depthscope.ui.widgets.text import plain

Offer = tuple[str, str, Callable[[], Any]]
"""What can be downloaded: its label, the file's name, and how it is made."""

DOCS = Path(__file__).parents[2] / "docs" / "instruments"
Height = Literal["stretch", "content"]
PICTURE = "picture_widget"

LONGEST = 1200
"""Characters of a caption."""


@dataclass(frozen=True)
class Picture:
    """One figure of a result.

    Attributes:
        title: In the choice among several, and for those who do not see it.
        make: Draws it in a scheme, or makes the rows of a table.
        caption: How to read it, plain text.
    """

    title: str
    make: Callable[[Scheme], go.Figure | list[dict[str, Any]]]
    caption: str = ""


@dataclass(frozen=True)
class Figures:
    """What is shown of a result.

    Attributes:
        pictures: By the end of the file's name; one of them is chosen, or all stand side by side.
        caption: Below all of them, plain text.
        lead: The sentence above them, plain text.
        rows: Of a table below them.
        abreast: Whether they stand side by side.
    """

    pictures: Mapping[str, Picture]
    caption: str = ""
    lead: str = ""
    rows: Sequence[dict[str, str]] = ()
    abreast: bool = False


def headline(title: str, note: str = "", level: int = 3) -> None:
    """A heading and, in small, what it is about; both are plain text."""
    with st.container(gap="xxsmall"):
        st.markdown(f"{'#' * level} {plain(title)}")
        if note:
            st.caption(plain(note, LONGEST))


@cache
def documentation(name: str) -> str:
    """The documentation of an instrument with a small title and no links to other files; "" where there is none."""
    file = DOCS / f"{name}.md"
    if not file.is_file():
        return ""  # an instrument of the user's own
    text = file.read_text(encoding="utf-8").replace("\n# ", "\n### ").replace("# ", "### ", 1)
    return re.sub(r"\[([^\]]+)\]\([^)]*\.md\)", r"\1", text)


def question(name: str) -> str | None:
    """What an instrument asks, from its documentation, plain text; None where there is none."""
    found = re.search(r"\*\*Question\.\*\* (.+?)\n\n", documentation(name), re.DOTALL)
    return found and found[1].replace("\n", " ")


def popover(name: str) -> None:
    """A "?" that opens the page of an instrument: question, formula, control, how to read it, pitfalls, source."""
    if text := documentation(name):
        with st.popover("?", help="What this measures, its controls and its pitfalls"):
            st.markdown(text)


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


def scheme() -> Scheme:
    """The scheme the page is shown in."""
    return "dark" if st.context.theme.type == "dark" else "light"


def picture() -> PictureFormat:
    """The format in which figures and views are saved."""
    return st.session_state.get(PICTURE) or "png"


def plot(fig: go.Figure, key: str, name: str, alt: str, **settings: Any) -> Any:
    """A Plotly figure whose modebar saves it in the format that was chosen, with its numbers below it.

    Returns:
        What `st.plotly_chart` returns with these settings.
    """
    chart = st.plotly_chart(fig, theme=None, key=key, config=config(name, picture()), alt=alt, **settings)
    with st.container(horizontal=True, horizontal_alignment="right", key=f"numbers {key}"):
        st.download_button(
            "CSV", lambda: as_csv(fig), f"{name}.csv", on_click="ignore", key=f"csv {key}", type="tertiary",
            help="Every point and cell of this figure",
        )  # fmt: skip
    return chart


def draw_figures(of: Figures, kind: str, stem: str) -> None:
    """The figures of a result with the sentences around them.

    Args:
        of: The figures.
        kind: Of the result, for the keys of widgets.
        stem: Of the names of files.
    """
    if of.lead:
        st.write(plain(of.lead, LONGEST))
    titles = {name: picture.title for name, picture in of.pictures.items()}
    if of.abreast:
        for column, name in zip(st.columns(len(titles), gap="small"), titles, strict=True):
            with column:
                _picture(of.pictures[name], f"{kind} {name}", f"{stem}-{name}")
    else:
        # The key holds the options: a widget whose options change keeps its old choice.
        chosen = next(iter(titles)) if len(titles) == 1 else choice("Figure", titles, f"figure {kind} {[*titles]}")
        _picture(of.pictures[chosen], f"{kind} {chosen}", f"{stem}-{chosen}")
    table(of.rows)
    if of.caption:
        st.caption(plain(of.caption, LONGEST))


def _picture(picture: Picture, key: str, name: str) -> None:
    made = picture.make(scheme())
    if isinstance(made, list):
        st.dataframe(made, hide_index=True, height=320, key=key)
    else:
        plot(made, key, name, picture.title)
    if picture.caption:
        st.caption(plain(picture.caption, LONGEST))


def downloads(kind: str, offers: Sequence[Offer]) -> None:
    """A row of buttons, each of which makes its file when it is pressed."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, file, make in offers:
            st.download_button(label, make, file, on_click="ignore", key=f"{kind} {label}")


def csv_and_json(name: str, csv: Callable[[], str], json: Callable[[], str]) -> list[Offer]:
    """The numbers of a result as both kinds of file."""
    return [("All as CSV", f"{name}.csv", csv), ("JSON", f"{name}.json", json)]


def take_away(kind: str, offers: Sequence[Offer], command: str, code: str, table: str | None = None) -> None:
    """The numbers as files, and the lines that compute the same; with what the command prints, where it is given."""
    downloads(kind, offers)
    with st.expander("Copy as command or code" if table is None else "Numbers, command and code"):
        if table is not None:
            st.code(table, language=None)
        copy_instance.show(command, code)


def choice(label: str, options: dict[str, str], key: str, default: str | None = None) -> str:
    """A choice among named options, the first unless another is the default; its label is read but not seen."""
    first = default or next(iter(options))
    value = st.segmented_control(
        label, list(options), default=first, format_func=options.__getitem__, key=key, label_visibility="collapsed",
        required=True,
    )  # fmt: skip
    return value or first
