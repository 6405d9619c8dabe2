"""T75 and its line, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from depthscope.core.frontier import NO_DIFFICULTY, Frontier, stays_from, t75


def made(accuracy: np.ndarray, difficulty: list[int]) -> Frontier:
    d, t = accuracy.shape
    n = np.full(d, 10)
    x = accuracy
    return Frontier(np.array(difficulty), np.arange(1, t + 1), x, x, x, x, x, None, n, n)


def test_first_step_from_which_a_row_stays() -> None:
    rows = [[0.8, 0.9, 1.0], [0.5, 0.75, 0.8], [0.9, 0.5, 0.9], [0.9, 0.9, 0.74], [0.5, 0.5, 0.5], [np.nan, 0.9, 0.9]]
    np.testing.assert_array_equal(stays_from(np.array(rows)), [1, 2, 3, -1, -1, 2])


def test_a_staircase_of_known_slope() -> None:
    difficulty = [1, 2, 3, 5, 40, NO_DIFFICULTY]
    arrives = np.array([4, 6, 8, 12, 99, 1])  # 2 + 2 h; the fifth not within the steps, the last has no difficulty
    found = t75(made((np.arange(1, 21) >= arrives[:, None]) * 0.5 + 0.5, difficulty))
    np.testing.assert_array_equal(found.steps, [4, 6, 8, 12, -1, 1])
    assert (found.intercept, found.slope, found.r2) == pytest.approx((2, 2, 1))
    assert found.n == 4


def test_two_points_are_no_line() -> None:
    found = t75(made(np.ones((2, 3)), [1, 2]))
    assert found.n == 2
    assert np.isnan([found.intercept, found.slope, found.r2]).all()
    flat = t75(made(np.ones((3, 3)), [1, 2, 3]))
    assert flat.slope == pytest.approx(0)
    assert np.isnan(flat.r2)
