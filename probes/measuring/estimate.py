"""Means with a 95% interval, by a bootstrap that draws whole groups of instances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RESAMPLES = 1000
"""Bootstrap samples behind an interval."""


class Mean(NamedTuple):
    """A mean and its 95% interval; arrays of one shape."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def mean(values: np.ndarray, group: np.ndarray, seed: int = 0) -> Mean:
    """Mean over the last axis with its interval.

    Args:
        values: (..., N); NaN is left out.
        group: (N,) values of one group are drawn together.
        seed: Of the bootstrap.

    Returns:
        Mean, low and high, (...) each; NaN without values, and the ends with fewer than two groups.
    """
    names, which = np.unique(group, return_inverse=True)
    has = np.isfinite(values)
    member = np.zeros((len(which), len(names)))
    member[np.arange(len(which)), which] = 1
    total, count = np.where(has, values, 0) @ member, has @ member  # (..., groups)
    share = lambda a, b: a / np.where(b > 0, b, np.nan)  # noqa: E731
    centre = share(total.sum(-1), count.sum(-1))
    low, high = np.full_like(centre, np.nan), np.full_like(centre, np.nan)
    if len(names) > 1:
        rng = np.random.default_rng([seed, 4])
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES).T
        resampled = share(total @ drawn, count @ drawn)
        some = np.isfinite(resampled).any(-1)
        if some.any():
            low[some], high[some] = np.nanquantile(resampled[some], (0.025, 0.975), axis=-1)
    return Mean(centre, low, high)
