"""The speed of a wave: a line through arrivals, how straight it is, and intervals by bootstrap over instances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

from depthscope.probes.measuring.estimate import Estimate

OWN, SHUFFLED, UNTRAINED = "own", "shuffled", "untrained"


@dataclass(frozen=True)
class Fit:
    """The line tau = a + b * order through the nodes that arrive; NaN where there is none.

    Attributes:
        order: What the nodes are ordered by.
        of: "own", or the control: "shuffled" orders, an "untrained" model.
        intercept: a.
        slope: b, steps for each unit of the order.
        speed: 1 / b; NaN where b is not positive, as is the upper end where that of slope is not (unbounded).
        r2: Share of the variance of tau that the line explains.
        r2_log2: The same for tau = a + b * log2(1 + order).
        difference: r2 - r2_log2 within each resample; positive where arrivals are straighter in the order.
        spearman: Rank correlation.
        within: Nodes that lie within T.
        arrived: Those of them that arrive and are behind the line.
    """

    order: str
    of: str
    intercept: float
    slope: Estimate
    speed: Estimate
    r2: Estimate
    r2_log2: Estimate
    difference: Estimate
    spearman: Estimate
    within: int
    arrived: int


def line(order: str, of: str, tau: np.ndarray, far: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> Fit:
    """Fits tau = a + b * far over the nodes that arrive.

    Args:
        order: Name of the order.
        of: Whose line it is.
        tau: (M,) arrival, -1 for none.
        far: (M,) how far each node is.
        group: (M,) nodes of one group are resampled together.
        rng: Of the bootstrap.
    """
    has = tau >= 0
    x, y = far[has].astype(float), tau[has].astype(float)
    if len(x) < 3 or np.ptp(x) == 0:
        return Fit(order, of, float("nan"), *[Estimate.none()] * 6, within=len(tau), arrived=len(x))
    statistics = _Statistics.of(x, y, group[has])
    slope, *others = Estimate.of(statistics.at, np.arange(statistics.groups), rng)
    speed = Estimate(_inverse(slope.value), _inverse(slope.high), _inverse(slope.low), slope.n)
    intercept = float(y.mean() - slope.value * x.mean())
    return Fit(order, of, intercept, slope, speed, *others, within=len(tau), arrived=len(x))


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
        """Slope, R2, R2 against log2(1 + x), their difference and Spearman of R samples; NaN where there is none.

        Args:
            drawn: (R, groups) how often each group counts.

        Returns:
            (R, 5).
        """
        counts = (self.counts @ drawn.T).T.astype(float)  # (R, P)
        ranks = [_ranks(counts, kth) for kth in (self.kth_x, self.kth_y)]
        slope, correlation = _line(counts, self.x, self.y)
        linear, logarithmic = correlation**2, _line(counts, np.log2(1 + self.x), self.y)[1] ** 2
        return np.stack([slope, linear, logarithmic, linear - logarithmic, _line(counts, *ranks)[1]], axis=1)


def _ranks(counts: np.ndarray, kth: np.ndarray) -> np.ndarray:
    """Mean rank of each pair's value in each sample, ties sharing one, (R, P) and (P,) -> (R, P)."""
    alike = np.zeros((len(counts), kth.max() + 1))
    np.add.at(alike.T, kth, counts.T)
    return (alike.cumsum(1) - alike / 2)[:, kth]


def _line(counts: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope of least squares and correlation in each sample, (R, P) counts and (P,) or (R, P) values -> (R,) each."""
    n = counts.sum(1, keepdims=True)
    x = x - (counts * x).sum(1, keepdims=True) / n
    y = y - (counts * y).sum(1, keepdims=True) / n
    xx, xy, yy = ((counts * v).sum(1) for v in (x * x, x * y, y * y))
    has_x, has_y = xx > 1e-9 * n[:, 0], yy > 1e-9 * n[:, 0]
    slope = xy / np.where(has_x, xx, np.nan)
    return slope, np.clip(xy / np.sqrt(np.where(has_x & has_y, xx * yy, np.nan)), -1, 1)


def _inverse(slope: np.ndarray) -> float:
    return float(1 / slope) if slope > 1e-9 else float("nan")
