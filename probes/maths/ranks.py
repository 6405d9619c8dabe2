"""Rank correlation of counted items, so that a bootstrap needs no sorting."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array


def spearman(counts: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's correlation of N items, ties sharing a rank, in each of R samples.

    Args:
        counts: (R, N) how often each item is in a sample.
        x: (N,).
        y: (N,).

    Returns:
        (R,); NaN where one of them does not vary.
    """
    pairs, pair = np.unique(np.stack([x, y], axis=1), axis=0, return_inverse=True)
    member = csr_array((np.ones(len(x)), (pair.reshape(-1), np.arange(len(x)))), shape=(len(pairs), len(x)))
    counts = np.asarray(member @ counts.T, dtype=np.float64).T  # (R, P): of each pair of values
    n = np.maximum(counts.sum(1, keepdims=True), 1)
    a, b = (_ranks(counts, column) for column in pairs.T)
    a, b = (ranks - (counts * ranks).sum(1, keepdims=True) / n for ranks in (a, b))
    aa, ab, bb = ((counts * product).sum(1) for product in (a * a, a * b, b * b))
    vary = np.minimum(aa, bb) > 1e-9 * n[:, 0]
    return np.clip(ab / np.sqrt(np.where(vary, aa * bb, np.nan)), -1, 1)


def _ranks(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean rank of each of P values in each sample, ties sharing one, (R, P) and (P,) -> (R, P)."""
    names, which = np.unique(values, return_inverse=True)
    total = np.zeros((len(counts), len(names)))
    np.add.at(total.T, which, counts.T)
    return (total.cumsum(1) - total / 2)[:, which]
