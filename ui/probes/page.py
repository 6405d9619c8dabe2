"""The Probes page: scores of the stored probes, what they read on the open instance, and measurements on demand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import streamlit as st

from depthscope.core.errors import InputError
from depthscope.figures.frontier.words import spans
from depthscope.figures.instruments import fit as drawing, fit_on_instance
from depthscope.probes import registry
from depthscope.probes.reading import linear_probe
from depthscope.probes.reading.scores import ProbeScores
from depthscope.ui.probes import stored as probe_stored
from depthscope.ui.probes.measures import ARRIVALS, COMMITMENT, LENS, others
from depthscope.ui.shell import instance_page
from depthscope.ui.trace import views
from depthscope.ui.visit import visit
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.copy_instance import command, python
from depthscope.ui.widgets.figures import (
    Figures,
    Picture,
    card,
    csv_and_json,
    downloads,
    draw_figures,
    headline,
    take_away,
)
from depthscope.ui.work.measure import Section, section

SETS = {
    "unseen": "Unseen distances",
    "harder": "Harder",
    "harder_operators": "Harder, operators",
    "held_out": "Held out",
    "held_out_operators": "Held out, operators",
}


def show() -> None:
    """The page."""
    instance_page.show("pages/probes.py", draw)


def draw(view: View) -> None:
    """All sections; what fails in one leaves the others."""
    checkpoint = view.checkpoint
    scores, problem = None, None
    try:
        scores = linear_probe.load_scores(checkpoint)
    except InputError as error:
        problem = str(error)
    with visit.error_box():
        if scores is None:
            probe_stored.nothing_stored(checkpoint, problem)
        else:
            _scores(view, scores)
    with visit.error_box():
        _on_instance(view)
    for what in (ARRIVALS, COMMITMENT, LENS):
        section(checkpoint, what)
    st.markdown("#### More instruments")
    name = st.selectbox(
        "Instrument", others(), key="other instrument", label_visibility="collapsed", width=640,
        format_func=lambda name: f"{name}: {registry.get(name).asks}",
    )  # fmt: skip
    if name is not None:
        section(checkpoint, Section(name))


def _scores(view: View, scores: ProbeScores) -> None:
    """The finding, the scores over steps, and the matrix across steps."""
    n_values = probe_stored.n_values(view.checkpoint, scores)
    names = [name for name in SETS if name in scores.tests]
    first = drawing.most_telling(scores)
    key = f"probe set {view.checkpoint.name}"
    name = st.session_state.get(key) or first
    test = scores.tests[name]
    headline(
        drawing.finding(scores, name),
        f"The concept is “{scores.meaning}”, of {'two' if n_values == 2 else n_values} values; probes fitted on "
        f"{scores.n_train:,} nodes of {scores.data} instances that no training saw, scored on {test.n_test:,} nodes of "
        f"{test.n_instances:,} others ({test.title}).",
    )
    stem = re.sub(r"[^\w.-]", "-", f"{view.checkpoint.name}-probes")
    with card("What a probe of each step reads", "fit", height="content"):
        st.segmented_control(
            "Nodes", names, default=first, format_func=SETS.__getitem__, key=key, required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        clear = drawing.clear_steps(test)
        picture = Picture(
            "Balanced accuracy of the probes over steps, with their controls",
            lambda scheme: drawing.accuracy_over_steps(scores, name, scheme, n_values, view.trained_steps),
            "Trust a probe where its line stands clear of all controls; its whole interval does at "
            f"{f'steps {spans(clear)}' if clear else 'no step'}. Selectivity is accuracy less that of the control "
            f"task. {drawing.left_out(test, scores.constant)}",
        )
        draw_figures(Figures({name: picture}), "probe scores", stem)
    _across(view, scores, n_values, stem)
    offers = [
        *csv_and_json(stem, lambda: drawing.as_csv(scores), scores.to_json),
        ("Matrix as CSV", f"{stem}-across.csv", lambda: drawing.across_csv(scores.across)),
    ]
    called = view.checkpoint.name
    code = python(
        ["core.checkpoint", "probes.reading.linear_probe"],
        f"opened = checkpoint.load({called!r})",
        f"probe, scores = linear_probe.fit(opened, seed={scores.seed})",
        "print(scores.to_json())",
    )
    take_away("probes", offers, command("probe", "fit", called, seed=scores.seed, json=True), code)


def _across(view: View, scores: ProbeScores, n_values: int, stem: str) -> None:
    """Both matrices side by side, or why there are none."""
    with card("One step's probe on another step's states", height="content"):
        if not np.isfinite(scores.across.accuracy.value).any():
            st.write("These probes were scored before there was such a matrix. Fit them anew to have it:")
            probe_stored.offer(view.checkpoint, "Fit anew")
            return
        matrix = lambda which: lambda x: drawing.accuracy_across_steps(scores.across, which, x, n_values)  # noqa: E731
        pictures = {
            "across": Picture(
                "Balanced accuracy by the step fitted at and the step read at", matrix("accuracy"),
                f"Nodes: {scores.across.title}. A row that stays high to the right: later steps keep the same code. "
                "High along the diagonal alone: the code changes with every step.",
            ),
            "across-untrained": Picture(
                "The same in an untrained network", matrix("untrained"),
                "The same in an untrained network: its own probes on its own states, what mixing neighbours alone "
                "would give. Blank: one class alone.",
            ),
        }  # fmt: skip
        draw_figures(Figures(pictures, lead=drawing.carried(scores.across), abreast=True), "probe", stem)


def _on_instance(view: View) -> None:
    """The linked views, filled by the stored probe, and how right it is on this instance."""
    try:
        probe = linear_probe.load(view.checkpoint)
    except InputError:
        probe = None  # said above
    stored = [name for name in view.readings if name.startswith("probe: ")]
    if probe is not None and stored:
        result = fit_on_instance.on_instance(view.checkpoint, view.trace, probe)
        headline("The probe on this instance", fit_on_instance.instance_sentence(result))
        views.linked(probe_first(view))
        _instance_curve(view, result, probe.steps)
    else:
        headline("The model on this instance", "Without stored probes the views show what the model itself reads out.")
        views.linked(view)


def probe_first(view: View) -> View:
    """The same view with the stored probes in front, where the linked views begin unless the URL names a reading."""
    names = sorted(view.readings, key=lambda name: not name.startswith("probe: "))
    return replace(view, readings={name: view.readings[name] for name in names})


def _instance_curve(view: View, result: fit_on_instance.OnInstance, fitted: int) -> None:
    name = f"{view.checkpoint.name}-{view.key[:8]}-probe"
    late = f" Past step {fitted} the probe of step {fitted} reads." if view.trace.steps > fitted else ""
    with card("The probe against the oracle, on this instance", height="content"):
        picture = Picture(
            "Share of nodes the probe names correctly over steps, on this instance",
            lambda scheme: fit_on_instance.instance_over_steps(result, scheme, view.trained_steps),
            "The share of this instance's nodes that the probe of each step names as the oracle does, beside the "
            f"model's own readout and the value that is most frequent at that step.{late}",
        )
        draw_figures(Figures({"instance": picture}), "probe", name)
        offers = [
            ("All as CSV", f"{name}.csv", lambda: fit_on_instance.instance_csv(result)),
            ("Readings as CSV", f"{name}-nodes.csv", lambda: views.readings_csv(view)),
        ]
        downloads("probe instance", offers)
