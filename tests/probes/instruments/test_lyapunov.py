"""Lyapunov exponents of maps that are known by hand: linear, contracting, expanding, and one that wipes out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.probes.instruments import lyapunov
from depthscope.probes.measuring import instances as subjects, results
from tests.probes.hand_made import untrained, wave
from tests.probes.instruments.test_fixed_points import TURN, known, step_map


@pytest.mark.slow
def test_a_linear_map_has_the_logs_of_its_eigenvalues() -> None:
    of = step_map(lambda h: h @ TURN.to(h).T + 1)
    found = lyapunov.growth(of, 200, of.size)
    n = of.shape[0]
    due = np.repeat(np.log([np.hypot(0.6, 0.7), 0.5]), [2 * n, n])
    np.testing.assert_allclose(found[100:].mean(axis=0), due, atol=0.02)
    np.testing.assert_allclose(found.sum(axis=1), n * np.log(0.85 * 0.5))  # the determinant, at every step


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_contracting_neutral_and_expanding(factor: float) -> None:
    ours = known(lambda h: factor * h)
    found = lyapunov.measure(ours, subjects.draw(ours, [2], 4), steps=12)
    for values in (found.trained.mean.value, found.trained.late.value, found.trained.mean.low, found.trained.mean.high):
        np.testing.assert_allclose(values, np.log(factor), atol=1e-9)
    assert np.ptp(found.trained.growth) < 1e-9
    assert (abs(found.untrained.mean.value - np.log(factor)) > 1e-3).any()


def test_what_is_wiped_out_and_what_grows_beyond_numbers() -> None:
    gone = lyapunov.growth(step_map(lambda h: 0 * h), 3, 2)
    np.testing.assert_allclose(gone, np.log(lyapunov.DEAD))
    with pytest.raises(InputError, match="grow beyond"):
        lyapunov.growth(step_map(lambda h: h**9 * 1e9), 40, 2)
    with pytest.raises(InputError, match="1 to 64"):
        lyapunov.measure(wave(), subjects.draw(wave(), [2], 2), exponents=0)


def test_the_wave_heals(tmp_path: Path) -> None:
    ours = wave()
    found = lyapunov.measure(ours, subjects.draw(ours, [2], 2), steps=6, exponents=2)
    assert found.trained.late.value[0] < 0
    assert np.isnan(found.trained.mean.low).all()  # one pair of twins
    assert json.loads(dumps(found))["trained"]["mean"]["low"] == [None, None]
    results.save_npz(found, tmp_path / "l.npz")
    with np.load(tmp_path / "l.npz", allow_pickle=False) as arrays:
        assert arrays["trained.growth"].shape == (6, 2)
        assert arrays["trained.late.value"].shape == (2,)
    assert "second half" in found.table()


def test_full_attention_has_a_derivative_too(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "tokens", "tokens")
    assert lyapunov.measure.unfit(ours) is None
    found = lyapunov.measure(ours, subjects.draw(ours, [1], 2), steps=3, exponents=1)
    assert np.isfinite(found.trained.mean.value).all()
