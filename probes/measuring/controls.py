"""What a score is compared with: a network that has learned nothing; labels and directions that mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from depthscope.core import kinds as adapters
from depthscope.core.checkpoint import Checkpoint


def untrained(checkpoint: Checkpoint, seed: int) -> Any:
    """A network of the same architecture with the weights it would start training from, on the same device."""
    device = next(checkpoint.model.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = adapters.make(checkpoint.kind, checkpoint.config)
    return model.to(device).eval()


def control_labels(identities: np.ndarray, seed: int, values: Sequence[int] = ()) -> np.ndarray:
    """A coin for each identity, the same wherever it occurs, (N,) bool, or one of several values.

    A probe that scores well on these has memorised identities; it could have done so for the concept, too.

    Args:
        identities: (N, k) whole numbers.
        seed: Of the coins.
        values: Of the concept, where it has several; each is as likely.

    Source:
        Control tasks of Hewitt & Liang (2019), Designing and Interpreting Probes with Control Tasks.
    """
    rows, which = np.unique(np.ascontiguousarray(identities, dtype="<i8"), axis=0, return_inverse=True)
    salt = seed.to_bytes(16, "little", signed=True)
    coins = [blake2b(row.tobytes(), digest_size=1, salt=salt).digest()[0] for row in rows]
    if values:
        return np.array(values, dtype=np.int16)[np.array(coins) % len(values)][which.reshape(-1)]
    return np.array([coin & 1 for coin in coins], dtype=bool)[which.reshape(-1)]


def permuted(values: np.ndarray, rng: np.random.Generator, within: np.ndarray | None = None) -> np.ndarray:
    """The same values permuted along the last axis, whole columns together.

    Args:
        values: (..., N).
        rng: Deals them.
        within: (N,) group of each; values stay in their group. None: all are one.
    """
    if within is None:
        return values[..., rng.permutation(values.shape[-1])]
    out = np.empty_like(values)
    out[..., np.argsort(within, kind="stable")] = values[..., np.lexsort((rng.random(len(within)), within))]
    return out


def random_direction(vector: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A vector of the same length in a direction that means nothing, (d,), or one for each of several, (..., d)."""
    drawn = rng.standard_normal(vector.shape)
    length = lambda x: np.linalg.norm(x, axis=-1, keepdims=True)  # noqa: E731
    return drawn * (length(vector) / length(drawn))


def orthogonal(vector: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random vector of the same length at a right angle to this one, (d,)."""
    length = np.linalg.norm(vector)
    drawn = rng.standard_normal(vector.shape)
    if length > 0:
        drawn -= (drawn @ vector) / length**2 * vector
    return random_direction(vector, rng) if len(vector) < 2 else drawn * (length / np.linalg.norm(drawn))
