"""Controls that mean nothing keep what they have to keep, and nothing else."""

from __future__ import annotations

import numpy as np

from depthscope.probes.measuring import controls


def test_values_are_dealt_out_within_their_group() -> None:
    rng, within = np.random.default_rng(0), np.arange(600) % 3
    values = np.stack([within * 1000 + np.arange(600), np.arange(600)])
    dealt = controls.permuted(values, rng, within)
    np.testing.assert_array_equal(dealt[0] // 1000, within)
    np.testing.assert_array_equal(np.sort(dealt[1]), values[1])
    np.testing.assert_array_equal(dealt[0] % 1000, dealt[1])  # columns stay whole
    assert (dealt[1] == values[1]).mean() < 0.05
    whole = controls.permuted(values, rng)
    assert (whole[0] // 1000 != within).mean() > 0.5  # among all
    again = controls.permuted(values, np.random.default_rng(0), within)
    np.testing.assert_array_equal(again, dealt)
