"""Maps that shrink, turn or run on by a known amount, and a wave whose nodes settle one hop a step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from depthscope.core import tasks
from depthscope.core.files.strict_json import dumps
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments import convergence
from depthscope.probes.maths import movement
from depthscope.probes.maths.line_fit import spearman
from depthscope.probes.measuring import instances as subjects, results
from tests.probes.hand_made import flood, untrained, wave
from tests.probes.instruments.test_fixed_points import known


def run(step: np.ndarray, start: np.ndarray, steps: int) -> np.ndarray:
    states = [start]
    for _ in range(steps):
        states.append(states[-1] @ step.T)
    return np.stack(states)


def test_a_shrinking_map_goes_straight_and_a_turning_one_turns() -> None:
    start = np.random.default_rng(0).normal(size=(7, 2))
    halved = run(np.eye(2) / 2, start, 30)
    change, whole = movement.changes(halved, np.arange(7))
    np.testing.assert_allclose(change[1:], 0.5)
    np.testing.assert_allclose(whole[1:], 0.5)
    np.testing.assert_allclose(movement.turns(halved)[2:], 0, atol=1e-5)
    rest = movement.rests(halved + 1)
    np.testing.assert_allclose(rest[:9], rest[0] / 2.0 ** np.arange(9)[:, None], rtol=1e-5)
    angle = np.radians(30)
    turned = run(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), start, 6)
    np.testing.assert_allclose(movement.turns(turned)[2:], 30, atol=1e-5)
    np.testing.assert_allclose(movement.changes(turned, np.arange(7))[0][1:], 2 * np.sin(angle / 2))


def test_what_stands_still_has_no_direction_and_has_settled() -> None:
    still = np.ones((5, 3, 4))
    assert np.isnan(movement.turns(still)).all()
    assert (movement.settled(movement.rests(still)) == 0).all()
    moved = still.copy()
    moved[2:, 1] = 2  # settles at step 2, the others from the start
    assert movement.settled(movement.rests(moved)).tolist() == [0, 2, 0]


def test_the_nodes_of_a_wave_settle_one_hop_a_step(tmp_path: Path) -> None:
    graphs = tasks.get("graph").generate(6, 20, "audited", 0)
    found = convergence.measure(wave(), graphs, steps=12)
    assert found.order == "distance"
    reached = found.far >= 0
    assert reached.all()
    late = found.trained.settled - found.far
    assert np.ptp(late) <= 1
    assert found.trained.spearman.value > 0.99
    assert found.trained.shuffled[1] < 0.6
    assert found.trained.settled_share[-1] == 1
    assert (np.diff(found.trained.settled_share) >= 0).all()
    assert json.loads(dumps(found))["trained"]["change"]["value"][0] is None
    results.save_npz(found, tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz", allow_pickle=False) as arrays:
        assert arrays["trained.rest.value"].shape == (13,)
    assert "Spearman" in found.table()


def test_noise_never_settles_and_follows_no_order() -> None:
    found = convergence.measure(flood(), tasks.get("graph").generate(6, 20, "audited", 0), steps=12)
    assert found.trained.settled_share[-2] < 0.05
    assert found.trained.turn.value[5] == pytest.approx(120, abs=5)  # differences of independent points
    assert (found.trained.settled == 12).all()  # so that there is nothing to rank
    assert np.isnan([found.trained.spearman.value, *found.trained.shuffled]).all()


@pytest.mark.slow
def test_settling_in_any_order_follows_none() -> None:
    rng, nodes, rows = np.random.default_rng(1), 200, 13
    until, far, instance = rng.integers(1, rows, nodes), rng.integers(1, 9, nodes), np.arange(nodes) // 20
    hidden, bench = np.ones((rows, nodes, 3)), Bench(wave(), [], rows - 1)
    hidden[np.arange(rows)[:, None] < until] = 2.0
    found = convergence.course(bench, hidden, instance, instance, far)
    np.testing.assert_array_equal(found.settled, until)
    low, high = found.shuffled
    assert low - 0.05 < found.spearman.value < high + 0.05
    assert found.spearman.low < 0 < found.spearman.high
    ordered = convergence.course(bench, hidden, instance, instance, until)
    assert ordered.spearman.value == pytest.approx(1)
    assert ordered.shuffled[1] < 0.5


def test_a_counted_rank_correlation_is_that_of_the_items_themselves() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, 30), rng.integers(0, 7, 30)
    counts = np.stack([np.ones(30, dtype=int), rng.integers(0, 3, 30)])
    expected = np.array([spearmanr(np.repeat(x, row), np.repeat(y, row)) for row in counts])[:, 0]
    np.testing.assert_allclose(spearman(counts, x, y), expected)
    assert np.isnan(spearman(counts, x, np.ones(30))).all()


@pytest.mark.slow
def test_one_pair_has_no_interval_and_every_kind_runs(tmp_path: Path) -> None:
    ours = known(lambda h: 0.5 * h)
    one = convergence.measure(ours, subjects.draw(ours, [2], 2), steps=5)
    assert np.isnan(one.trained.change.low).all()
    assert one.trained.change.value[3] == pytest.approx(0.5)
    assert torch.is_grad_enabled()
    for kind in ("tokens", "text", "without ^", "tree"):
        other = untrained(tmp_path / kind, kind)
        assert convergence.measure.unfit(other) is None
        assert convergence.measure(other, subjects.draw(other, [2], 4), steps=3).trained.rest.value[-1] == 0
