"""The section on exit rules: measured by a button, on the instances of the frontier above it."""

from __future__ import annotations

import streamlit as st

from depthscope.figures.instruments import exit as exit_curves
from depthscope.probes.instruments.exit import ExitScores
from depthscope.ui.frontier import measuring
from depthscope.ui.frontier.measuring import Subject
from depthscope.ui.frontier.request import exit_lines
from depthscope.ui.widgets.card import card
from depthscope.ui.widgets.plot import csv_and_json, plot, scheme, take_away
from depthscope.ui.widgets.text import plain
from depthscope.ui.work import work


def section(what: Subject) -> None:
    """Title, button, and the curves once there are any."""
    exits = measuring.exit_work(what)
    with card("Answer with as few steps as needed", height="content"):
        scores = work.result(exits)
        if scores is not None:
            _curves(what, scores)
            return
        st.caption(
            "Could the model stop by itself? Rules that watch the answer or the states say when, compared with a fixed "
            "number of steps, the oracle's fewest, and the same exits in random order."
        )
        if not work.under_way(exits):
            st.button("Measure exit rules", key="exit measure", on_click=work.start, args=(exits,))


def _curves(what: Subject, scores: ExitScores) -> None:
    st.write(plain(exit_curves.best_rule(scores)))
    name = f"{what.checkpoint.name}-exit"
    plot(exit_curves.accuracy_over_mean_steps(scores, scheme()), "exit curves", name, "Accuracy over mean steps")
    st.caption(
        "Up and to the left is better. A point is one threshold over all instances above, bars are 95% intervals. The "
        "dotted line of the same colour is that rule's exits in random order: what lies above it is what the rule "
        "knows of the single instance. A rule that watches the answer alone takes “not yet” for “no more”."
    )
    take_away(
        "exit",
        csv_and_json(name, lambda: exit_curves.as_csv(scores), scores.to_json),
        *exit_lines(what.address),
    )
