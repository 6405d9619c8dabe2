"""Lenses on answers that lie in another direction until the last steps, and on states that hold none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch
from depthscope.core.files.strict_json import dumps
from depthscope.probes.cli import main
from depthscope.probes.instruments import lens
from depthscope.probes.instruments.lens import SHUFFLED, UNTRAINED
from depthscope.probes.measuring import results
from depthscope.probes.measuring.estimate import Estimate
from tests.probes.hand_made import CONFIGS, Knowing, untrained

Captured = pytest.CaptureFixture[str]

TURN = 4


class Turning(Knowing):
    """Knows from the start which nodes are reached, keeps it in another coordinate before step TURN, or not at all."""

    def __init__(self, hides: bool) -> None:
        super().__init__()
        self.hides = hides
        self.scale = nn.Parameter(torch.tensor(4.0))

    def at(self, t: int, truth: Tensor) -> Tensor:
        state = torch.randn(*truth.shape, 6, generator=self.noise)
        if t >= TURN:
            state[..., 0] = truth
        elif not self.hides:
            state[..., 1] = -truth
        return state

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        answer, node = super().readout(state, batch)
        return self.scale * answer, self.scale * node


def turning(hides: bool) -> Checkpoint:
    model: Any = Turning(hides)
    return Checkpoint("turning", model, CONFIGS["graph"], "", {}, {}, "", 0, None)


def graphs(hops: int, count: int) -> list[Any]:
    return tasks.get("graph").generate(hops, count, "audited", 0)


def test_the_tuned_lens_finds_what_lies_in_another_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lens, "LEARNING_RATE", 0.03)
    seen: list[tuple[int, int]] = []
    ours = turning(hides=False)
    found = lens.measure(ours, graphs(3, 60), steps=6, progress=lambda done, total: seen.append((done, total)))
    logit, tuned = found.curve("logit"), found.curve("tuned")
    early, late = slice(0, TURN), slice(TURN, None)
    assert (logit.kl.value[early] > 0.7).all()
    assert (tuned.kl.value[early] < 0.15).all()
    assert (tuned.same[early] > 0.95).all()
    assert (logit.same[early] < 0.7).all()
    assert (found.disagreement.value[early] > 0.3).all()
    np.testing.assert_allclose(logit.kl.value[late], 0, atol=1e-9)
    np.testing.assert_allclose(tuned.kl.value[late], 0, atol=0.02)
    assert (found.curve(SHUFFLED).kl.value > 0.4).all()
    assert (found.curve(UNTRAINED).kl.value[early] > 0.1).all()
    assert seen[-1][0] == seen[-1][1] == 3 * lens.ITERATIONS + 2 * 6 * 2
    assert all(p.requires_grad for p in ours.model.parameters())
    assert (tuned.kl.low <= tuned.kl.value).all()
    assert (tuned.kl.value <= tuned.kl.high).all()


def test_there_is_nothing_to_find_in_noise() -> None:
    found = lens.measure(turning(hides=True), graphs(3, 60), steps=6)
    early = slice(0, TURN)
    tuned, shuffled = found.curve("tuned"), found.curve(SHUFFLED)
    assert (tuned.kl.value[early] > 0.4).all()
    np.testing.assert_allclose(tuned.kl.value[early], shuffled.kl.value[early], atol=0.15)
    assert (tuned.kl.value[TURN:] < 0.05).all()


def test_pairs_are_spread_and_whole() -> None:
    assert lens._spread(8, 100) == [0, 2, 4, 6]
    assert lens._spread(10, 4) == [0, 8]


def test_means_of_groups_by_hand() -> None:
    values, group = np.array([[1.0, 1, 0, 0], [1, np.nan, np.nan, 3]]), np.array([0, 0, 1, 1])
    mean = Estimate.mean(values, group, np.random.default_rng(0))
    np.testing.assert_allclose(mean.value, [0.5, 2])
    np.testing.assert_allclose(mean.low, [0, 1])
    np.testing.assert_allclose(mean.high, [1, 3])
    assert mean.n.tolist() == [4, 2]
    assert np.isnan(Estimate.mean(values, np.zeros(4), np.random.default_rng(0)).low).all()
    ratio = Estimate.ratio(values[0], np.array([1, 1, 3, 3]), group, np.random.default_rng(0))
    np.testing.assert_allclose([ratio.value, ratio.low, ratio.high], [2 / 8, 0, 1])


@pytest.mark.slow
def test_json_arrays_and_the_command(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lens, "ITERATIONS", 3)
    monkeypatch.setattr(lens, "FIT_INSTANCES", 8)
    for kind in ("graph", "tree", "tokens", "named", "without ^"):
        ours = untrained(tmp_path / kind, kind)
        assert lens.measure.unfit(ours) is None
        out = tmp_path / f"{kind}.npz"
        command = ["lens", str(ours.folder), "--difficulty", "2", "--instances", "4", "--steps", "3", "--out", str(out)]
        assert main([*command, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert [curve["name"] for curve in found["curves"]] == ["logit", "tuned", SHUFFLED, UNTRAINED]
        assert found["curves"][0]["kl"]["value"][-1] == 0
        with np.load(out, allow_pickle=False) as stored:
            assert stored["logit"].shape == (4, len(stored["node"]))
        if kind == "without ^":
            assert len(found["node"]) == 4
    assert main(command) == 0
    assert "untrained" in capsys.readouterr().out
    whole = lens.measure(untrained(tmp_path / "other", "graph"), graphs(2, 2), steps=2)
    results.save_npz(whole, tmp_path / "x.npz")
    assert json.loads(dumps(whole))["steps"] == 2
