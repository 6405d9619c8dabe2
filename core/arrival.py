"""From which step on a difficulty is answered: T75, and how it grows with the difficulty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthscope.core.frontier import NO_DIFFICULTY, Frontier

STAYS = 0.75
"""Accuracy that T75 asks for: halfway from a coin to certainty."""

FEWEST = 3
"""Difficulties that a line needs; two are always on one."""


@dataclass(frozen=True)
class Arrival:
    """T75 at each difficulty h, and the line a + b*h through it.

    Attributes:
        steps: (D,) first T from which accuracy stays at STAYS or above; -1 where it does not within the steps run.
        intercept: a, by least squares over the difficulties that arrive; NaN with fewer than FEWEST.
        slope: b, steps for each unit of difficulty.
        r2: Share of the variance of T75 that the line explains; NaN where T75 does not vary.
        n: Difficulties behind the line.
    """

    steps: np.ndarray
    intercept: float
    slope: float
    r2: float
    n: int


def stays_from(values: np.ndarray, threshold: float = STAYS) -> np.ndarray:
    """First T = 1.. from which a row stays at a threshold or above to its end, (D, T) -> (D,); -1 where it does not."""
    below = ~(values >= threshold)  # NaN is below
    steps = values.shape[1]
    first = np.where(below.any(1), steps - np.argmax(below[:, ::-1], axis=1) + 1, 1)
    return np.where(first > steps, -1, first)


def t75(frontier: Frontier) -> Arrival:
    """From which step each difficulty is answered, and the line through that; unreached difficulties are not in it."""
    steps = stays_from(frontier.accuracy)
    has = (steps > 0) & (frontier.difficulty != NO_DIFFICULTY)
    h, t = frontier.difficulty[has].astype(float), steps[has].astype(float)
    if len(h) < FEWEST:
        return Arrival(steps, np.nan, np.nan, np.nan, len(h))
    slope, intercept = np.polyfit(h, t, 1)
    spread = ((t - t.mean()) ** 2).sum()
    r2 = 1 - ((t - intercept - slope * h) ** 2).sum() / spread if spread > 0 else np.nan
    return Arrival(steps, float(intercept), float(slope), float(r2), len(h))
