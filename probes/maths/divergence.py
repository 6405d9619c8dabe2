"""How far one answer is from another, as distributions over yes and no."""

from __future__ import annotations

import numpy as np


def kl(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """KL(p || q) in nats of two distributions given by their logits of yes; the shapes broadcast."""
    before, after = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    p = 1 / (1 + np.exp(-np.clip(before, -700, 700)))
    log = lambda x: -np.logaddexp(0, -x)  # noqa: E731 - log of the sigmoid
    divergence = p * (log(before) - log(after)) + (1 - p) * (log(-before) - log(-after))
    return np.maximum(divergence, 0)  # rounding
