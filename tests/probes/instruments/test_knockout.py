"""Knock-out in a wave whose path is known, of hand-picked edges, and in a network that has learned nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthscope.core import tasks, trace
from depthscope.core.encoding import NEVER
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks.paths import routes
from depthscope.probes.cli import main
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import run
from depthscope.probes.instruments import do, knockout
from depthscope.probes.instruments.knockout import KnockoutScores
from depthscope.probes.measuring import instances as subjects
from depthscope.probes.measuring.results import save_npz
from tests.probes.hand_made import CONFIGS, untrained, wave

GRAPH = tasks.get("graph").parse("A B\nB C\nC D\nF D\nG F\nA G\nA H\n", "x.txt").asked("A", "D")


@pytest.mark.slow
def test_a_wave_stops_at_its_bridge_and_nowhere_else() -> None:
    scores = knockout.measure(wave(), tasks.get("graph").generate(4, 16))
    assert (scores.n, scores.left_out, scores.wrong) == (8, 8, 0)
    cut = scores.cut
    assert (cut.n, cut.path.flips.value, cut.off.flips.value) == (8, 1, 0)
    assert cut.path.flips.low > 0.6 > 0.4 > cut.off.flips.high
    assert cut.path.change.low > cut.off.change.high
    then = cut.delay == 0
    assert cut.delay_late.value[then] == 1  # one step late
    assert (cut.delay_late.value[~then & (cut.delay_late.n > 0)] == 0).all()
    assert scores.silence.path.flips.value > scores.silence.off.flips.value == 0
    assert scores.map_change.shape == (len(scores.map_units), scores.steps)


def test_the_front_waits_for_an_edge_that_is_cut_for_a_while() -> None:
    line = tasks.get("graph").parse("A B\nB C\nC D\n", "x.txt").asked("A", "D")
    base = trace.record(wave(), line, 3)  # with no step to spare
    scores = knockout.measure(wave(), [line], steps=3)
    assert base.answer == 1
    turned = scores.map_change > base.logits[-1]
    np.testing.assert_array_equal(turned, np.eye(3, dtype=bool))  # each hop is passed at its own step
    assert scores.map_units == ("B < A", "C < B", "D < C")
    late = run(wave(), trace.record(wave(), line, 4), [[Edit("silence", 2, edges=((2, 1),))]])
    assert late.logits[0, -1] > 0  # with one to spare the wave comes through


def test_one_way_of_two_is_not_enough() -> None:
    scores = knockout.measure(wave(), [GRAPH])  # A B C D and A G F D are as short
    assert scores.cut.path.flips.value == 1
    one = run(wave(), trace.record(wave(), GRAPH, 11), [[Edit("cut", 1, 11, edges=((2, 1),))]])
    assert one.logits[0, -1] > 0


def test_controls_have_like_degrees() -> None:
    rng = np.random.default_rng(0)
    graph = tasks.get("graph").generate(5, 2)[0]
    encoding = tasks.get("graph").encode(graph, CONFIGS["graph"])
    route = routes(graph, encoding, CONFIGS["graph"])
    into, out = np.bincount(graph.edges[:, 1], minlength=30), np.bincount(graph.edges[:, 0], minlength=30)
    degrees = np.column_stack([into[graph.edges[:, 1]], out[graph.edges[:, 0]]])
    off = np.flatnonzero(route.hop == NEVER)
    for units in route.cuts:
        other = knockout.matched(route, units, encoding, "cut", rng)
        assert other is not None
        assert route.hop[other[0]] == NEVER
        far = np.abs(degrees - degrees[units[0]]).sum(1)
        assert far[other[0]] == far[off].min()
    assert knockout.matched(route, tuple(range(len(graph.edges))), encoding, "cut", rng) is None


def test_what_would_be_left_blind_is_only_silenced() -> None:
    formula = tasks.get("logic").parse("!(T&F)")
    encoding = tasks.get("logic").encode(formula, CONFIGS["tree"])
    route = routes(formula, encoding, CONFIGS["tree"])
    assert [knockout.blinds(route, units, encoding) for units in route.cuts] == [True, False]


def test_under_geometric_attention_every_cut_can_be_made(tmp_path: Path) -> None:
    scores = knockout.measure(untrained(tmp_path, "nearest match"), tasks.get("logic").generate(2, 6), steps=4)
    assert scores.n > 0
    assert (scores.cut.n, scores.silence.n) == (scores.n, scores.n)
    assert scores.cut.path.change.value != scores.silence.path.change.value


def test_nothing_learned_nothing_lost(tmp_path: Path) -> None:
    """Path and control move an untrained logit alike; it turns where it lies near zero, not where the path is."""
    ours = untrained(tmp_path / "ours", "tree")
    formulas = tasks.get("logic").generate(3, 10)
    scores = knockout.measure(ours, formulas, steps=6)
    assert scores.n + scores.wrong == 10
    for effect in (scores.cut, scores.silence):
        assert effect.path.change.low < effect.off.change.high
        assert effect.off.change.low < effect.path.change.high
        assert np.nanmax(np.abs(effect.fall)) < 0.3, "against 13 in a trained network"
        assert np.nanmax(np.abs(effect.delay_change.value)) < 0.1


@pytest.mark.slow
def test_the_untrained_network_is_cut_in_the_same_places() -> None:
    scores = knockout.measure(wave(), tasks.get("graph").generate(3, 8), seed=1)
    cut = scores.cut
    flips, change = cut.untrained.flips, cut.untrained.change
    assert cut.path.flips.value == 1
    assert flips.value == flips.low == 0
    assert 0 < abs(change.value) < 0.1 < cut.path.change.value
    assert change.low <= change.value <= change.high


@pytest.mark.slow
def test_a_cut_is_made_again_by_its_edit(tmp_path: Path) -> None:
    scores = knockout.measure(wave(), tasks.get("graph").generate(3, 4), seed=1)
    assert len(scores.inputs) == scores.n
    for i, text in enumerate(scores.inputs):
        (tmp_path / "one.jsonl").write_text(text)
        instances = subjects.read(wave(), str(tmp_path / "one.jsonl"), None, None, None)

        def again(edit: str, instances: Any = instances) -> np.ndarray:
            found = do.measure(wave(), instances, steps=scores.steps, edit=[edit])
            assert isinstance(found, do.Replay)
            return found.runs[0].before - found.runs[0].after

        for effect in (scores.cut, scores.silence):
            np.testing.assert_allclose(again(effect.edits[i])[-1], effect.fall[i], atol=1e-4)
            np.testing.assert_allclose(again(effect.off_edits[i])[-1], effect.off_fall[i], atol=1e-4)
        if not i:
            row, t = np.unravel_index(scores.map_change.argmax(), scores.map_change.shape)
            then = trace.record(wave(), instances[0], scores.steps).commitment_step
            fall = again(scores.map_edits[row].format(t=t + 1))[then]
            np.testing.assert_allclose(fall, scores.map_change[row, t], atol=1e-4)
            assert fall > 1


def test_results_and_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    scores = knockout.measure(wave(), [GRAPH], progress=lambda *x: seen.append(x))
    assert seen == [(1, 1)]
    found = json.loads(dumps(scores))
    assert found["cut"]["path"]["flips"]["n"] == 1
    assert found["cut"]["path"]["change"]["low"] is None  # one instance has nothing to resample
    save_npz(scores, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as kept:
        assert kept["map_change"].shape == scores.map_change.shape
    with pytest.raises(InputError, match="cannot do without"):
        knockout.measure(wave(), [GRAPH.asked("D", "A")])
    with pytest.raises(InputError, match="answered right"):
        knockout.measure(wave(), [GRAPH], steps=1)
    with pytest.raises(ValueError, match=r"map_change.*\(1, 2\).*\(1, 3\)"):
        KnockoutScores("x", "", 3, 0, 1, 0, 0, scores.cut, scores.silence, ("a",), np.zeros((1, 2)), ("",), ("",))
    with pytest.raises(ValueError, match=r"map_edits.*\(0,\).*\(1,\)"):
        KnockoutScores("x", "", 3, 0, 1, 0, 0, scores.cut, scores.silence, ("a",), np.zeros((1, 3)), (), ("",))
    assert main(["knockout", "logic-gru"]) == 2
    assert "no attention" in capsys.readouterr().err
    assert main(["knockout", "graph-house", "--difficulty", "2", "--instances", "2"]) == 0
    assert {"path", "control", "untrained"} <= set(capsys.readouterr().out.split())
