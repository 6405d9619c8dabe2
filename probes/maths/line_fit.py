"""The speed of a wave: a line through arrivals, how straight it is, and intervals by bootstrap over instances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

RESAMPLES = 1000
"""Bootstrap samples behind an interval."""

AT_ONCE = 100
"""Samples worked out together."""

OWN, SHUFFLED, UNTRAINED = "own", "shuffled", "untrained"


@dataclass(frozen=True)
class Fit:
    """The line tau = a + b * order through the nodes that arrive; NaN where there is none.

    Attributes:
        order: What the nodes are ordered by.
        of: "own", or the control: "shuffled" orders, an "untrained" model.
        intercept: a.
        slope: b, steps for each unit of the order.
        slope_low: Lower end of its 95% interval, by bootstrap over groups of instances; NaN with fewer than two groups.
        slope_high: Upper end.
        speed: 1 / b; NaN where b is not positive.
        speed_low: 1 / slope_high.
        speed_high: 1 / slope_low; NaN (unbounded) where slope_low is not positive.
        r2: Share of the variance of tau that the line explains.
        r2_low: Lower end of its 95% interval, by the same bootstrap; so are the following.
        r2_high: Upper end.
        r2_log2: The same for tau = a + b * log2(1 + order).
        r2_log2_low: Lower end.
        r2_log2_high: Upper end.
        difference: r2 - r2_log2; positive where arrivals are straighter in the order than in its logarithm.
        difference_low: Lower end, of the difference within each sample.
        difference_high: Upper end.
        spearman: Rank correlation.
        spearman_low: Lower end.
        spearman_high: Upper end.
        due: Nodes that lie within T.
        arrived: Those of them that arrive and are behind the line.
    """

    order: str
    of: str
    intercept: float
    slope: float
    slope_low: float
    slope_high: float
    speed: float
    speed_low: float
    speed_high: float
    r2: float
    r2_low: float
    r2_high: float
    r2_log2: float
    r2_log2_low: float
    r2_log2_high: float
    difference: float
    difference_low: float
    difference_high: float
    spearman: float
    spearman_low: float
    spearman_high: float
    due: int
    arrived: int


def line(order: str, of: str, tau: np.ndarray, far: np.ndarray, group: np.ndarray, seed: int) -> Fit:
    """Fits tau = a + b * far over the nodes that arrive.

    Args:
        order: Name of the order.
        of: Whose line it is.
        tau: (M,) arrival, -1 for none.
        far: (M,) how far each node is.
        group: (M,) nodes of one group are resampled together.
        seed: Of the bootstrap.
    """
    has = tau >= 0
    x, y = far[has].astype(float), tau[has].astype(float)
    nan = float("nan")
    if len(x) < 3 or np.ptp(x) == 0:
        return Fit(order, of, *[nan] * 19, due=len(tau), arrived=len(x))
    statistics = _Statistics.of(x, y, group[has])
    slope, r2, logarithmic, spearman = statistics.at(np.ones((1, statistics.groups)))[:, 0].tolist()
    ends = np.full((2, 5), nan)
    if statistics.groups > 1:
        rng, chance = np.random.default_rng([seed, 3]), np.full(statistics.groups, 1 / statistics.groups)
        drawn = rng.multinomial(statistics.groups, chance, size=RESAMPLES)
        parts = [statistics.at(drawn[k : k + AT_ONCE]) for k in range(0, RESAMPLES, AT_ONCE)]
        rows = np.concatenate(parts, axis=1)
        rows = np.stack([*rows[:3], rows[1] - rows[2], rows[3]])
        some = np.isfinite(rows).any(1)
        ends[:, some] = np.nanquantile(rows[some], (0.025, 0.975), axis=1)
    low, high = ends.tolist()
    return Fit(
        order=order,
        of=of,
        intercept=float(y.mean() - slope * x.mean()),
        slope=slope,
        slope_low=low[0],
        slope_high=high[0],
        speed=_inverse(slope),
        speed_low=_inverse(high[0]),
        speed_high=_inverse(low[0]),
        r2=r2,
        r2_low=low[1],
        r2_high=high[1],
        r2_log2=logarithmic,
        r2_log2_low=low[2],
        r2_log2_high=high[2],
        difference=r2 - logarithmic,
        difference_low=low[3],
        difference_high=high[3],
        spearman=spearman,
        spearman_low=low[4],
        spearman_high=high[4],
        due=len(tau),
        arrived=len(x),
    )


@dataclass(frozen=True)
class _Statistics:
    """Nodes counted by group and by pair of values, from which any sample of groups is described.

    Attributes:
        groups: How many groups there are.
        counts: (P, groups) sparse, nodes of each group with each of P pairs (x, y).
        x: (P,) order.
        y: (P,) arrival.
        kth_x: (P,) index of x among its distinct values.
        kth_y: (P,) index of y among its.
    """

    groups: int
    counts: coo_array
    x: np.ndarray
    y: np.ndarray
    kth_x: np.ndarray
    kth_y: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, group: np.ndarray) -> _Statistics:
        """Counts nodes, (M,) each."""
        names, which = np.unique(group, return_inverse=True)
        pairs, pair = np.unique(np.stack([x, y], axis=1), axis=0, return_inverse=True)
        counts = coo_array((np.ones(len(x)), (pair.reshape(-1), which)), shape=(len(pairs), len(names)))
        kth = [np.unique(column, return_inverse=True)[1] for column in pairs.T]
        return cls(len(names), counts, pairs[:, 0], pairs[:, 1], *kth)

    def at(self, drawn: np.ndarray) -> np.ndarray:
        """Slope, R2, R2 against log2(1 + x) and Spearman of R samples, (R, groups) -> (4, R); NaN where none."""
        counts = (self.counts @ drawn.T).T.astype(float)  # (R, P)
        ranks = [_ranks(counts, kth) for kth in (self.kth_x, self.kth_y)]
        slope, linear = _line(counts, self.x, self.y)
        return np.stack(
            [slope, linear**2, _line(counts, np.log2(1 + self.x), self.y)[1] ** 2, _line(counts, *ranks)[1]]
        )


def _ranks(counts: np.ndarray, kth: np.ndarray) -> np.ndarray:
    """Mean rank of each pair's value in each sample, ties sharing one, (R, P) and (P,) -> (R, P)."""
    held = np.zeros((len(counts), kth.max() + 1))
    np.add.at(held.T, kth, counts.T)
    return (held.cumsum(1) - held / 2)[:, kth]


def _line(counts: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope of least squares and correlation in each sample, (R, P) counts and (P,) or (R, P) values -> (R,) each."""
    n = counts.sum(1, keepdims=True)
    x = x - (counts * x).sum(1, keepdims=True) / n
    y = y - (counts * y).sum(1, keepdims=True) / n
    xx, xy, yy = ((counts * v).sum(1) for v in (x * x, x * y, y * y))
    has_x, has_y = xx > 1e-9 * n[:, 0], yy > 1e-9 * n[:, 0]
    slope = xy / np.where(has_x, xx, np.nan)
    return slope, np.clip(xy / np.sqrt(np.where(has_x & has_y, xx * yy, np.nan)), -1, 1)


def _inverse(slope: float) -> float:
    return 1 / slope if slope > 1e-9 else float("nan")
