"""The answer traced back on the open instance: rolled-out attention, and effective interaction when it is asked for."""

from __future__ import annotations

import numpy as np
import streamlit as st

from depthscope.core.files.strict_json import dumps
from depthscope.figures.instruments import attention as curves, traced_back as drawing
from depthscope.figures.style.curves import share
from depthscope.probes.instruments.interaction import InteractionScores
from depthscope.ui.attention import run as attention_run
from depthscope.ui.visit.view import View
from depthscope.ui.widgets import copy_instance, plot
from depthscope.ui.widgets.card import card
from depthscope.ui.widgets.text import plain
from depthscope.ui.work import work as background


def section(view: View) -> None:
    """Both ways of tracing the answer back, side by side."""
    st.markdown("#### The answer traced back, in this run")
    rolled, scores = attention_run.rollout(view), attention_run.influence(view)
    if rolled is None:
        _interaction(view, scores)
        return
    left, right = st.columns(2, gap="small")
    with left:
        _rollout(view, rolled)
    with right:
        _interaction(view, scores)


def _plot(view: View, value: np.ndarray, key: str, alt: str) -> None:
    encoding = view.trace.encoding
    path = attention_run.route_of(view).nodes(view.trace.n_nodes)
    fig = drawing.answer_traced_back(value, encoding.has_from, path, encoding.labels, plot.scheme())
    plot.plot(fig, f"attention {key}", _stem(view, key), alt)


def _stem(view: View, key: str) -> str:
    return f"{view.checkpoint.name}-{view.key[:8]}-{key}"


def _rollout(view: View, rolled: np.ndarray) -> None:
    with card("Rolled-out attention", "attention"):
        st.caption(
            "Heads averaged and steps multiplied out, with the recorded gate at every node: what share of the answer's "
            "last state each earlier state would be if attention were all that happens."
        )
        _plot(view, rolled, "rollout", "Rolled-out attention, step by node")
        scores = attention_run.scores(view)
        caption = "A cell is the share of one node's state after step s; read it from right to left. "
        if scores is not None:
            mass = scores.rollout_mass
            arms = (mass.trained.value, mass.uniform, mass.permuted, mass.untrained)
            trained, even, mixed, blank = (share(x[-1, 0]) for x in arms)
            caption += (
                f"Of the answer after {scores.steps} steps {trained} comes from the path's other nodes (spread evenly "
                f"{even}, permuted {mixed}, untrained {blank}). "
            )
        st.caption(f"{caption}It does not see values, nor what states forget.")
        path = attention_run.route_of(view).nodes(view.trace.n_nodes)
        labels = view.trace.encoding.labels
        make = lambda: drawing.as_csv({"share": rolled}, path, labels)  # noqa: E731
        plot.downloads("rollout", [("Shares as CSV", f"{_stem(view, 'rollout')}.csv", "text/csv", make)])


def _interaction(view: View, scores: InteractionScores | None) -> None:
    with card("Effective interaction", "interaction"):
        st.caption(
            "W: how much the answer's last state would change with each earlier state. It is the derivative itself, "
            "with values, gates and all, whatever the model is made of."
        )
        if scores is None:
            _offer(view)
            return
        _plot(view, scores.first.value, "interaction", "Effective interaction, step by node")
        st.caption(plain(curves.traced_back(scores)))
        path = attention_run.route_of(view).nodes(view.trace.n_nodes)
        values, labels, name = (
            {"share of W": scores.first.value},
            view.trace.encoding.labels,
            _stem(view, "interaction"),
        )
        offers = [
            ("Shares as CSV", f"{name}.csv", "text/csv", lambda: drawing.as_csv(values, path, labels)),
            ("JSON", f"{name}.json", "application/json", lambda: dumps(scores)),
            copy_instance.instance_offer(view),
        ]
        plot.take_away("interaction here", offers, *copy_instance.on_instance(view, "interaction"))


def _offer(view: View) -> None:
    if not attention_run.has_path(view):
        st.info("Nothing lies on a path to this answer, so there is nothing to compare it with. Open another instance.")
        return
    work = attention_run.influence_work(view)
    if not background.under_way(work):
        st.caption("Cotangents are pulled back through every step, here and in an untrained network.")
        st.button("Trace this run back", on_click=background.start, args=(work,), key="interaction here")
