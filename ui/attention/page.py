"""The Attention page, on the open instance: where attention goes, as maps, against the path, and traced back."""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from depthscope.core.files.strict_json import dumps
from depthscope.figures.attention_maps import payload as attention_maps
from depthscope.figures.instruments import attention as drawing
from depthscope.figures.style.csv_text import csv_text
from depthscope.probes.instruments.attention import AttentionScores, Figure
from depthscope.ui.attention import measures, run as attention_run, traced_back
from depthscope.ui.shell import instance_page
from depthscope.ui.trace import views
from depthscope.ui.visit import visit
from depthscope.ui.visit.cache import recent
from depthscope.ui.visit.view import View
from depthscope.ui.widgets import copy_instance, plot
from depthscope.ui.widgets.card import card
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import work as background

FIGURES = {"mass": "Mass", "auroc": "AUROC", "rollout_mass": "Rollout, mass", "rollout_auroc": "Rollout, AUROC"}

READ = {
    "mass": "The share of its attention that a node on the path gives to the path, mean over those nodes. A node with "
    "one way in gives it half whatever it has learned: compare with the dotted line.",
    "auroc": "The chance that a link on the path has more attention than one off it; .5 is a coin.",
    "rollout_mass": "Heads and steps multiplied out, with the recorded gates: the share of the answer's state after t "
    "steps that comes from the path's other nodes.",
    "rollout_auroc": "The chance that a node on the path has more of that than one off it, among those that can reach "
    "the answer at all.",
}

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
        _against_chance(view, scores)
    with visit.error_box():
        traced_back.section(view)


def _without(view: View) -> None:
    """One sentence, the linked views, and the one question that needs no attention."""
    with st.container(gap="xxsmall"):
        st.markdown("### This model has no attention to look at")
        st.caption(
            f"{plain(view.checkpoint.name)} passes its state from one place to the next. Effective interaction, below, "
            f"asks of any model where its answer comes from. {plain(views.size(view))}."
        )
    views.linked(view, key="attention views", readings=attention_run.with_readings(view))
    with visit.error_box():
        traced_back.section(view)


def _headline(view: View, scores: AttentionScores | None) -> None:
    path, _ = drawing.path_of(view.instance)
    with st.container(gap="xxsmall"):
        if scores is not None:
            st.markdown(f"### {plain(drawing.where(scores, view.instance))}")
            st.caption(plain(f"{drawing.chance(scores)} {whole(views.size(view))}"))
        elif not attention_run.has_path(view):
            st.markdown(f"### {plain(whole(_no_path(view)))}")
            st.caption(plain(f"The maps show where it goes all the same. {whole(views.size(view))}"))
        else:
            st.markdown(f"### {plain(f'Does attention run along {path}?')}")
            st.caption(plain(f"This run is large: measure it below. {whole(views.size(view))}"))


def _no_path(view: View) -> str:
    path, _ = drawing.path_of(view.instance)
    return f"There is no {path.removeprefix('the ')}, so nothing that attention could follow to the answer"


def _draw_maps(view: View) -> None:
    """The maps under the cursor, and their numbers."""
    route, trace, title = attention_run.route_of(view), view.trace, view.checkpoint.name
    name = f"{title}-{view.key[:8]}-attention.csv"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("#### Maps")
        plot.downloads("maps", [("CSV", name, "text/csv", lambda: attention_maps.as_csv(trace, route))])
    data = recent("attention maps", 128 << 20).make(
        view.key,
        lambda: attention_maps.payload(trace, route, title=title),
        lambda made: sum(len(v) for v in made.values() if isinstance(v, str)) + 50_000,
    )
    _maps(data={**data, "picture": plot.picture()}, key="attention maps")
    rows = (
        "nodes in the order in which the oracle has them: where a wave passes, full cells move down beside the diagonal"
    )
    if trace.encoding.interface == "tokens":
        rows = "tokens as the model reads them, or in the order in which the oracle has them"
    st.caption(f"Rows and columns are {rows}. The maps follow the step, the node and the head of the views above.")


def _against_chance(view: View, scores: AttentionScores | None) -> None:
    """Attention of this run against its path, step by step and head by head, beside the controls."""
    with card("Attention on the path against chance, in this run", "attention", height="content"):
        if scores is None:
            _offer(view)
            return
        chosen = plot.choice("Figure", FIGURES, "attention figure")
        shown: Figure = getattr(scores, chosen)
        fig = drawing.path_over_steps(shown, plot.scheme(), view.trained_steps)
        name = f"{view.checkpoint.name}-{view.key[:8]}-path"
        plot.plot(fig, f"attention {chosen}", f"{name}-{chosen}", f"{FIGURES[chosen]} over steps")
        st.caption(
            f"{READ[chosen]} Permuted: the same weights in random order among each node's keys. One run has "
            "no interval; the cards below have one."
        )
        offers = [
            ("All four as CSV", f"{name}.csv", "text/csv", lambda: as_csv(scores)),
            ("JSON", f"{name}.json", "application/json", lambda: dumps(scores)),
            copy_instance.instance_offer(view),
        ]
        plot.take_away("attention here", offers, *copy_instance.on_instance(view, "attention"))


def _offer(view: View) -> None:
    if not attention_run.has_path(view):
        st.info(f"{plain(whole(_no_path(view)))} Open an instance with a path, or measure drawn ones below.")
        return
    work = attention_run.scores_work(view)
    if not background.under_way(work):
        st.caption("This run has many weights; measuring them against the path takes some seconds.")
        st.button("Measure this run", on_click=background.start, args=(work,), key="attention measure here")


def as_csv(scores: AttentionScores) -> str:
    """Every figure at every step and head with its controls, a line each."""
    controls, rows = ("uniform", "permuted", "untrained"), []
    for name in FIGURES:
        figure: Figure = getattr(scores, name)
        for t, h in np.ndindex(figure.trained.shape):
            here = figure.trained[t, h]
            numbers = [here.value, here.low, here.high, *(getattr(figure, control)[t, h] for control in controls)]
            head = h if figure.trained.shape[1] > 1 else "all"
            rows.append([name, t + 1, head, *("" if np.isnan(x) else f"{x:.6g}" for x in numbers)])
    return csv_text(["figure", "step", "head", "value", "low", "high", *controls], rows)
