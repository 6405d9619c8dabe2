"""Figures of probes, arrivals, commitment and lenses made by hand: what is drawn is what was measured."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthscope.core.frontier import wilson
from depthscope.figures.instruments import (
    commitment,
    fit as probe_scores,
    fit_on_instance,
    lens as lens_curves,
    wavefront as arrivals,
)
from depthscope.figures.style.curves import share
from depthscope.probes.instruments.commitment import Commitment, Part
from depthscope.probes.instruments.lens import Curve, Lenses
from depthscope.probes.instruments.wavefront import TwinControl, Wavefront
from depthscope.probes.maths.line_fit import OWN, SHUFFLED, UNTRAINED, line
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.reading.regression import LinearProbe
from depthscope.probes.reading.scores import AcrossSteps, ProbeScores, StepScores
from tests.figures.hand_made import chain, graph_trace
from tests.probes.hand_made import untrained

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
nan = np.nan


def scored(accuracy: list[float], features: list[float], title: str = "graphs of 12 hops") -> StepScores:
    a, f = np.array(accuracy), np.array(features)
    half = np.where(np.isfinite(a), 0.5, nan)
    controls = {"untrained": half, "embedding": half, "features": f, "control_task": np.full_like(a, 0.5)}
    return StepScores(title, Estimate(a, a - 0.02, np.minimum(a + 0.02, 1), 40), a - 0.5, controls, 40, 4)


def scores(accuracy: list[float], features: list[float], constant: tuple[int, ...] = ()) -> ProbeScores:
    n = len(accuracy)
    across = np.where(np.arange(n)[:, None] <= np.arange(n), 0.9, 0.6)
    accuracy_across = Estimate(across, across - 0.1, across, 40)
    square = AcrossSteps("graphs of 12 hops", accuracy_across, untrained=np.eye(n) * 0.3 + 0.5)
    tests = {"held_out": scored([0.9] * n, [0.6] * n), "unseen": scored(accuracy, features, "graphs, unseen")}
    return ProbeScores("x", "", n - 1, 0, "reached", "audited", "reached within t", 100, constant, tests, square)


FOUND = scores([nan, 0.7, 0.95, 0.96, nan], [nan, 0.55, 0.6, 0.9, nan])


def test_the_finding_is_where_the_probe_stands_out_most() -> None:
    assert probe_scores.most_telling(FOUND) == "unseen"
    assert probe_scores.finding(FOUND, "unseen") == (
        "At step 2 a probe reads distances it was never fitted on at .950; an untrained network gives .500, "
        "the best control (input features) .600."
    )
    assert "“reached within t” at .900 (graphs of 12 hops); an" in probe_scores.finding(FOUND, "held_out")
    assert probe_scores.clear_steps(FOUND.tests["unseen"]) == [1, 2, 3]


def test_a_probe_below_its_controls_is_said_to_be_there() -> None:
    sentence = probe_scores.finding(scores([0.7, 0.8], [0.75, 0.85]), "unseen")
    assert sentence.startswith("At no step does a probe read distances it was never fitted on clearly above")
    assert "the input features .750" in sentence
    assert probe_scores.finding(scores([nan, nan], [nan, nan]), "unseen").endswith("there is nothing to score.")
    assert probe_scores.most_telling(scores([nan, nan], [nan, nan])) == "held_out"


def test_a_constant_is_no_finding() -> None:
    assert probe_scores.finding(scores([0.9, 0.8], [0.5, 0.5], constant=(0,)), "unseen").startswith("At step 1")


def test_steps_of_one_class_are_named() -> None:
    said = probe_scores.left_out(FOUND.tests["unseen"], (1,))
    assert said.startswith("Steps 0, 4 are left out: these nodes are of one class there.")
    assert said.endswith("At step 1 the probe is a constant (open mark).")
    assert probe_scores.left_out(FOUND.tests["held_out"], ()) == ""


@SCHEMES
def test_all_controls_and_selectivity_are_drawn_beside_the_probe(scheme: Any) -> None:
    fig: Any = probe_scores.accuracy_over_steps(FOUND, "unseen", scheme, 2, (1, 3))
    lines = {trace.name: trace for trace in fig.data if trace.name}
    assert set(lines) == {*probe_scores.CONTROLS.values(), "probe, 95% interval", "selectivity"}
    np.testing.assert_array_equal(lines["probe, 95% interval"].y, FOUND.tests["unseen"].accuracy.value)
    np.testing.assert_array_equal(lines["input features"].y, FOUND.tests["unseen"].controls["features"])
    np.testing.assert_array_equal(lines["selectivity"].y, FOUND.tests["unseen"].selectivity)
    assert lines["selectivity"].yaxis == "y2"
    edges = [trace for trace in fig.data if not trace.name]
    np.testing.assert_allclose(edges[0].y, [0.72, 0.97, 0.98])


@SCHEMES
def test_the_matrix_and_its_control(scheme: Any) -> None:
    own: Any = probe_scores.accuracy_across_steps(FOUND.across, "accuracy", scheme)
    idle: Any = probe_scores.accuracy_across_steps(FOUND.across, "untrained", scheme, 10)
    np.testing.assert_array_equal(own.data[0].z, FOUND.across.accuracy.value)
    np.testing.assert_array_equal(idle.data[0].z, FOUND.across.untrained)
    assert (own.data[0].zmin, idle.data[0].zmin) == (0.5, 0.1)
    assert own.data[0].text[1][2].startswith("<b>fitted at step 1, read at step 2</b><br>.900 [.800, .900]")
    assert probe_scores.carried(FOUND.across) == (
        "A probe reads its own step at .900 and later ones at .900 on average; "
        "those of an untrained network at .800 and .500."
    )


def test_the_tables_hold_every_number() -> None:
    rows = list(csv.DictReader(io.StringIO(probe_scores.as_csv(FOUND))))
    assert [row["nodes"] for row in rows] == ["held_out"] * 5 + ["unseen"] * 5
    assert rows[5]["accuracy"] == ""
    assert float(rows[7]["features"]) == 0.6
    cells = list(csv.DictReader(io.StringIO(probe_scores.across_csv(FOUND.across))))
    assert len(cells) == 25
    assert float(cells[5]["accuracy"]) == 0.6


@SCHEMES
def test_a_probe_on_one_instance_is_compared_with_the_oracle(tmp_path: Path, scheme: Any) -> None:
    checkpoint, trace = untrained(tmp_path, "graph"), graph_trace(chain(4), 6)
    width = trace.hidden.shape[-1]
    always = LinearProbe("reached", np.zeros((3, width)), np.ones(3))
    found = fit_on_instance.on_instance(checkpoint, trace, always)
    # one node more is reached at every step
    np.testing.assert_allclose(found.right.value, [0.2, 0.4, 0.6, 0.8, 1, 1, 1])
    np.testing.assert_allclose(found.majority, [0.8, 0.6, 0.6, 0.8, 1, 1, 1])
    np.testing.assert_allclose(found.right.low, wilson(found.right.value * 5, 5)[0])
    assert found.readout is not None
    np.testing.assert_allclose(found.readout, 1)
    assert fit_on_instance.instance_sentence(found).startswith("The probe reads all 5 nodes correctly from step 4 on")
    never = LinearProbe("reached", np.zeros((3, width)), -np.ones(3))
    lost = fit_on_instance.on_instance(checkpoint, trace, never)
    assert "After 6 steps the probe reads 0 of 5 nodes correctly" in fit_on_instance.instance_sentence(lost)
    fig: Any = fit_on_instance.instance_over_steps(found, scheme, (2, 4))
    lines = {trace.name: trace for trace in fig.data if trace.name}
    np.testing.assert_array_equal(lines["probe, 95% interval"].y, found.right.value)
    np.testing.assert_array_equal(lines["most frequent value alone"].y, found.majority)
    assert len(list(csv.DictReader(io.StringIO(fit_on_instance.instance_csv(found))))) == 7


def wave(stall: int = 3) -> Wavefront:
    """Two nodes at every distance 1-4; they arrive at their distance, beyond the stall never."""
    far = np.repeat(np.arange(1, 5), 2)
    tau, group = np.where(far <= stall, far, -1), np.tile([0, 1], 4)
    mixed, idle = far[[2, 5, 7, 0, 1, 3, 4, 6]], np.full(8, -1)
    fits = tuple(
        line("distance", of, arrivals, x, group, np.random.default_rng(0))
        for of, arrivals, x in ((OWN, tau, far), (SHUFFLED, tau, mixed), (UNTRAINED, idle, far))
    )
    share_ = np.where(np.arange(1, 5) <= stall, 1.0, 0.0)
    twin = TwinControl(2, 0, Estimate(1.0, 0.4, 1.0, 3), Estimate(0.0, 0.0, 0.6, 3))
    arrived, mean = Estimate.share(share_ * 2, 2), np.where(share_ > 0, np.arange(1, 5), nan)
    by = (np.arange(1, 5), arrived, np.zeros(4), mean)
    nodes = (group, far, far, tau)
    return Wavefront("x", "", 6, 0, "readout", 0.9, 2, fits, twin, *by, stall, stall < 4, *nodes)


@SCHEMES
def test_arrivals_with_their_line_and_controls(scheme: Any) -> None:
    fig: Any = arrivals.arrival_over_distance(wave(), scheme)
    marks = next(trace for trace in fig.data if trace.mode == "markers")
    assert list(zip(marks.x, marks.y, marks.customdata, strict=True)) == [(1, 1, 2), (2, 2, 2), (3, 3, 2)]
    names = [trace.name for trace in fig.data if trace.name]
    assert "line: R² 1.000" in names
    assert any(name.startswith("distances shuffled") for name in names)
    assert not any("untrained" in name for name in names)  # nothing of it arrives: there is no line
    shares: Any = arrivals.share_over_distance(wave(), scheme)
    lines = {trace.name: trace for trace in shares.data if trace.name}
    assert list(lines["this model, 95% interval"].y) == [1, 1, 1, 0]
    assert list(lines["untrained network"].y) == [0, 0, 0, 0]
    assert any(" stalls" in (note.text or "") for note in shares.layout.annotations)


def test_the_speed_is_said_with_its_controls() -> None:
    said = arrivals.speed(wave())
    assert said.startswith("The wave goes 1.000 hops a step [1.000, 1.000], R² 1.000 (shuffled ")
    assert "6 of 8 nodes arrive (untrained network: 0), fewer than half of those at distance 4; where the twin" in said
    assert "no line to fit" in arrivals.speed(wave(0))
    whole = wave()
    bent = replace(whole, fits=(replace(whole.fits[0], r2=Estimate(0.32, 0.3, 0.4, 2)), *whole.fits[1:]))
    assert arrivals.speed(bent).startswith("There is no wave of one speed")
    rows = arrivals.rows(wave())
    assert [row["of"] for row in rows] == ["this model", "shuffled", "untrained"]
    assert rows[2]["1/b"] == rows[2]["difference"] == "–"
    fit = whole.fits[0]
    assert rows[0]["difference"].startswith(f"{fit.r2.value - fit.r2_log2.value:.3f} [".removeprefix("0"))
    less = replace(whole, fits=(replace(fit, difference=Estimate(-0.25, -0.5, 0.125, 2)),))
    assert arrivals.rows(less)[0]["difference"] == "−.250 [−.500, .125]"
    nodes = list(csv.DictReader(io.StringIO(arrivals.as_csv(wave()))))
    assert [int(row["arrival"]) for row in nodes] == [1, 1, 2, 2, 3, 3, -1, -1]


def committed() -> Commitment:
    span = Estimate(2.0, 1.5, 2.5, 5)
    spans = [
        span,
        span,
        Estimate(0.0, 0.0, 0.0, 5),
        Estimate(-1.0, -1.5, -0.5, 5),
        span,
        Estimate(4.0, 3.9, 4.1, 5),
        Estimate(5.0, 5.0, 5.0, 5),
    ]
    t_out, t_rep = np.array([1, 3]), np.array([1.0, 5.0])
    rows = np.array([0.5, 1, 1, 1, 1]), np.full(5, 0.5), np.full(5, 0.6)
    answer = np.array([True, False])
    part = Part("all", 2, *spans)
    return Commitment("x", "", 4, 0, "fitted", (part,), t_out, t_rep, np.array([2.0, nan]), answer, ~answer, *rows)


@SCHEMES
def test_commitment_is_counted_from_each_step_on(scheme: Any) -> None:
    fig: Any = commitment.standing_over_steps(committed(), "all", scheme)
    lines = {trace.name: list(trace.y) for trace in fig.data}
    assert lines["said, t_out"] == [0, 0.5, 0.5, 1, 1]
    assert lines["held in the state, t_rep"] == [0, 0.5, 0.5, 0.5, 0.5]  # T + 1 is never
    assert lines["decidable (oracle)"] == [0, 0, 0.5, 0.5, 0.5]
    alone: Any = commitment.standing_over_steps(committed(), "no", scheme)
    assert "decidable (oracle)" not in [trace.name for trace in alone.data]
    knows: Any = commitment.knowing_over_steps(committed(), scheme)
    assert [trace.name for trace in knows.data][1:] == ["answers permuted", "untrained network"]
    said = commitment.when(committed())
    assert "held from step 2.00 [1.50, 2.50] on (permuted 4.00, untrained 5.00)" in said
    assert "1.00 steps before the oracle can decide" in said
    assert commitment.rows(committed())[0]["t_out − oracle"] == "−1.00 [−1.50, −0.50]"
    assert list(csv.DictReader(io.StringIO(commitment.as_csv(committed()))))[1]["decidable"] == ""


def lenses(tuned: float = 0.1) -> Lenses:
    def curve(name: str, at: float) -> Curve:
        kl = np.array([at, at / 2, 0.0])
        return Curve(name, Estimate(kl, kl - 0.01, kl + 0.01, 1), np.array([0.5, 0.8, 1.0]), kl)

    curves = tuple(curve(n, x) for n, x in (("logit", 1.0), ("tuned", tuned), ("shuffled", 0.5), ("untrained", 0.4)))
    apart, nodes = np.array([0.2, 0.1, 0.0]), np.zeros(1, dtype=int)
    differ = Estimate(apart, apart, apart + 0.1, 1)
    logits = np.zeros((3, 1))
    return Lenses("x", "", 2, 0, 1, 8, (3,), curves, differ, nodes, nodes, logits, logits)


@SCHEMES
def test_lenses_beside_their_controls(scheme: Any) -> None:
    fig: Any = lens_curves.divergence_over_steps(lenses(), scheme)
    lines = {trace.name: trace for trace in fig.data if trace.name}
    assert set(lines) == set(lens_curves.NAMES.values())
    assert list(lines["logit lens"].y) == [1.0, 0.5, 0.0]
    signs: Any = lens_curves.sign_over_steps(lenses(), scheme)
    assert list(next(x for x in signs.data if x.name == "the two lenses differ").y) == [0.2, 0.1, 0.0]
    assert lens_curves.difference(lenses()) == (
        "At step 0 the logit lens is 1.000 nats from the final readout, the tuned lens .100 (shuffled .500, "
        "untrained .400); they differ in sign on .200 of the readouts there."
    )
    assert lens_curves.difference(lenses(0.45)).startswith("The tuned lens sees no more than its controls: at step 0")
    assert len(list(csv.DictReader(io.StringIO(lens_curves.as_csv(lenses()))))) == 4 * 3


def test_shares_as_text() -> None:
    assert [share(x) for x in (0.5, 1.0, 0.0, -0.25, nan)] == [".500", "1.000", ".000", "-0.250", "–"]
