"""The speed of a wave: a line through arrivals, its interval by bootstrap over instances, and how straight it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

RESAMPLES = 1000
"""Bootstrap samples behind an interval."""

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
        r2_log2: The same for tau = a + b * log2(1 + order).
        spearman: Rank correlation.
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
    r2_log2: float
    spearman: float
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
        return Fit(order, of, *[nan] * 10, due=len(tau), arrived=len(x))
    names, which = np.unique(group[has], return_inverse=True)
    sums = np.stack([np.bincount(which, v) for v in (np.ones_like(x), x, y, x * x, x * y)], axis=1)  # (groups, 5)
    slope = float(_slope(sums.sum(0)))
    low = high = nan
    if len(names) > 1:
        rng = np.random.default_rng([seed, 3])
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
        low, high = (float(q) for q in np.nanquantile(_slope(drawn @ sums), (0.025, 0.975)))
    varies = np.ptp(y) > 0
    r2, logarithmic = (float(np.corrcoef(v, y)[0, 1] ** 2) if varies else nan for v in (x, np.log2(1 + x)))
    return Fit(
        order=order,
        of=of,
        intercept=float(y.mean() - slope * x.mean()),
        slope=slope,
        slope_low=low,
        slope_high=high,
        speed=_inverse(slope),
        speed_low=_inverse(high),
        speed_high=_inverse(low),
        r2=r2,
        r2_log2=logarithmic,
        spearman=float(np.corrcoef(rankdata(x), rankdata(y))[0, 1]) if varies else nan,
        due=len(tau),
        arrived=len(x),
    )


def _slope(sums: np.ndarray) -> np.ndarray:
    """Least squares from (..., 5) sums of 1, x, y, x x, x y; NaN where x does not vary."""
    n, x, y, xx, xy = np.moveaxis(sums, -1, 0)
    spread = n * xx - x * x
    return (n * xy - x * y) / np.where(spread > 0, spread, np.nan)


def _inverse(slope: float) -> float:
    return 1 / slope if slope > 1e-9 else float("nan")
