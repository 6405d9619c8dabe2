"""The Attention page, on the open instance: where attention goes, as maps, against the path, and traced back."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from depthscope.figures.attention_maps import payload as attention_maps
from depthscope.figures.instruments import attention as drawing, traced_back
from depthscope.figures.style.csv_text import csv_text
from depthscope.probes.instruments.attention import AttentionScores, Figure
from depthscope.probes.instruments.interaction import InteractionScores
from depthscope.ui.attention import measures, run as attention_run
from depthscope.ui.shell import instance_page
from depthscope.ui.trace import views
from depthscope.ui.visit import visit
from depthscope.ui.visit.cache import recent
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.figures import Figures, Picture, card, downloads, draw_figures, headline, picture
from depthscope.ui.widgets.text import whole
from depthscope.ui.work.measure import Request, Section, section

ALONE = (
    "Permuted: the same weights in random order among each node's keys. One run has no interval; the cards below have "
    "one."
)
INFLUENCE = (
    "W: how much the answer's last state would change with each earlier state: the exact derivative, values and gates "
    "included, whatever the model is made of."
)

_maps = component("depthscope_attention_maps", html=attention_maps.HTML, css=attention_maps.CSS, js=attention_maps.JS)


def show() -> None:
    """The page."""
    instance_page.show("pages/attention.py", draw)


def draw(view: View) -> None:
    """What the page shows of the open run and of drawn instances; what fails in one part leaves the others."""
    _run(view)
    measures.draw(view)


def _run(view: View) -> None:
    if view.trace.attention is None:
        _without(view)
        return
    scores = None
    with visit.error_box():
        scores = attention_run.scores(view)
        _headline(view, scores)
    shown = attention_run.with_readings(view)
    with st.container():  # the player stays in sight as far as what it moves
        views.linked(view, key="player", role="scrubber", pick_ends=False, readings=shown)
        views.linked(view, key="attention views", role="structure wavefront", readings=shown)
        st.caption(
            "Lines are attention into this step, along the structure. Choose a head above; “rollout” under *fill* "
            "shows how much of each state ends up in the answer, as a share of the largest at that step."
        )
        with visit.error_box():
            _draw_maps(view)
    with visit.error_box():
        _against_chance(view)
    with visit.error_box():
        _traced_back(view)


def _without(view: View) -> None:
    """One sentence, the linked views, and the one question that needs no attention."""
    headline(
        "This model has no attention to look at",
        f"{view.checkpoint.name} passes its state from one place to the next. Effective interaction, below, asks of "
        f"any model where its answer comes from. {views.size(view)}.",
    )
    views.linked(view, key="attention views", readings=attention_run.with_readings(view))
    with visit.error_box():
        _traced_back(view)


def _headline(view: View, scores: AttentionScores | None) -> None:
    size = whole(views.size(view))
    if scores is not None:
        headline(drawing.where(scores, view.instance), f"{drawing.chance(scores)} {size}")
    elif not attention_run.has_path(view):
        headline(whole(_no_path(view)), f"The maps show where it goes all the same. {size}")
    else:
        path, _ = drawing.path_of(view.instance)
        headline(f"Does attention run along {path}?", f"This run is large: measure it below. {size}")


def _no_path(view: View) -> str:
    path, _ = drawing.path_of(view.instance)
    return f"There is no {path.removeprefix('the ')}, so nothing that attention could follow to the answer"


def _draw_maps(view: View) -> None:
    """The maps under the cursor, and their numbers."""
    route, trace, title = attention_run.route_of(view), view.trace, view.checkpoint.name
    name = f"{title}-{view.key[:8]}-attention.csv"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("#### Maps")
        downloads("maps", [("CSV", name, lambda: attention_maps.as_csv(trace, route))])
    data = recent("attention maps", 128 << 20).make(view.key, lambda: attention_maps.payload(trace, route, title=title))
    _maps(data={**data, "picture": picture()}, key="attention maps")
    rows = (
        "nodes in the order in which the oracle has them: where a wave passes, full cells move down beside the diagonal"
    )
    if trace.encoding.interface == "tokens":
        rows = "tokens as the model reads them, or in the order in which the oracle has them"
    st.caption(f"Rows and columns are {rows}. The maps follow the step, the node and the head of the views above.")


def _against_chance(view: View) -> None:
    """Attention of this run against its path; measured on demand in large runs."""
    what = Section(
        "attention", "Attention on the path against chance, in this run",
        lambda result: measures.on_path(result, view.trained_steps, ALONE, ALONE),
        csv=as_csv, button="Measure this run",
        note="This run has many weights: some seconds.",
    )  # fmt: skip
    none = None if attention_run.has_path(view) else whole(_no_path(view))
    here = Request.of_view("attention", view)
    section(view.checkpoint, what, here, none and f"{none} Open an instance with a path, or measure drawn ones below.")


def _traced_back(view: View) -> None:
    """Both ways of tracing the answer back, side by side."""
    st.markdown("#### The answer traced back, in this run")
    rolled = attention_run.rollout(view)
    left, right = (st.container(), st.container()) if rolled is None else st.columns(2, gap="small")
    if rolled is not None:
        with left, card("Rolled-out attention", "attention"):
            _rollout(view, rolled)

    def show(result: InteractionScores) -> Figures:
        picture = _map_of(view, "Effective interaction", result.first.value)
        return Figures({"interaction": picture}, f"{INFLUENCE} {drawing.traced_back(result)}")

    what = Section(
        "interaction", "Effective interaction", show,
        csv=lambda result: _shares_csv(view, {"share of W": result.first.value}), unit="runs",
        button="Trace this run back",
        note=f"{INFLUENCE} It is pulled back through every step, here and in an untrained network.",
    )  # fmt: skip
    none = "Nothing lies on a path to this answer, so there is nothing to compare it with. Open another instance."
    with right:
        here = Request.of_view("interaction", view)
        section(view.checkpoint, what, here, None if attention_run.has_path(view) else none)


def _rollout(view: View, rolled: np.ndarray) -> None:
    scores = attention_run.scores(view)
    caption = (
        "Heads averaged and steps multiplied out, with the recorded gate at every node: how much each earlier state "
        "would contribute to the answer's last state if only attention moved information. A cell is the share of one "
        "node's state after step s; read it from right to left. "
    )
    if scores is not None:
        caption += f"After {scores.steps} steps the path's other nodes have {measures.rolled_out(scores)}. "
    name = f"{view.checkpoint.name}-{view.key[:8]}"
    pictures = {"rollout": _map_of(view, "Rolled-out attention", rolled)}
    draw_figures(Figures(pictures, f"{caption}It does not see values, nor what states forget."), "here", name)
    offer = ("Shares as CSV", f"{name}-rollout.csv", lambda: _shares_csv(view, {"share": rolled}))
    downloads("rollout", [offer])


def _map_of(view: View, title: str, value: np.ndarray) -> Picture:
    encoding = view.trace.encoding
    path = attention_run.route_of(view).nodes(view.trace.n_nodes)
    make = partial(traced_back.answer_traced_back, value, encoding.has_from, path, encoding.labels)
    return Picture(f"{title}, step by node", make)


def _shares_csv(view: View, values: dict[str, np.ndarray]) -> str:
    path = attention_run.route_of(view).nodes(view.trace.n_nodes)
    return traced_back.as_csv(values, path, view.trace.encoding.labels)


def as_csv(scores: AttentionScores) -> str:
    """Every figure at every step and head with its controls, a line each."""
    controls, rows = ("uniform", "permuted", "untrained"), []
    for name in measures.FIGURES:
        figure: Figure = getattr(scores, name)
        for t, h in np.ndindex(figure.trained.shape):
            here = figure.trained[t, h]
            numbers = [here.value, here.low, here.high, *(getattr(figure, control)[t, h] for control in controls)]
            head = h if figure.trained.shape[1] > 1 else "all"
            rows.append([name, t + 1, head, *("" if np.isnan(x) else f"{x:.6g}" for x in numbers)])
    return csv_text(["figure", "step", "head", "value", "low", "high", *controls], rows)
