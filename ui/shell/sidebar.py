"""The sidebar: which checkpoint, which instance, which ends, how many steps.

Every widget shows the open address and proposes another; none holds a value of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import streamlit as st

from depthscope.core import tasks
from depthscope.core.trace import default_steps
from depthscope.ui import many
from depthscope.ui.shell import help as guide
from depthscope.ui.visit import examples, view as opening, visit
from depthscope.ui.visit.address import MAX_SEED, Address, Example, Generated, Origin, UserInput, identity
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.visit.view import View, trained
from depthscope.ui.widgets.text import plain

Source = Literal["Examples", "Generate", "Type", "Upload"]
SOURCES: tuple[Source, ...] = ("Examples", "Generate", "Type", "Upload")

MAX_UPLOAD_MB = 32
MAX_TYPED = 200_000
MAX_SHOWN = 20_000
"""Longest instance, in characters, that the text box is filled with."""

MANY = ("jsonl", "csv", "tsv")
"""Files that may hold many instances."""

SCALE = (*range(1, 17), 18, 20, 24, 28, 32, 40, 48, 64, 80, 100, 128, 160, 200, 256)
DATA = {"audited": "Audited", "paper": "Paper's"}


@dataclass
class Shown:
    """What the widgets for the instance were last filled from.

    Attributes:
        origin: What the choice of its source shows.
        typed: Key of the view in the text box.
    """

    origin: Origin | None = None
    typed: str = ""


def draw(view: View, address: Address | None = None, more: Callable[[View], None] | None = None) -> None:
    """The sidebar of a page.

    Args:
        view: What is open.
        address: What the URL says; the view's if None.
        more: Draws a page's own choice below the checkpoint.
    """
    with st.sidebar:
        checkpoint(view.checkpoint.name)
        if more is not None:
            more(view)
        _instance(view)
        if "source" in tasks.get(view.instance.task).questions:
            _ends(view)
        _steps(view)
        visit.write_url(address or view.address)
        guide.draw()


def describe(name: str) -> str:
    """One line on a checkpoint: its size and what it was trained on."""
    entry, parts = opening.listed(name), []
    if entry["parameters"]:
        parts.append(f"{entry['parameters'] / 1000:,.0f}k weights")
    if entry["difficulty"]:
        low, high = entry["difficulty"]
        parts.append(f"trained on {low}–{high} {tasks.get(entry['task']).words.unit}")
    return " · ".join(parts)


def checkpoint(name: str) -> None:
    """The choice of the checkpoint, showing the one of this name."""
    names = [entry["name"] for entry in opening.offered()]
    with st.container(gap="xsmall"):
        st.selectbox("Checkpoint", names, **visit.bind("checkpoint_widget", name, visit.choose_checkpoint))
        st.caption(plain(describe(name)))


def _instance(view: View) -> None:
    origin, shown = view.address.origin, visit.part(Shown)
    kind: Source = "Examples" if isinstance(origin, Example) else "Generate"
    if isinstance(origin, UserInput):
        uploaded = origin.file is not None or any(item.origin == origin for item in many.current(view.instance.task))
        kind = "Upload" if uploaded else "Type"
    if shown.origin != origin:  # another instance came in: show where it came from
        shown.origin, st.session_state["source_widget"] = origin, kind
    chosen = st.segmented_control(
        "Instance", SOURCES, key="source_widget", required=True, persist_state="session", width="stretch"
    )
    panel = {"Examples": _examples, "Generate": _generate, "Type": _type, "Upload": _upload}
    panel[chosen or kind](view)
    many.choice(view)


def _open(origin: Origin) -> None:
    visit.change(origin=origin, source=None, target=None, steps=None)


def _examples(view: View) -> None:
    entries = {entry.name: entry for entry in examples.examples(view.instance.task)}
    origin = view.address.origin
    shown = origin.name if isinstance(origin, Example) else None
    st.radio(
        "Examples", list(entries), index=None, format_func=lambda name: entries[name].title,
        captions=[entry.caption for entry in entries.values()], label_visibility="collapsed",
        **visit.bind("example_widget", shown, lambda name: _open(Example(name))),
    )  # fmt: skip


def _generate(view: View) -> None:
    task, origin = tasks.get(view.instance.task), view.address.origin
    span, fresh = trained(view.checkpoint, "difficulty"), not isinstance(origin, Generated)
    shown = origin if isinstance(origin, Generated) else Generated(view.instance.difficulty or 12)
    most = max(task.most[shown.data], shown.difficulty)

    def draw_another(**fields: Any) -> None:
        latest = visit.latest()
        before = latest.origin if latest is not None and isinstance(latest.origin, Generated) else shown
        drawn = replace(before, **fields)
        _open(replace(drawn, difficulty=min(drawn.difficulty, task.most[drawn.data])))

    def field(name: str) -> dict[str, Any]:
        return visit.bind(f"{name}_widget", getattr(shown, name), lambda value: draw_another(**{name: value or 0}))

    label = task.words.difficulty.capitalize() + (f" (trained on {span[0]}–{span[1]})" if span else "")
    scale = sorted({d for d in SCALE if d <= most} | {shown.difficulty})
    st.select_slider(label, scale, **field("difficulty"))
    st.segmented_control(
        "Answer", (1, 0), format_func=lambda answer: task.words.buttons[answer], required=True, width="stretch",
        help="In audited data the two answers of one seed are twins: minimally different instances.", **field("answer"),
    )  # fmt: skip
    st.segmented_control(
        "Data", list(DATA), format_func=DATA.__getitem__, required=True, width="stretch",
        help="Audited: no count or size gives the answer away. Paper's: the generator of the paper.", **field("data"),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Seed", 0, MAX_SEED, **field("seed"))
        seed = {"seed": shown.seed + (not fresh)}
        st.button("Generate" if fresh else "Another", on_click=draw_another, kwargs=seed, key="another_widget")


def _format(view: View, key: str, on_change: Callable[[], None] | None = None) -> None:
    """The switch of file formats, where the extension is not to be believed or there is none."""
    if formats := tasks.get(view.instance.task).formats:
        st.selectbox(
            "Format",
            [None, *formats],
            format_func=lambda name: name or "By its extension or content",
            key=key,
            persist_state="session",
            on_change=on_change,
        )


def _type(view: View) -> None:
    words, origin = tasks.get(view.instance.task).words, view.address.origin
    state, shown = st.session_state, visit.part(Shown)
    lost = "type_widget" not in state  # a text that was set for a widget, not typed, does not outlive a page switch
    if (lost or shown.typed != view.key) and not visit.visit().problem:
        typed = origin.content if isinstance(origin, UserInput) and origin.file is None else None
        text = _rendered(view) if typed is None else typed.decode("utf-8", "replace")
        shown.typed, state["type_widget"] = view.key, text

    def submit() -> None:
        form = state.get("type_format_widget")
        _open(UserInput((state["type_widget"] or "").encode("utf-8", "surrogatepass"), None, form))

    with st.form("type", border=False):
        st.text_area(
            words.typed,
            key="type_widget",
            height=120 if words.one_line else 190,
            max_chars=MAX_TYPED,
            placeholder=words.placeholder,
            persist_state="session",
            help=words.help,
        )
        _format(view, "type_format_widget")
        st.form_submit_button("Run", on_click=submit, width="stretch")


def _rendered(view: View) -> str:
    text = tasks.get(view.instance.task).render(view.instance)
    return text if len(text) <= MAX_SHOWN else ""


def _upload(view: View) -> None:
    task, origin = view.instance.task, view.address.origin

    def submit() -> None:
        files, form = st.session_state["upload_widget"], st.session_state.get("upload_format_widget")
        read = [(file.name, file.getvalue()) for file in files or []]
        if len(read) > 1 or any(many.holds_many(*file) for file in read):
            many.take(task, read, form)
        elif read:
            many.close()
            _open(UserInput(read[0][1], read[0][0], form))
        elif isinstance(origin, UserInput) and origin.file is not None:
            _open(replace(origin, format=form))

    st.file_uploader(
        "Files of your own; they stay on this machine",
        type=list(dict.fromkeys((*tasks.get(task).words.extensions, *MANY))),
        accept_multiple_files=True,
        help="One instance a file, or many in one: JSON Lines or a table, with `input` and, for graphs, `source` and "
        "`target`.",
        key="upload_widget",
        on_change=submit,
        max_upload_size=MAX_UPLOAD_MB,
    )
    if isinstance(origin, UserInput) and origin.file is not None:
        st.caption(f"Open: {plain(origin.file, 60)} ({len(origin.content) / 1000:,.1f} kB)")
    _format(view, "upload_format_widget", submit)


def _ends(view: View) -> None:
    graph, names = view.instance, list(view.instance.names)
    long = len(names) > opening.MAX_LISTED
    columns = [st.container(), st.container()] if long else st.columns(2)
    for end, label, column in zip(("source", "target"), ("From", "To"), columns, strict=True):
        choose = lambda name, end=end: visit.change(**{end: name})  # noqa: E731
        shows = visit.bind(f"{end}_node_widget", names[getattr(graph, end)], choose)
        with column:
            st.text_input(label, **shows) if long else st.selectbox(label, names, **shows)


def _steps(view: View) -> None:
    steps, default = view.trace.steps, default_steps(view.checkpoint, view.instance)
    span, now = view.trained_steps, view.address
    # A slider for each instance: the value put into one that stands is lost if the run that sends it is cut off, and
    # the old one then comes back from the browser as if it were chosen.
    key = f"steps_widget {fingerprint(now.checkpoint, identity(now.origin), now.source, now.target)}"
    choose = lambda chosen: visit.change(steps=None if chosen == default else int(chosen))  # noqa: E731
    most = max(48, 2 * default, steps, 4 * span[1] if span else 0)
    trained_with = [f"trained with {span[0]}–{span[1]}"] if span else []
    with st.container(gap="xsmall"):
        st.slider("Steps", 1, most, **visit.bind(key, steps, choose))
        st.caption(" · ".join([*trained_with, f"default here {default}"]))
