"""Failures that a stalling wave announces, and failures that nothing announces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from torch import Tensor

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.protocol import Sink
from depthscope.probes.cli import main
from depthscope.probes.instruments import foretell
from depthscope.probes.instruments.foretell import auroc
from depthscope.probes.measuring import results
from tests.probes.hand_made import CONFIGS, Flood, untrained, wave

Captured = pytest.CaptureFixture[str]


class Failing(Flood):
    """A flood that is wrong from step 10 on where the number of the source is even, and may stall there at step 1."""

    def __init__(self, stalls: bool) -> None:
        super().__init__()
        self.stalls = stalls

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        fails = (context.source % 2 == 0)[:, None]
        following = super().step(state, t, context, sink)
        reached = following[..., 0]
        if t >= 9:
            truth = ((context.roles & 1) > 0).float()[..., None]
            assert context.allowed is not None
            for _ in range(context.allowed.shape[1]):
                truth = (context.allowed.float() @ truth).clamp(max=1)
            reached = torch.where(fails, 1 - truth[..., 0], truth[..., 0])
        elif self.stalls and t >= 1:
            reached = torch.where(fails, state[..., 0], reached)
        return self._state(reached)

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        answer, node = super().readout(state, batch)
        return 4 * answer, 4 * node


def failing(stalls: bool) -> Checkpoint:
    model: Any = Failing(stalls)
    return Checkpoint("failing", model, CONFIGS["graph"], "", {}, {}, "", 0, None)


def graphs(hops: int, count: int = 60) -> list[Any]:
    return tasks.get("graph").generate(hops, count, "audited", 0)


@pytest.mark.slow
def test_a_stall_foretells_the_failure() -> None:
    seen: list[tuple[int, int]] = []
    found = foretell.measure(
        failing(stalls=True),
        graphs(7),
        fit=[5, 6],
        fit_instances=40,
        steps=16,
        progress=lambda a, b: seen.append((a, b)),
    )
    np.testing.assert_array_equal(found.wrong, [x.source % 2 == 0 for x in graphs(7)])
    own, chance, blank = found.score(), found.score("permuted"), found.score("untrained")
    assert blank.auroc.high < own.auroc.value
    assert own.auroc.value > 0.85
    assert own.auroc.low > 0.7
    assert found.score("residual").auroc.value > 0.85
    assert 0.2 < chance.auroc.value < 0.8
    assert abs(found.score("distance alone").auroc.value - 0.5) < 0.25
    assert found.errors == found.wrong.sum()
    assert found.error_rate.value == found.wrong.mean()
    assert (found.steps, found.at, found.fitted, found.n_fit) == (16, 8, (5, 6), 80)
    both = 2  # those fitted on and those given, a batch each
    total = both * (8 + 16 + 8)
    assert seen == [(k, total) for k in range(1, total + 1)], "each pass is counted: waves, answers, untrained"


@pytest.mark.slow
def test_nothing_foretells_a_failure_without_a_sign() -> None:
    found = foretell.measure(failing(stalls=False), graphs(7, 200), fit=[5, 6], fit_instances=150, steps=16)
    own = found.score().auroc
    assert abs(own.value - 0.5) < 0.1
    assert own.low < 0.5 < own.high
    assert found.residual.max() < 1e-6  # the wave is exact
    moving = found.speed[found.speed > 0]
    np.testing.assert_allclose(moving, 1)


def test_auroc_by_hand() -> None:
    wrong, once = np.array([True, False, True, False]), np.ones((1, 4), dtype=int)
    assert auroc(np.array([3.0, 1, 2, 0]), wrong)(once) == 1
    assert auroc(np.array([0.0, 1, 1, 0]), wrong)(once) == 0.5
    assert auroc(np.array([0.0, 3, 1, 2]), wrong)(once) == 0
    assert np.isnan(auroc(np.zeros(4), np.zeros(4, dtype=bool))(once))


def test_auroc_of_a_resample_is_that_of_its_instances() -> None:
    rng = np.random.default_rng(3)
    risk, wrong, counts = rng.integers(0, 9, 40).astype(float), rng.random(40) < 0.4, rng.integers(0, 4, (5, 40))
    for row, found in zip(counts, auroc(risk, wrong)(counts), strict=True):
        values, bad = np.repeat(risk, row), np.repeat(wrong, row)
        due = mannwhitneyu(values[bad], values[~bad]).statistic / (bad.sum() * (~bad).sum())
        assert found == pytest.approx(due)


def test_what_cannot_be_foretold() -> None:
    ours = failing(stalls=True)
    with pytest.raises(InputError, match="end wrong"):
        foretell.measure(wave(), graphs(5, 10), fit=[3], fit_instances=10)
    with pytest.raises(InputError, match="fitted on as well"):
        foretell.measure(ours, graphs(5, 10), fit=[5])
    with pytest.raises(InputError, match="easier"):
        foretell.measure(ours, graphs(1, 10))
    with pytest.raises(InputError, match="at least 4"):
        foretell.measure(ours, graphs(3, 10), steps=3)
    assert foretell.measure.unfit(ours) is None


def test_what_would_not_fit_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MAX_BYTES", 1 << 16)
    monkeypatch.setattr(foretell, "_waves", lambda *_: pytest.fail("it was run"))
    with pytest.raises(InputError, match="waves of 50 instances over 100 steps would take"):
        foretell.measure(failing(stalls=True), graphs(6, 30), fit=[5], fit_instances=20, steps=100)


@pytest.mark.slow
def test_json_arrays_and_the_command(tmp_path: Path, capsys: Captured) -> None:
    found = foretell.measure(failing(stalls=True), graphs(6, 40), fit=[5], fit_instances=40, steps=16)
    assert json.loads(dumps(found))["scores"][0]["predictors"] == "speed and residual"
    assert "AUROC" in found.table()
    results.save_npz(found, tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["residual"], found.residual)
    ours = untrained(tmp_path / "graph", "graph")
    command = ["foretell", str(ours.folder), "--difficulty", "3", "--instances", "20", "--fit", "2"]
    assert main([*command, "--fit-instances", "20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["fitted"], told["error_rate"]["n"], told["n_fit"], len(told["wrong"])) == ([2], 20, 20, 20)
    assert [score["predictors"] for score in told["scores"]][-2:] == ["untrained", "permuted"]
    assert main([*command, "--fit", "3", "--fit-instances", "20"]) == 2
    assert "fitted on as well" in capsys.readouterr().err
    assert main(["foretell", str(untrained(tmp_path / "x", "without ^").folder)]) == 2
    assert "does not apply" in capsys.readouterr().err
