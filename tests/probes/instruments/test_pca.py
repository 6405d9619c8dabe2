"""Principal components of states that lie in a planted plane, turn into another, or fill all directions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments import pca
from depthscope.probes.maths.pca import state_components
from depthscope.probes.measuring import instances as subjects, results
from tests.probes.hand_made import flood, untrained, wave

GROUPS = np.repeat(np.arange(20), 10)
HELD = GROUPS >= 12
BENCH = Bench(wave(), [], 3)
ROTATION = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 16)))[0]


def test_states_share_one_basis_and_keep_distances() -> None:
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(4, 5, 3)) @ np.linalg.qr(rng.normal(size=(8, 3)))[0].T
    placed, share, _ = state_components(plane, np.arange(5))
    assert share.sum() == pytest.approx(1)
    assert (np.diff(share) <= 0).all()
    assert np.linalg.norm(placed[0, 0] - placed[3, 4]) == pytest.approx(
        np.linalg.norm(plane[0, 0] - plane[3, 4]), rel=1e-5
    )


def test_states_that_never_move_and_states_of_one_dimension() -> None:
    placed, share, _ = state_components(np.ones((3, 4, 1)), np.arange(4))
    assert placed.shape == (3, 4, 3)
    assert np.isfinite(share).all()
    assert not placed.any()


def test_a_planted_subspace_holds_for_new_instances_until_it_turns() -> None:
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(4, 200, 3)) * (3, 2, 1)
    hidden = spread @ ROTATION[:3]
    hidden[0] = spread[0] @ ROTATION[3:6]  # all three directions are others before the first step
    found = pca.components(BENCH, hidden, GROUPS, HELD)
    np.testing.assert_allclose(found.angle[0], 90, atol=1e-4)
    np.testing.assert_allclose(found.angle[1:], 0, atol=1e-4)
    np.testing.assert_allclose(found.ceiling, 0, atol=1e-4)
    assert found.by_step[1:].min() > 0.85
    assert found.by_step[0] < 0.6 < found.by_step[1:].min()
    assert 2.5 < found.dimension < 6
    later = pca.components(BENCH, hidden[1:], GROUPS, HELD)
    assert later.held_out.value.sum() == pytest.approx(1)
    assert later.held_out.low[0] < 9 / 14 < later.held_out.high[0]


def test_noise_has_no_direction_of_its_own() -> None:
    hidden = np.random.default_rng(0).normal(size=(3, 200, 16))
    found = pca.components(BENCH, hidden, GROUPS, HELD)
    assert found.held_out.value.sum() == pytest.approx(3 / 16, abs=0.04)
    assert found.dimension > 14
    np.testing.assert_allclose(found.angle[0], found.random, atol=25)
    np.testing.assert_allclose(found.ceiling.mean(axis=0), found.random, atol=25)


def test_a_step_that_does_not_spread_has_no_directions() -> None:
    hidden = np.random.default_rng(0).normal(size=(3, 200, 16))
    hidden[0] = 1
    found = pca.components(BENCH, hidden, GROUPS, HELD)
    assert np.isnan(found.angle[0]).all()
    assert np.isnan(found.step_dimension[0])
    assert np.isfinite(found.angle[1:]).all()


def test_the_wave_lies_in_one_direction_and_noise_in_none(tmp_path: Path) -> None:
    graphs = tasks.get("graph").generate(4, 20, "audited", 0)
    found = pca.measure(wave(), graphs, steps=6)
    assert found.trained.held_out.value[0] > 0.95
    assert found.permuted.sum() < 1
    none = pca.measure(flood(), graphs, steps=6)  # five coordinates of noise beside the wave
    assert none.trained.held_out.value[0] < 0.5
    assert json.loads(dumps(found))["n"] == 20
    results.save_npz(found, tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
        assert arrays["trained.angle"].shape == (7, 3)
    assert "held out" in found.table()


@pytest.mark.slow
def test_every_kind_and_too_few(tmp_path: Path) -> None:
    for kind in ("tokens", "text", "without ^"):
        ours = untrained(tmp_path / kind, kind)
        assert pca.measure.unfit(ours) is None
        assert np.isfinite(pca.measure(ours, subjects.draw(ours, [2], 6), steps=3).trained.held_out.value).all()
    with pytest.raises(InputError, match="no twins"):
        pca.measure(wave(), subjects.draw(wave(), [2], 2))
    own = [tasks.get("graph").parse(text, source="A", target="C") for text in ("A B\nB C", "A B\nB C\nC D")]
    assert np.isfinite(pca.measure(wave(), own, steps=3).trained.held_out.value).all()


def test_runs_that_share_a_basis_are_placed_alike() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((4, 5, 8)), 3 * rng.standard_normal((6, 7, 8))
    nodes = np.arange(5)
    alone, _, own = state_components(one, nodes)
    first, share, extent = state_components(one, nodes, (one, other))
    second, again, same = state_components(other, np.arange(7), (one, other))
    np.testing.assert_array_equal(share, again)
    np.testing.assert_array_equal(extent, same)
    assert not np.allclose(alone, first)
    np.testing.assert_allclose(own, [alone.min((0, 1)), alone.max((0, 1))])
    both = np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])
    np.testing.assert_allclose(extent, [both.min(0), both.max(0)], rtol=1e-5)
    twice, *_ = state_components(other, np.arange(7), (one, np.where(np.arange(7)[None, :, None] < 9, other, 0)))
    np.testing.assert_array_equal(second, twice)
