"""How the states of nodes move over a run: how far, in which direction, how far from the end, and when they settle.

    change   |h[t] - h[t-1]| / |h[t-1]|
    turn     angle between h[t] - h[t-1] and h[t-1] - h[t-2]
    rest     |h[t] - h[T]| / |h[T]|

Of each node, or of the whole state.
"""

from __future__ import annotations

import numpy as np

SETTLED = 0.05
"""A node has settled from the first step from which it stays within this share of its size of where it ends."""

STILL = 1e-6
"""Shorter moves, as a share of the state's size, are rounding (of float32) and have no direction."""


def changes(hidden: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relative change |h[t]-h[t-1]| / |h[t-1]| of some nodes, (T+1, m), and of the whole state, (T+1,); 0 at step 0."""
    per_node = np.zeros((hidden.shape[0], len(nodes)))
    whole = np.zeros(hidden.shape[0])
    for t in range(1, hidden.shape[0]):
        before = hidden[t - 1].astype(np.float64)
        moved = hidden[t] - before
        whole[t] = np.linalg.norm(moved) / max(float(np.linalg.norm(before)), 1e-12)
        norm = np.maximum(np.linalg.norm(before[nodes], axis=1), 1e-12)
        per_node[t] = np.linalg.norm(moved[nodes], axis=1) / norm
    return per_node, whole


def turns(hidden: np.ndarray) -> np.ndarray:
    """Angle in degrees between a node's last two moves, (T+1, n, d) -> (T+1, n).

    NaN at steps 0 and 1 and where one of the moves is shorter than STILL of the state.
    """
    moved = np.diff(hidden.astype(np.float64), axis=0)
    size = np.linalg.norm(moved, axis=-1)
    still = STILL * np.maximum(np.linalg.norm(hidden[1:].astype(np.float64), axis=-1), 1e-12)
    moves = size > still
    cosine = (moved[1:] * moved[:-1]).sum(-1) / np.maximum(size[1:] * size[:-1], 1e-300)
    angle = np.full(hidden.shape[:2], np.nan)
    angle[2:] = np.where(moves[1:] & moves[:-1], np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.nan)
    return angle


def rests(hidden: np.ndarray) -> np.ndarray:
    """Distance of every node from where it ends, as a share of the size of that, (T+1, n, d) -> (T+1, n)."""
    end = hidden[-1].astype(np.float64)
    return np.linalg.norm(hidden - end, axis=-1) / np.maximum(np.linalg.norm(end, axis=-1), 1e-12)


def settled(rest: np.ndarray, within: float = SETTLED) -> np.ndarray:
    """First step from which a node stays near its end, (T+1, n) -> (n,) int64."""
    return stays_from(~(rest > within))


def stays_from(holds: np.ndarray) -> np.ndarray:
    """First step from which something holds to the end, (T+1, ...) bool -> (...) int64; T + 1 where it does not."""
    fails = ~holds[::-1]
    return np.where(fails.any(axis=0), len(holds) - np.argmax(fails, axis=0), 0)
