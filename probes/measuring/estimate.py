"""A number with its 95% interval: by one bootstrap that draws whole groups of instances, or by Wilson for a share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core.frontier import wilson

RESAMPLES = 1000
"""Bootstrap samples behind an interval."""

ENDS = (0.025, 0.975)
CELLS = 1 << 22
"""Weights of so many items are held at once, over all resamples that are computed together."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value with its 95% interval, or an array of them.

    Attributes:
        value: Any shape; NaN where nothing was measured.
        low: Lower end, of the same shape; NaN where there is no interval, as for a single group.
        high: Upper end.
        n: What was averaged or counted, of the same shape.
    """

    value: Any
    low: Any
    high: Any
    n: Any

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        object.__setattr__(self, "n", np.broadcast_to(np.asarray(self.n, dtype=np.int64), self.value.shape))
        for name in ("low", "high"):
            if (shape := getattr(self, name).shape) != self.value.shape:
                raise ValueError(f"{name} has shape {shape}, but value has shape {self.value.shape}")

    @classmethod
    def none(cls, *shape: int) -> Estimate:
        """Nothing measured."""
        nan = np.full(shape, np.nan)
        return cls(nan, nan, nan, np.zeros(shape))

    @classmethod
    def mean(cls, values: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> Estimate:
        """Mean over the last axis.

        Args:
            values: (..., N); NaN is left out.
            group: (N,) items of one group are drawn together.
            rng: Draws the resamples.
        """
        has = np.isfinite(values)
        return replace(cls.ratio(np.where(has, values, 0), has, group, rng), n=has.sum(-1))

    @classmethod
    def ratio(cls, over: np.ndarray, under: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> Estimate:
        """Sum of one quantity over that of another, both along the last axis: F1, a share of the variance.

        Args:
            over: (..., N).
            under: (..., N) or what broadcasts to it.
            group: (N,) items of one group are drawn together.
            rng: Draws the resamples.
        """
        names, which = np.unique(group, return_inverse=True)
        member = np.zeros((len(which), len(names)))
        member[np.arange(len(which)), which] = 1
        total, count = over @ member, under @ member  # (..., groups)
        share = lambda a, b: a / np.where(b > 0, b, np.nan)  # noqa: E731
        value = share(total.sum(-1), count.sum(-1))
        ends = np.full((2, *np.shape(value)), np.nan)
        if len(names) > 1:
            drawn = resamples(len(names), rng).T
            ends = interval(share(total @ drawn, count @ drawn), axis=-1)
        return cls(value, ends[0], ends[1], len(which))

    @classmethod
    def share(cls, hits: Any, n: Any) -> Estimate:
        """Share of n items that are hits, with Wilson's interval; NaN where n is 0. Arrays of one shape, or numbers."""
        hits, n = np.asarray(hits), np.asarray(n)
        n = np.broadcast_to(n, hits.shape)
        low, high = wilson(hits, np.maximum(n, 1))
        some = n > 0
        value, low, high = (np.where(some, x, np.nan) for x in (hits / np.maximum(n, 1), low, high))
        return cls(value, low, high, n)

    @classmethod
    def of(cls, statistic: Callable[[np.ndarray], np.ndarray], group: np.ndarray, rng: np.random.Generator) -> Estimate:
        """Any other statistic of N items: R2, AUROC, F1, a rank correlation.

        Args:
            statistic: Takes how often each item counts, (R, N) whole numbers, and gives (R, ...).
            group: (N,) items of one group are drawn together.
            rng: Draws the resamples.
        """
        names, which = np.unique(group, return_inverse=True)
        value = np.asarray(statistic(np.ones((1, len(which)), dtype=np.int64)))[0]
        ends = np.full((2, *np.shape(value)), np.nan)
        if len(names) > 1:
            drawn = resamples(len(names), rng)
            at_once = max(1, CELLS // max(1, len(which)))
            parts = [statistic(drawn[k : k + at_once][:, which]) for k in range(0, len(drawn), at_once)]
            ends = interval(np.concatenate(parts), axis=0)
        return cls(value, ends[0], ends[1], np.full(np.shape(value), len(which)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the value."""
        return self.value.shape

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __getitem__(self, index: Any) -> Estimate:
        return Estimate(self.value[index], self.low[index], self.high[index], self.n[index])

    def __iter__(self) -> Iterator[Estimate]:
        return (self[i] for i in range(len(self)))

    def __format__(self, spec: str) -> str:
        """A single estimate as "0.580 [0.490, 0.698]"; "-" where nothing was measured, or an end is open."""
        spec = spec or ".3f"
        if np.isnan(self.value):
            return "-"
        if np.isnan(self.low):
            return format(float(self.value), spec)
        value, low, high = ("-" if np.isnan(x) else format(float(x), spec) for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def resamples(groups: int, rng: np.random.Generator, stratum: np.ndarray | None = None) -> np.ndarray:
    """How often each group is in each of RESAMPLES draws of as many groups, (RESAMPLES, groups).

    Args:
        groups: How many there are.
        rng: Draws.
        stratum: (groups,) as many are drawn of each stratum as it has; None: all groups are one stratum.
    """
    drawn = np.empty((RESAMPLES, groups), dtype=np.int64)
    stratum = np.zeros(groups, dtype=np.int64) if stratum is None else stratum
    for name in np.unique(stratum):
        inside = np.flatnonzero(stratum == name)
        drawn[:, inside] = rng.multinomial(len(inside), np.full(len(inside), 1 / len(inside)), size=RESAMPLES)
    return drawn


def interval(resampled: np.ndarray, axis: int) -> np.ndarray:
    """Both ends of the 95% interval over the resamples of an axis, (2, ...); NaN where none is finite."""
    resampled = np.moveaxis(np.asarray(resampled, dtype=np.float64), axis, -1)
    ends = np.full((2, *resampled.shape[:-1]), np.nan)
    some = np.isfinite(resampled).any(-1)
    if some.any():
        ends[:, some] = np.nanquantile(resampled[some], ENDS, axis=-1)
    return ends
