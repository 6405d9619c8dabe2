"""Fixed points of maps whose fixed points and eigenvalues are known, and of one that has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core import tasks
from core.checkpoint import Checkpoint
from core.encoding import SOURCE, Batch
from core.plain import dumps
from core.protocol import Shapes, Sink
from probes import fixed_points, results, subjects
from probes.stepmap import StepMap
from tests.probes.hand_made import CONFIGS, wave

TURN = torch.tensor([[0.6, -0.7, 0], [0.7, 0.6, 0], [0, 0, 0.5]], dtype=torch.float64)
"""Eigenvalues .6 +- .7i and .5."""


class Known(nn.Module):
    """A map of states of width 3; the source starts elsewhere than the others."""

    shapes = Shapes(width=3, heads=0, gate=False)

    def __init__(self, step: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.config, self.unused, self.map = CONFIGS["graph"], nn.Parameter(torch.zeros(1)), step

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def initial(self, context: Batch) -> Tensor:
        source = ((context.roles & SOURCE) > 0)[..., None]
        return torch.where(source, 3.0, 0.1).expand(-1, -1, 3).clone()

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        return self.map(state)

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return state[..., torch.arange(len(batch)), batch.answer, 0], state[..., 0]


def known(step: Callable[[Tensor], Tensor]) -> Checkpoint:
    model: Any = Known(step)
    return Checkpoint("known", model, CONFIGS["graph"], "", {}, {}, "", 0, None)


def step_map(step: Callable[[Tensor], Tensor]) -> StepMap:
    ours = known(step)
    return StepMap(ours, tasks.get("graph").encode(subjects.draw(ours, [2], 1)[0], ours.config))


def two_attractors(h: Tensor) -> Tensor:
    """All nodes go to the mean's side: +-.957 attract, 0 repels."""
    return torch.tanh(2 * h.mean(dim=(1, 2), keepdim=True).expand_as(h))


@pytest.mark.parametrize("dense_up_to", [0, 10_000])
def test_a_linear_map_has_its_own_eigenvalues(dense_up_to: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.stepmap.DENSE_UP_TO", dense_up_to)
    of = step_map(lambda h: h @ TURN.to(h).T + 1)
    found = fixed_points.find(of, 200, 0)
    assert len(found.speed) == 1
    assert found.fixed[0]
    assert (found.found[0], found.on_path[0]) == (2 * fixed_points.STARTS, fixed_points.STARTS)
    assert found.distance[0] < 1e-4
    due = torch.linalg.solve(torch.eye(3, dtype=torch.float64) - TURN, torch.ones(3, dtype=torch.float64))
    assert found.logit[0] == pytest.approx(float(due[0]), rel=1e-4)
    assert found.radius[0] == pytest.approx(np.hypot(0.6, 0.7), rel=1e-4)
    np.testing.assert_allclose(np.abs(found.eigenvalues[0, 0]), [0.6, 0.7], rtol=1e-4)


def test_two_attractors_and_the_point_between() -> None:
    found = fixed_points.find(step_map(two_attractors), 30, 0)
    points = {round(x, 3): r for x, r, fixed in zip(found.logit, found.radius, found.fixed, strict=True) if fixed}
    assert set(points) <= {0.958, -0.958, 0.0, -0.0}
    assert len(points) >= 2
    assert found.on_path[found.logit > 0.9].sum() >= fixed_points.STARTS - 1  # the run goes to the source's side
    for where, radius in points.items():
        assert radius == pytest.approx(2.0 if abs(where) < 0.1 else 2 * (1 - 0.9575**2), abs=1e-2)


def test_a_map_that_only_moves_on_has_none() -> None:
    found = fixed_points.find(step_map(lambda h: h + 1), 20, 0)
    assert not found.fixed.any()
    np.testing.assert_allclose(found.radius[:1], 1, atol=1e-6)


def test_restarts_forget_or_remember(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_points, "STARTS", 2)  # the search has tests of its own
    monkeypatch.setattr(fixed_points, "ITERATIONS", 20)
    monkeypatch.setattr(fixed_points, "POINTS", 1)
    pulled = known(lambda h: h @ TURN.to(h).T + 1)
    instances = subjects.draw(pulled, [2], 4)
    result = fixed_points.measure(pulled, instances, steps=90)
    paths = result.paths
    assert paths.n >= 2
    assert (paths.other_same[0], paths.random_same[0], paths.random_answer[0]) == (1, 1, 1)
    assert paths.random_end[0] < 1e-3
    kept = fixed_points.measure(known(lambda h: h.clone()), instances[:2], steps=5)
    assert kept.paths.random_same[0] == 0
    assert kept.paths.random_end[0] > 0.5
    assert np.isnan(kept.paths.random_end[1])  # one pair of twins has no interval
    split = fixed_points.measure(known(two_attractors), instances[:2], steps=20)
    assert split.paths.random_same[0] < 1
    assert json.loads(dumps(result))["points"]["fixed"] == [True]
    results.save_npz(result, tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz", allow_pickle=False) as arrays:
        assert arrays["points.radius"].shape == (1,)
    assert "random states" in fixed_points.table(result)


def test_the_derivative_is_that_of_the_model() -> None:
    ours = wave()
    of = StepMap(ours, tasks.get("graph").encode(subjects.draw(ours, [2], 1)[0], ours.config))
    rng = np.random.default_rng(0)
    h, v = (torch.from_numpy(rng.standard_normal(of.size)) for _ in range(2))
    due = (of(h + 1e-6 * v, 0) - of(h - 1e-6 * v, 0)).detach() / 2e-6
    np.testing.assert_allclose(of.derivative(h, v, 0).numpy(), due.numpy(), rtol=1e-4, atol=1e-5)


def test_what_it_does_not_apply_to() -> None:
    ours = known(two_attractors)
    assert fixed_points.unfit(ours) is None
    from dataclasses import replace

    reader = replace(ours, config=replace(ours.config, attention="none"))
    assert "another token" in str(fixed_points.unfit(reader))
