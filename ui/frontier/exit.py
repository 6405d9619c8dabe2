"""The section on exit rules: measured when it is asked for, on the instances of the frontier above it."""

from __future__ import annotations

import streamlit as st

from depthscope.figures.instruments import exit as exit_curves
from depthscope.probes.instruments.exit import ExitScores
from depthscope.ui.frontier import figures as frontier_figures, measuring, request as frontier_request
from depthscope.ui.frontier.measuring import Subject
from depthscope.ui.frontier.page import awaits_file
from depthscope.ui.frontier.request import Request
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import job as jobs


def section(request: Request) -> None:
    """Title, button, and the curves once there are any."""
    if awaits_file(request):
        return
    what = measuring.subject(request)
    job, scores = measuring.job_of("exit", what), measuring.exit_scores(what)
    with frontier_figures.card("Answer with as few steps as needed", height="content"):
        if scores is not None:
            _curves(what, scores)
            return
        st.caption(
            "Could the model stop by itself? Rules that watch the answer or the states say when, and are held "
            "against a fixed number of steps, the oracle's fewest, and the same exits dealt out at random."
        )
        if job is not None and job.running:
            jobs.watch(job, 0, "exit cancel")
            return
        if job is not None and job.error:
            st.error(plain(whole(job.error)))
        st.button("Measure exit rules", key="exit measure", on_click=measuring.measure_exits, args=(what,))


def _curves(what: Subject, scores: ExitScores) -> None:
    st.write(plain(exit_curves.best_rule(scores)))
    name = f"{what.checkpoint.name}-exit"
    fig = exit_curves.accuracy_over_mean_steps(scores, frontier_figures.scheme())
    frontier_figures.plot(fig, "exit curves", name, "Accuracy over mean steps of the exit rules")
    st.caption(
        "Up and to the left is better. A point is one threshold over all instances above, bars are 95% intervals. The "
        "dotted line of the same colour is that rule's exits dealt out at random: what lies above it is what the rule "
        "knows of the single instance. A rule that watches the answer alone takes “not yet” for “no more”."
    )
    command = frontier_request.command(what.request, "probe exit")
    offers = [
        ("All as CSV", f"{name}.csv", "text/csv", lambda: exit_curves.as_csv(scores)),
        ("JSON", f"{name}.json", "application/json", scores.to_json),
    ]
    frontier_figures.take_away("exit", offers, command, frontier_request.exit_code(what.request))
