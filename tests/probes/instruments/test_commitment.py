"""Answers that are held for a known number of steps before they are said, and states that hold none."""

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
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.probes.cli import main
from depthscope.probes.instruments import commitment
from depthscope.probes.measuring import results
from tests.probes.hand_made import CONFIGS, Knowing, untrained, wave

Captured = pytest.CaptureFixture[str]

HELD, SAID = 3, 7


class Holding(Knowing):
    """Has the answer in a coordinate from step HELD on, and says it from step SAID on; answers by turns before."""

    def __init__(self, held: int, said: int) -> None:
        super().__init__()
        self.held, self.said = held, said

    def at(self, t: int, truth: Tensor) -> Tensor:
        state = torch.randn(*truth.shape, 6, generator=self.noise)
        if t >= self.held:
            state[..., 2] = 5 * truth
        by_turns = torch.where(torch.arange(truth.shape[-1]) % 2 == t % 2, 1.0, -1.0)
        state[..., 0] = truth if t >= self.said else by_turns
        return state


class Coins(Holding):
    """Holds nothing and says something else at every step."""

    def at(self, t: int, truth: Tensor) -> Tensor:
        return torch.randn(*truth.shape, 6, generator=self.noise)


def model(kind: type[Holding]) -> Checkpoint:
    made: Any = kind(HELD, SAID)
    return Checkpoint("holding", made, CONFIGS["graph"], "", {}, {}, "", 0, None)


def graphs(hops: int, count: int) -> list[Any]:
    return tasks.get("graph").generate(hops, count, "audited", 0)


@pytest.mark.slow
def test_what_is_held_before_it_is_said() -> None:
    seen: list[tuple[int, int]] = []
    found = commitment.measure(model(Holding), graphs(3, 60), steps=9, progress=lambda a, b: seen.append((a, b)))
    assert (found.probe, found.steps) == ("fitted", 9)
    whole = found.parts[0]
    assert [part.name for part in found.parts] == ["all", "yes", "no"]
    assert whole.t_out.value == pytest.approx(SAID, abs=1)
    assert (found.t_out <= SAID).all()
    assert HELD - 1.3 < whole.t_rep.value <= HELD
    assert whole.gap.low > 2
    assert whole.permuted.value > 5
    assert (found.accuracy[HELD:] == 1).all()
    assert (found.accuracy[:HELD] < 0.75).all()
    assert found.accuracy_permuted[HELD:].mean() < 0.75
    assert found.right.all()
    np.testing.assert_array_equal(found.decidable, [x.first_decidable_step() for x in graphs(3, 60)])
    assert whole.out_late.value == pytest.approx(found.t_out.mean() - found.decidable.mean())
    assert seen[-1] == (2 * 9 + 35 * 10, 2 * 9 + 35 * 10)  # steps of one batch, twice, and regressions


@pytest.mark.slow
def test_nothing_is_held_by_coins() -> None:
    found = commitment.measure(model(Coins), graphs(3, 100), steps=6)
    assert (found.accuracy < 0.75)[:-1].all()  # the last answer is read off the last state itself
    assert found.parts[0].t_rep.value > 4.5
    assert found.parts[0].gap.value < 1.5


@pytest.mark.slow
def test_few_instances_have_no_probe() -> None:
    found = commitment.measure(wave(), graphs(5, 4))
    assert found.probe == "none"
    assert np.isnan(found.t_rep).all()
    assert np.isnan(found.parts[0].gap.value)
    reached = np.array([x.label == 1 for x in graphs(5, 4)])
    np.testing.assert_array_equal(found.t_out, np.where(reached, 5, 0))  # one hop a step
    for wanted, word in (("fitted", "at least"), ("stored", "no probes"), ("oracle", "fitted or stored")):
        with pytest.raises(InputError, match=word):
            commitment.measure(wave(), graphs(5, 4), probe=wanted)


@pytest.mark.slow
def test_json_arrays_and_the_command(tmp_path: Path, capsys: Captured) -> None:
    found = commitment.measure(model(Holding), graphs(2, 40), steps=8)
    assert json.loads(dumps(found))["parts"][0]["gap"]["value"] > 0
    results.save_npz(found, tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["t_rep"], found.t_rep)
    for kind in ("graph", "tokens", "named", "without ^"):
        ours = untrained(tmp_path / kind, kind)
        assert commitment.measure.unfit(ours) is None
        assert main(["commitment", str(ours.folder), "--difficulty", "2", "--instances", "4", "--steps", "3"]) == 0
        assert "t_out" in capsys.readouterr().out
