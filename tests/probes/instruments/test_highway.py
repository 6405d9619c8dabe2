"""Gradients whose size is known: a step that shrinks, keeps or grows them by a planted factor."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthscope.core import checkpoint, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch, collate
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.protocol import Shapes, Sink
from depthscope.probes.cli import main
from depthscope.probes.instruments import highway
from depthscope.probes.measuring import controls, instances as subjects
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import save_npz
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
    assert float(trained.factor) == pytest.approx(factor, rel=1e-4)
    np.testing.assert_allclose(trained.ratio.value, np.log10(factor) * np.arange(60, -1, -1), atol=1e-3)
    assert float(plain.factor) == pytest.approx(1, rel=1e-5)  # nothing to find
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
    factor = ways["untrained"].factor
    assert ways["untrained, no state norm"].factor.value != factor.value
    assert factor.low <= factor.value <= factor.high
    assert len(json.loads(dumps(scores))["networks"]) == 5
    save_npz(scores, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as kept:
        assert kept["networks.0.ratio.value"].shape == (7,)


def trained(folder: Path, seed: int, **changes: Any) -> Path:
    """A network with some settings changed, after a few steps of gradient descent on the answers."""
    torch.manual_seed(seed)
    model = DepthRecurrentTransformer(replace(CONFIGS["graph"], **changes))
    batch = collate([tasks.get("graph").encode(x, model.config) for x in GRAPHS])
    label = torch.tensor([float(x.label or 0) for x in GRAPHS])
    descent = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(5):
        descent.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(batch, 4)[0], label).backward()
        descent.step()
    checkpoint.save(folder, model, name=folder.name, recipe="x", training={}, metrics={}, card="# Hi")
    return folder


@pytest.mark.slow
def test_checkpoints_trained_with_a_mechanism_off_stand_beside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full, gateless, other = (trained(tmp_path / n, k, **c) for k, (n, c) in enumerate(
        {"full": {}, "gateless": {"gate_bias": None}, "gateless too": {"gate_bias": None}}.items()
    ))  # fmt: skip
    bare = trained(tmp_path / "bare", 7, recall=False, state_norm=False, state_noise=0.0)
    command = ["highway", str(full), "--difficulty", "2", "--instances", "4", "--seeds", "1", "--steps", "6"]
    assert main([*command, "--trained", str(gateless), str(other), str(bare), "--json"]) == 0
    told = {way["title"]: way for way in json.loads(capsys.readouterr().out)["networks"]}
    assert next(iter(told)) == "trained"
    assert list(told)[-2:] == ["trained, no gate", "trained, no recall, no state norm"]
    pair = told["trained, no gate"]
    assert pair["sha256s"] == [checkpoint.load(x).sha256 for x in (gateless, other)]
    drawn = subjects.draw(checkpoint.load(full), [2], 4)
    alone = [highway.measure(checkpoint.load(x), drawn, steps=6, seeds=1).networks[0] for x in (gateless, other)]
    np.testing.assert_allclose(pair["ratio"]["value"], np.mean([way.ratio.value for way in alone], axis=0))
    assert (pair["factor_least"], pair["factor_most"]) == pytest.approx(sorted(float(way.factor) for way in alone))
    assert pair["factor_least"] < pair["factor_most"]
    for title in ("trained", "untrained, no gate"):
        assert pair["factor"]["value"] != pytest.approx(told[title]["factor"]["value"], rel=1e-6)
    assert main([*command, "--trained", str(gateless)]) == 0
    assert "trained, no gate" in capsys.readouterr().out
    wide = trained(tmp_path / "wide", 1, width=16)
    for folder, why in ((wide, "differs from full in width"), (tmp_path / "nowhere", "nowhere")):
        assert main([*command, "--trained", str(folder)]) == 2
        told_why = capsys.readouterr().err
        assert why in told_why
        assert told_why.count("\n") == 1


def test_what_another_network_has_is_said() -> None:
    own = CONFIGS["graph"]
    assert highway.difference(own, own) == "same mechanisms"
    assert highway.difference(own, replace(own, depth_embedding=9, gate_bias=None)) == "no gate, with depth embedding"
    noisy = replace(own, state_noise=0.3)
    assert highway.difference(noisy, own) == "no state noise"
    assert highway.difference(noisy, replace(own, state_norm=False)) == "no state norm"


def test_refusals_and_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = untrained(tmp_path / "ours", "tree")
    with pytest.raises(InputError, match="seeds"):
        highway.measure(ours, tasks.get("logic").generate(1, 2), seeds=0)
    with pytest.raises(ValueError, match=r"ratio.*\(2,\).*\(3,\)"):
        highway.Highway("x", np.zeros(3), Estimate.none(2), Estimate.none(), 1, 1, ())
    command = ["highway", str(ours.folder), "--difficulty", "1", "--instances", "2", "--seeds", "1"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == highway.LEAST_STEPS
    assert main([*command, "--steps", "3"]) == 0
    assert "no state norm" in capsys.readouterr().out
