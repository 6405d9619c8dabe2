"""The speed of a wave: a line through arrivals, how straight it is, and intervals by bootstrap over instances."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

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
    described = Estimate.of(lambda counts: statistics(counts, x, y), group[has], rng)
    slope, *others = replace(described, n=len(np.unique(group[has])))
    speed = Estimate(_inverse(slope.value), _inverse(slope.high), _inverse(slope.low), slope.n)
    intercept = float(y.mean() - slope.value * x.mean())
    return Fit(order, of, intercept, slope, speed, *others, within=len(tau), arrived=len(x))


def statistics(counts: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slope, R2, R2 against log2(1 + x), their difference and Spearman of samples of N items; NaN where there is none.

    Args:
        counts: (R, N) how often each item is in each sample.
        x: (N,) order.
        y: (N,) arrival.

    Returns:
        (R, 5).
    """
    counts, x, y = _by_pair(counts, x, y)
    slope, correlation = _line(counts, x, y)
    linear, logarithmic = correlation**2, _line(counts, np.log2(1 + x), y)[1] ** 2
    return np.stack([slope, linear, logarithmic, linear - logarithmic, _of_ranks(counts, x, y)], axis=1)


def spearman(counts: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's correlation alone, ties sharing a rank, (R,); NaN where one of them does not vary."""
    return _of_ranks(*_by_pair(counts, x, y))


def _by_pair(counts: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items counted by their P distinct pairs of values, so that samples need no sorting: (R, P), (P,) and (P,)."""
    pairs, pair = np.unique(np.stack([x, y], axis=1), axis=0, return_inverse=True)
    member = csr_array((np.ones(len(x)), (pair.reshape(-1), np.arange(len(x)))), shape=(len(pairs), len(x)))
    return np.asarray(member @ counts.T, dtype=np.float64).T, *pairs.T


def _of_ranks(counts: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _line(counts, _ranks(counts, x), _ranks(counts, y))[1]


def _ranks(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean rank of each pair's value in each sample, ties sharing one, (R, P) and (P,) -> (R, P)."""
    names, which = np.unique(values, return_inverse=True)
    alike = np.zeros((len(counts), len(names)))
    np.add.at(alike.T, which, counts.T)
    return (alike.cumsum(1) - alike / 2)[:, which]


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
