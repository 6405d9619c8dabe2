"""Step-aware scores of models that follow the oracle, follow it slowly, forget their answer, or toss coins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.protocol import Sink
from depthscope.probes.cli import main
from depthscope.probes.instruments import steps
from depthscope.probes.instruments.steps import SHUFFLED, UNTRAINED
from depthscope.probes.measuring import results
from tests.probes.hand_made import CONFIGS, Flood, untrained, wave

Captured = pytest.CaptureFixture[str]


class Slow(Flood):
    """A flood that moves at every second step alone."""

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        return super().step(state, t, context, sink) if t % 2 else state


class Forgetful(Flood):
    """A flood that has reached nothing any more from step 10 on."""

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        return self._state(torch.zeros_like(state[..., 0])) if t >= 9 else super().step(state, t, context, sink)


class Coins(Flood):
    """Noise at every step."""

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        return torch.randn(state.shape, generator=self.noise)


def made(kind: type[Flood]) -> Checkpoint:
    model: Any = kind()
    return Checkpoint("made", model, CONFIGS["graph"], "", {}, {}, "", 0, None)


def graphs(hops: int, count: int = 20) -> list[Any]:
    return tasks.get("graph").generate(hops, count, "audited", 0)


def accuracy(found: steps.StepScores) -> dict[str, float]:
    return {vote.rule: vote.accuracy.value for vote in found.votes}


def test_a_wave_follows_the_oracle_to_the_end() -> None:
    found = steps.measure(wave(), graphs(6), first=0)
    own = found.match()
    assert (own.share.value, own.whole.value) == (1, 1)
    np.testing.assert_array_equal(found.prefix, found.steps + 1)
    np.testing.assert_array_equal(own.agreement, 1)
    for control in (SHUFFLED, UNTRAINED):
        assert found.match(control).share.value < 0.4
        assert found.match(control).whole.value < 0.2
    assert accuracy(found)["last"] == 1
    assert 0.5 < accuracy(found)["random"] < 1
    assert found.differ == 0
    assert np.isnan(found.mode_right)


def test_a_slow_wave_follows_a_slow_oracle() -> None:
    ours = made(Slow)
    assert steps.measure(ours, graphs(4), steps=12, first=0, pace=2).match().whole.value == 1
    fast = steps.measure(ours, graphs(4), steps=12, first=0)
    np.testing.assert_array_equal(fast.prefix, 1)
    assert fast.match().whole.value == 0


def test_the_mode_remembers_what_the_last_answer_forgets() -> None:
    found = steps.measure(made(Forgetful), graphs(3), steps=11)
    assert accuracy(found)["last"] == 0.5
    assert accuracy(found)["mode"] == 1
    assert (found.differ, found.mode_right) == (0.5, 1)
    np.testing.assert_array_equal(found.prefix, 8)  # steps 2 to 9


def test_coins_follow_nothing() -> None:
    found = steps.measure(made(Coins), graphs(4, 60), steps=12)
    assert found.match().prefix.value < 0.5
    assert found.match().whole.value == 0
    assert abs(found.match().agreement[2:].mean() - found.match(SHUFFLED).agreement[2:].mean()) < 0.05
    mode = next(vote.accuracy for vote in found.votes if vote.rule == "mode")
    assert mode.low < 0.5 < mode.high


def test_a_formula_may_be_guessed_early() -> None:
    oracle = np.array([[0, 0], [1, 0], [1, 1]], dtype=bool)
    said = np.array([[0, 1], [1, 1], [1, 1]], dtype=bool)
    assert steps._prefix(said, oracle, "logic") == 3
    assert steps._prefix(said, oracle, "graph") == 0
    np.testing.assert_allclose(steps._overlap(said, oracle, "logic"), 1)
    np.testing.assert_allclose(steps._overlap(said, oracle, "graph"), [0, 0.5, 1])


def test_what_cannot_be_scored() -> None:
    for wrong in ({"first": 99}, {"pace": 0.0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            steps.measure(wave(), graphs(3, 2), **wrong)  # type: ignore[arg-type]


def test_json_arrays_and_the_command(tmp_path: Path, capsys: Captured) -> None:
    found = steps.measure(wave(), graphs(2, 4))
    assert json.loads(dumps(found))["matches"][0]["of"] == "own"
    results.save_npz(found, tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["prefix"], found.prefix)
    for kind in ("graph", "tokens", "named", "without ^"):
        ours = untrained(tmp_path / kind, kind)
        assert steps.measure.unfit(ours) is None
        assert main(["steps", str(ours.folder), "--difficulty", "2", "--instances", "4", "--steps", "4"]) == 0
        out = capsys.readouterr().out
        assert "mode" in out
        assert ("shuffled" in out) == (kind != "without ^")
