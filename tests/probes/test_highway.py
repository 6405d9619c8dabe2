"""Gradients whose size is known: a step that shrinks, keeps or grows them by a planted factor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core import tasks
from core.checkpoint import Checkpoint
from core.encoding import Batch, collate
from core.errors import InputError
from core.plain import dumps
from core.protocol import Shapes, Sink
from probes import controls, highway
from probes.cli import main
from probes.results import save_npz
from tests.probes.hand_made import CONFIGS, untrained

GRAPHS = tasks.get("graph").generate(2, 4)


class Fading(nn.Module):
    """A step that turns every state and multiplies it by a factor."""

    shapes = Shapes(width=2, heads=0, gate=False)

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.config, self.factor = CONFIGS["graph"], factor
        turn = np.cos(1), np.sin(1)
        self.turn = nn.Parameter(torch.tensor([[turn[0], -turn[1]], [turn[1], turn[0]]]).float())

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def initial(self, context: Batch) -> Tensor:
        return torch.ones(*context.roles.shape, 2)

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        return self.factor * state @ self.turn

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return state[..., torch.arange(len(batch)), batch.answer, 0], state[..., 0]


@pytest.mark.parametrize("factor", [0.1, 1.0, 1.5])
def test_the_factor_of_a_step_is_found(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = Fading(factor)
    ours = Checkpoint("fading", model, CONFIGS["graph"], "", {}, {}, "", 0, None)
    monkeypatch.setattr(controls, "untrained", lambda *_: Fading(1.0))
    scores = highway.measure(ours, GRAPHS, steps=60)  # 0.1 ** 60 is nothing in float32
    trained, plain = scores.networks
    assert trained.factor == pytest.approx(factor, rel=1e-4)
    np.testing.assert_allclose(trained.ratio, np.log10(factor) * np.arange(60, -1, -1), atol=1e-3)
    assert plain.factor == pytest.approx(1, rel=1e-5)  # nothing to find
    assert (scores.absent, plain.title) == (tuple(highway.OFF), "untrained")


def test_sizes_are_those_of_autograd(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", "graph")
    instance = GRAPHS[0]
    batch = collate([tasks.get("graph").encode(instance, ours.config)])
    with torch.no_grad():  # the recalled input is held
        context = ours.model.prepare(batch)
    states = [ours.model.initial(context).requires_grad_()]
    for t in range(5):
        states.append(ours.model.step(states[-1], t, context))
        states[-1].retain_grad()
    logit = ours.model.readout(states[-1], batch)[0]
    nn.functional.binary_cross_entropy_with_logits(logit, torch.tensor([float(instance.label)])).backward()
    due = [float(h.grad.norm()) for h in states if h.grad is not None]
    scores = highway.measure(ours, [instance], steps=5, seeds=1)
    np.testing.assert_allclose(scores.networks[0].size, due, rtol=1e-4)


def test_every_mechanism_is_switched_off_in_turn(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", "graph")
    seen: list[tuple[int, int]] = []
    scores = highway.measure(ours, GRAPHS, steps=6, seeds=1, progress=lambda *x: seen.append(x))
    titles = ["trained", "untrained", *(f"untrained, no {x}" for x in ("gate", "recall", "state norm"))]
    assert [way.title for way in scores.networks] == titles
    assert scores.absent == ("LayerScale", "depth embedding")
    assert seen == [(k, 5) for k in range(1, 6)]
    ways = {way.title: way for way in scores.networks}
    assert ways["untrained, no state norm"].factor != ways["untrained"].factor
    assert ways["untrained"].factor_low <= ways["untrained"].factor <= ways["untrained"].factor_high
    assert len(json.loads(dumps(scores))["networks"]) == 5
    save_npz(scores, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as kept:
        assert kept["networks.0.ratio"].shape == (7,)


def test_refusals_and_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = untrained(tmp_path / "ours", "tree")
    with pytest.raises(InputError, match="seeds"):
        highway.measure(ours, tasks.get("logic").generate(1, 2), seeds=0)
    with pytest.raises(ValueError, match=r"low.*\(2,\).*\(3,\)"):
        highway.Highway("x", np.zeros(3), np.zeros(3), np.zeros(2), np.zeros(3), 1, 1, 1, 1, 1)
    command = ["highway", str(ours.folder), "--difficulty", "1", "--instances", "2", "--seeds", "1"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == highway.LEAST_STEPS
    assert main([*command, "--steps", "3"]) == 0
    assert "no state norm" in capsys.readouterr().out
