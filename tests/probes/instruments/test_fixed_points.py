"""Fixed points of maps whose fixed points and eigenvalues are known, and of one that has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import SOURCE, Batch
from depthscope.core.files.strict_json import dumps
from depthscope.core.protocol import Shapes, Sink
from depthscope.probes.instruments import fixed_points
from depthscope.probes.maths import slow_points
from depthscope.probes.maths.step_map import StepMap
from depthscope.probes.measuring import instances as subjects, results
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


def step_map(step: Callable[[Tensor], Tensor], hops: int = 2) -> StepMap:
    ours = known(step)
    return StepMap(ours, tasks.get("graph").encode(subjects.draw(ours, [hops], 1)[0], ours.config))


def find(of: StepMap, steps: int) -> slow_points.Points:
    return slow_points.find(of, steps, 0)


def searches(monkeypatch: pytest.MonkeyPatch, **sizes: int) -> None:
    """A smaller search."""
    for (name, size), module in product(sizes.items(), (slow_points, fixed_points)):
        monkeypatch.setattr(module, name, size, raising=False)


def turning(h: Tensor) -> Tensor:
    """All numbers one place on: every eigenvalue has size 1, so that none is the largest."""
    return h.reshape(1, -1).roll(1, dims=1).reshape(h.shape)


def two_attractors(h: Tensor) -> Tensor:
    """All nodes go to the mean's side: +-.957 attract, 0 repels."""
    return torch.tanh(2 * h.mean(dim=(1, 2), keepdim=True).expand_as(h))


@pytest.mark.slow
@pytest.mark.parametrize("dense_up_to", [0, 10_000])
def test_a_linear_map_has_its_own_eigenvalues(dense_up_to: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthscope.probes.maths.step_map.DENSE_UP_TO", dense_up_to)
    of = step_map(lambda h: h @ TURN.to(h).T + 1)
    found = find(of, 200)
    assert len(found.speed) == 1
    assert found.fixed[0]
    assert (found.starts[0], found.on_path[0]) == (2 * slow_points.STARTS, slow_points.STARTS)
    assert found.distance[0] < 1e-4
    due = torch.linalg.solve(torch.eye(3, dtype=torch.float64) - TURN, torch.ones(3, dtype=torch.float64))
    assert found.logit[0] == pytest.approx(float(due[0]), rel=1e-4)
    assert found.radius[0] == pytest.approx(np.hypot(0.6, 0.7), rel=1e-4)
    np.testing.assert_allclose(np.abs(found.eigenvalues[0, 0]), [0.6, 0.7], rtol=1e-4)


@pytest.mark.parametrize("what", ["turning", "constant", "small"])
def test_where_arnoldi_does_not_converge(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all are of one size, where the map is constant, and where there are fewer than asked for."""
    monkeypatch.setattr("depthscope.probes.maths.step_map.MOST_RESTARTS", 3)
    if what == "turning":
        of = step_map(turning, hops=24)
        assert np.isnan(of.eigenvalues(of.start, 0, 6)).sum() > 0
        monkeypatch.setattr("depthscope.probes.maths.step_map.DENSE_UP_TO", 10_000)
        np.testing.assert_allclose(np.abs(of.eigenvalues(of.start, 0, 6)), 1)
        return
    monkeypatch.setattr("depthscope.probes.maths.step_map.DENSE_UP_TO", 0)
    if what == "constant":
        of = step_map(lambda h: torch.ones_like(h) + 0 * h)
        np.testing.assert_array_equal(of.eigenvalues(of.start, 0, 6), 0)
    else:
        of = step_map(lambda h: h @ TURN.to(h).T)
        assert np.isnan(of.eigenvalues(of.start, 0, of.size + 3)).sum() == 3


@pytest.mark.slow
def test_points_without_a_spectrum_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthscope.probes.maths.step_map.MOST_RESTARTS", 3)
    monkeypatch.setattr("depthscope.probes.maths.step_map.DENSE_UP_TO", 0)
    searches(monkeypatch, STARTS=1)
    ours = known(turning)
    result = fixed_points.measure(ours, subjects.draw(ours, [24], 1), steps=3)
    assert (result.points.missing[: slow_points.POINTS] > 0).all()
    assert "did not converge" in result.table()


def test_two_attractors_and_the_point_between() -> None:
    found = find(step_map(two_attractors), 30)
    points = {round(x, 3): r for x, r, fixed in zip(found.logit, found.radius, found.fixed, strict=True) if fixed}
    assert set(points) <= {0.958, -0.958, 0.0, -0.0}
    assert len(points) >= 2
    assert found.on_path[found.logit > 0.9].sum() >= slow_points.STARTS - 1  # the run goes to the source's side
    for where, radius in points.items():
        assert radius == pytest.approx(2.0 if abs(where) < 0.1 else 2 * (1 - 0.9575**2), abs=1e-2)


def test_a_map_that_only_moves_on_has_none() -> None:
    found = find(step_map(lambda h: h + 1), 20)
    assert not found.fixed.any()
    np.testing.assert_allclose(found.radius[:1], 1, atol=1e-6)


@pytest.mark.slow
def test_restarts_forget_or_remember(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches(monkeypatch, STARTS=2, ITERATIONS=20, POINTS=1)  # the search has tests of its own
    pulled = known(lambda h: h @ TURN.to(h).T + 1)
    instances = subjects.draw(pulled, [2], 4)
    result = fixed_points.measure(pulled, instances, steps=90)
    paths = result.paths
    assert paths.n >= 2
    assert [float(x) for x in (paths.other_same, paths.random_same, paths.random_answer)] == [1, 1, 1]
    assert paths.random_end.value < 1e-3
    kept = fixed_points.measure(known(lambda h: h.clone()), instances[:2], steps=5)
    assert kept.paths.random_same.value == 0
    assert kept.paths.random_end.value > 0.5
    assert np.isnan(kept.paths.random_end.low)  # one pair of twins has no interval
    split = fixed_points.measure(known(two_attractors), instances[:2], steps=20)
    assert split.paths.random_same.value < 1
    assert json.loads(dumps(result))["points"]["fixed"] == [True]
    results.save_npz(result, tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz", allow_pickle=False) as arrays:
        assert arrays["points.radius"].shape == (1,)
    assert "random states" in result.table()


@pytest.mark.slow
def test_every_instance_is_surveyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each node takes a twentieth of the sum: the one eigenvalue that is not 0 is a twentieth of the nodes."""
    searches(monkeypatch, STARTS=1)
    seen: list[tuple[int, int]] = []
    ours = known(lambda h: 1 + h.sum(1, keepdim=True).expand_as(h) / 20)
    instances = subjects.draw(ours, [2], 4)
    sizes = np.array([x.n_nodes for x in instances]) / 20
    found = fixed_points.measure(ours, instances, steps=60, progress=lambda *x: seen.append(x))
    survey = found.survey
    np.testing.assert_allclose(survey.radius, sizes, rtol=1e-3)
    assert len(set(sizes)) > 1
    assert survey.mean_radius.value == pytest.approx(sizes.mean(), rel=1e-3)
    assert survey.mean_radius.low < survey.mean_radius.value < survey.mean_radius.high
    np.testing.assert_array_equal(survey.points, 1)
    np.testing.assert_array_equal(survey.fixed, 1)
    assert (survey.attracts.value, survey.attracts.low, survey.attracts.high) == (1, 1, 1)
    assert found.points.radius[0] == survey.radius[0]
    assert seen[-1] == (24, 24)
    moving = fixed_points.measure(known(lambda h: h + 1), instances[:2], steps=5).survey
    assert moving.fixed.sum() == 0
    assert moving.attracts.value == 0
    assert np.isnan(moving.mean_radius.low)  # one pair of twins
    assert "radius at the nearest" in found.table()


def test_the_derivative_is_that_of_the_model() -> None:
    ours = wave()
    of = StepMap(ours, tasks.get("graph").encode(subjects.draw(ours, [2], 1)[0], ours.config))
    rng = np.random.default_rng(0)
    h, v = (torch.from_numpy(rng.standard_normal(of.size)) for _ in range(2))
    due = (of(h + 1e-6 * v, 0) - of(h - 1e-6 * v, 0)).detach() / 2e-6
    np.testing.assert_allclose(of.derivative(h, v, 0).numpy(), due.numpy(), rtol=1e-4, atol=1e-5)


def test_what_it_does_not_apply_to() -> None:
    ours = known(two_attractors)
    assert fixed_points.measure.unfit(ours) is None
    from dataclasses import replace

    reader = replace(ours, config=replace(ours.config, attention="none"))
    assert "another token" in str(fixed_points.measure.unfit(reader))
