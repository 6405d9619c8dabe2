"""What a page shows of a view: the headline, the linked views, and what lies behind them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from depthscope.core import tasks
from depthscope.core.encoding import NOTHING
from depthscope.core.exchange.npz import write_npz
from depthscope.core.tasks.wording import clipped
from depthscope.figures.linked_views import payload as linked_views
from depthscope.figures.report_page import report
from depthscope.figures.style.csv_text import csv_text
from depthscope.figures.summary import sentence
from depthscope.ui.trace import grouping
from depthscope.ui.visit import session_file, view as opening, visit
from depthscope.ui.visit.view import View
from depthscope.ui.widgets import copy_instance, figures
from depthscope.ui.widgets.text import plain, whole

MAX_NOTE = 140
"""Characters of a note in the line under the headline; whole notes are among the facts."""


_component = component("depthscope_linked_views", html=linked_views.HTML, css=linked_views.CSS, js=linked_views.JS)


def nothing_to_open() -> None:
    """The page without a single checkpoint; where there is one, its error box has said all."""
    if opening.offered():
        return
    st.subheader("No checkpoint here yet")
    st.write("Train the first one, about a minute on two cores, then reload this page:")
    st.code("depthscope train graph --recipe house --out checkpoints/graph-house", language="bash")


def size(view: View) -> str:
    """How large the instance is, in words."""
    return tasks.get(view.instance.task).drawing.size(view.instance, view.trace.encoding)


def notes(view: View) -> list[str]:
    """What was rewritten, chosen or assumed on the way from the file to the trace."""
    return list(dict.fromkeys((*view.instance.notes, *view.trace.encoding.notes, *view.trace.notes)))


def headline(view: View) -> None:
    """The sentence of the trace, and in small what it is about."""
    parts = [size(view), *(clipped(note, MAX_NOTE) for note in notes(view))]
    figures.headline(sentence(view.trace), " ".join(part if part.endswith("…") else whole(part) for part in parts))


def linked(
    view: View,
    *,
    key: str = "views",
    role: str = "full",
    pick_ends: bool = True,
    on_edit: Callable[[View, Any], None] | None = None,
    readings: dict[str, np.ndarray] | None = None,
    sides: Sequence[View] = (),
) -> None:
    """The linked views of a trace under the page's cursor.

    Args:
        view: What is open.
        key: Names this mount on its page.
        role: "full"; "scrubber" or "views" alone, where several mounts share one player.
        pick_ends: Whether clicks set source and target (graphs).
        on_edit: Takes what a hand did to the instance in the structure; None where it cannot be edited.
        readings: Name to (T+1, n) values in [0, 1], the first in front; the view's own if None.
        sides: The runs of a comparison, this one among them; those of one model share the basis of the trajectories,
            so that a place is the same state on both sides.
    """
    shown = view.readings if readings is None else readings
    here = grouping.current(view) if role == "scrubber" else grouping.choose(view, key)
    drawing = grouping.payload_of(view, here, shown, sides, given=readings is not None)
    has_ends = "source" in tasks.get(view.instance.task).questions

    def choose_ends() -> None:
        ends, names = st.session_state[key].ends, view.instance.names
        if ends:
            source, target = (names[int(ends[end])] for end in ("source", "target"))
            visit.change(source=source, target=target)

    def take_edit() -> None:
        if on_edit is not None and (request := st.session_state[key].edit):
            on_edit(view, request)

    def open_group() -> None:
        if request := st.session_state[key].group:
            grouping.open_group(view, here.by, request.get("group"))

    place = {"initial": visit.cursor(), "channel": "main", "role": role, "pick_ends": pick_ends and has_ends}
    place |= {"edit": on_edit is not None and not here.grouped, "open_groups": here.grouped}
    place["picture"] = figures.picture()
    data = {
        name: json.dumps(value) if isinstance(value, dict) else value for name, value in {**drawing, **place}.items()
    }
    _component(data=data, key=key, on_ends_change=choose_ends, on_edit_change=take_edit, on_group_change=open_group)


def abreast(
    titles: tuple[str, str],
    sides: tuple[View, View],
    readings: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None = None,
    pick_ends: bool = True,
) -> None:
    """Two runs under one player, each with its title and its sentence; the arguments are those of `linked`."""
    with st.container():  # the player sticks to the top as long as the views are seen, and no longer
        linked(sides[0], key="player", role="scrubber", pick_ends=False, readings=readings and readings[0])
        for i, column in enumerate(st.columns(2, gap="medium")):
            with column:
                with st.container(gap="xxsmall", key=f"side_{i}"):
                    st.markdown(f"**{plain(titles[i])}**")
                    st.caption(plain(sentence(sides[i].trace)))
                given = readings and readings[i]
                linked(sides[i], key=f"views_{i}", role="views", pick_ends=pick_ends, readings=given, sides=sides)


def alone(view: View, why: str) -> None:
    """One side where a second is wanted, with the reason, as markup."""
    st.warning(why)
    headline(view)
    linked(view)


def about(view: View) -> None:
    """The facts of a trace, and its numbers to take away."""
    with st.expander("About this trace"):
        left, right = st.columns([3, 2], gap="large")
        with left:
            rows = "\n".join(f"| {plain(name)} | {plain(value, 4000)} |" for name, value in facts(view).items())
            with st.container(key="facts"):
                st.markdown(f"| | |\n|---|---|\n{rows}")
        with right:
            _downloads(view)
        st.caption("The same on the command line and in Python, from *Instance as text* saved as `instance.txt`")
        copy_instance.show(*copy_instance.of_trace(view))
        _open_session()


def _open_session() -> None:
    """The way to open a session file; what cannot be read is said, and what is open stays."""

    def submit() -> None:
        if (file := st.session_state["session_widget"]) is not None:
            with visit.attempt("session file"):
                visit.propose(session_file.load(file.getvalue(), opening.default_address))

    chosen = st.file_uploader(
        "Open a session file", type=["json"], key="session_widget", on_change=submit, max_upload_size=64,
        help="Written by *Session file* above: the checkpoint, the instance and the steps, whatever their length",
    )  # fmt: skip
    if chosen is not None:
        visit.failure("session file")


def facts(view: View) -> dict[str, str]:
    """What was run, on what, and what came out: the facts of the offline page, and what a visit knows besides."""
    trace = view.trace
    n_bytes = sum(v.nbytes for v in vars(trace).values() if isinstance(v, np.ndarray))
    return {
        **report.facts(trace, view.checkpoint),
        "Instance": size(view),
        "Size in memory": f"{n_bytes / 1e6:,.1f} MB, states {' × '.join(map(str, trace.hidden.shape))}",
        **({"Notes": " ".join(map(whole, notes(view)))} if notes(view) else {}),
    }


def _downloads(view: View) -> None:
    stem, task = f"{view.checkpoint.name}-{view.key[:8]}", tasks.get(view.instance.task)
    offers = [
        ("Trace as npz", f"{stem}.npz", lambda: trace_npz(view)),
        ("Offline page as HTML", f"{stem}.html", lambda: offline_page(view)),
        ("Readings as CSV", f"{stem}.csv", lambda: readings_csv(view)),
        ("Session file", f"{stem}.json", lambda: session_file.dump(view.address)),
        ("Instance as text", f"{stem}.txt", lambda: task.render(view.instance)),
    ]
    figures.downloads("trace", offers)


def offline_page(view: View) -> str:
    """The linked views as one file that plays without a network, as `depthscope report` writes them."""
    return report.page(view.trace, view.checkpoint, view.readings, about=size(view))


def readings_csv(view: View) -> str:
    """Every reading at every step and node, with what the oracle says, as the views show them."""
    trace, labels = view.trace, view.trace.encoding.labels
    rows = (
        [
            t, i, label, *(f"{reading[t, i]:.6g}" for reading in view.readings.values()),
            "" if trace.truth[t, i] == NOTHING else trace.truth[t, i], int(trace.known[t, i]),
        ]
        for t in range(trace.steps + 1)
        for i, label in enumerate(labels)
    )  # fmt: skip
    return csv_text(["step", "node", "label", *view.readings, "truth", "known"], rows)


def trace_npz(view: View) -> bytes:
    """The arrays of a trace under their own names, as `depthscope trace --out` writes them."""
    file = io.BytesIO()
    write_npz(view.trace, file)
    return file.getvalue()
