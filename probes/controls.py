"""What a probe's score is compared with: a network that has learned nothing, and labels that mean nothing."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from core import adapters
from core.checkpoint import Checkpoint


def untrained(checkpoint: Checkpoint, seed: int) -> Any:
    """A network of the same architecture with the weights it would start training from, on the same device."""
    device = next(checkpoint.model.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = adapters.make(checkpoint.kind, checkpoint.config)
    return model.to(device).eval()


def control_labels(identities: np.ndarray, seed: int) -> np.ndarray:
    """A coin for each identity, the same wherever it occurs, (N,) bool.

    A probe that scores well on these has memorised identities; it could have done so for the concept, too.

    Args:
        identities: (N, k) whole numbers.
        seed: Of the coins.

    Source:
        Control tasks of Hewitt & Liang (2019), Designing and Interpreting Probes with Control Tasks.
    """
    rows, which = np.unique(np.ascontiguousarray(identities, dtype="<i8"), axis=0, return_inverse=True)
    salt = seed.to_bytes(16, "little", signed=True)
    coins = [blake2b(row.tobytes(), digest_size=1, salt=salt).digest()[0] & 1 for row in rows]
    return np.array(coins, dtype=bool)[which.reshape(-1)]
