"""How alike two sets of states are, up to what an observer could not tell: rotation and scale.

    CKA          HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)), HSIC without bias
    Procrustes   |X' Y|_* of centred states of norm 1; 1 less half the squared distance after the best rotation
    DSA          max over rotations C of <A, C B C'> / (|A| |B|), where h[t+1] = A h[t] fits the trajectories

Sources: Kornblith et al. (2019), Similarity of neural network representations revisited; Song et al. (2012), Feature
selection via dependence maximization, for HSIC without bias; Williams et al. (2021), Generalized shape metrics on
neural representations; Ostrow et al. (2023), Beyond geometry: comparing the temporal structure of computation (DSA).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from depthscope.core.frontier import Z95

RANK = 8
"""Dimensions in which the dynamics of DSA are fitted."""

STARTS, ROUNDS = 6, 60
"""Rotations that DSA's search starts from, and how often it follows the gradient of each."""


def kernels(states: np.ndarray) -> np.ndarray:
    """Inner products of the rows of several sets of states, the diagonal zero, (K, N, d) -> (K, N, N)."""
    x = states.astype(np.float64)
    x = x - x.mean(axis=1, keepdims=True)
    result = x @ x.transpose(0, 2, 1)
    result[:, np.arange(x.shape[1]), np.arange(x.shape[1])] = 0
    return result


def hsic(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Dependence of every set of the first on every set of the second, (K, N, N), (L, N, N) -> (K, L).

    Where there is none it is zero on average.

    Raises:
        ValueError: If there are fewer than four rows.
    """
    n = first.shape[1]
    if n < 4 or second.shape[1] != n:
        raise ValueError(f"kernels have shapes {first.shape} and {second.shape}: four rows or more, the same, are due")
    rows, others = first.sum(axis=2), second.sum(axis=2)
    both = first.reshape(len(first), -1) @ second.reshape(len(second), -1).T
    both += np.outer(rows.sum(1), others.sum(1)) / ((n - 1) * (n - 2))
    return (both - 2 / (n - 2) * rows @ others.T) / (n * (n - 3))


def cka(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Debiased CKA of kernels, (K, N, N), (L, N, N) -> (K, L); NaN where one of them does not vary."""
    own = [np.array([hsic(x[None], x[None])[0, 0] for x in side]) for side in (first, second)]
    scale = np.sqrt(np.maximum(own[0], 0)[:, None] * np.maximum(own[1], 0)[None])
    between = hsic(first, second)
    return np.divide(between, scale, out=np.full_like(between, np.nan), where=scale > 1e-12 * (1 + np.abs(between)))


def procrustes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Procrustes similarity in [0, 1], (K, N, d), (L, N, e) -> (K, L); NaN where one side does not vary."""
    sides = []
    for states in (first, second):
        x = states.astype(np.float64) - states.mean(axis=1, keepdims=True, dtype=np.float64)
        norm = np.linalg.norm(x, axis=(1, 2), keepdims=True)
        sides.append(np.divide(x, norm, out=np.full_like(x, np.nan), where=norm > 1e-9))
    out = np.full((len(first), len(second)), np.nan)
    for k, x in enumerate(sides[0]):
        for m, y in enumerate(sides[1]):
            if np.isfinite(x[0, 0]) and np.isfinite(y[0, 0]):
                out[k, m] = np.linalg.svd(x.T @ y, compute_uv=False).sum()
    return out


def dynamics(states: np.ndarray, rank: int = RANK) -> np.ndarray:
    """The linear map that best takes states to those one step later, in their principal axes, (r, r).

    Args:
        states: (T+1, N, d) trajectories, T at least 1.
        rank: r; zero beyond the axes along which the states vary.
    """
    x = states.astype(np.float64).reshape(-1, states.shape[-1])
    x = x - x.mean(axis=0)
    axes, spread, _ = np.linalg.svd(x.T @ x)
    keep = min(rank, int((spread > 1e-9 * max(spread[0], 1e-30)).sum()))
    z = (x @ axes[:, :keep]).reshape(*states.shape[:2], keep)
    before, after = z[:-1].reshape(-1, keep), z[1:].reshape(-1, keep)
    result = np.zeros((rank, rank))
    result[:keep, :keep] = np.linalg.lstsq(before, after, rcond=1e-9)[0].T
    return result


def dsa(first: np.ndarray, second: np.ndarray, seed: int = 0) -> float:
    """Similarity of two linear maps up to a rotation of one, at most 1; NaN where one of them is zero.

    Args:
        first: (r, r).
        second: (r, r).
        seed: Of the rotations that the search starts from.
    """
    norms = np.linalg.norm(first), np.linalg.norm(second)
    if min(norms) < 1e-12:
        return float("nan")
    a, b = torch.from_numpy(first / norms[0]), torch.from_numpy(second / norms[1])
    r, rng = len(first), np.random.default_rng(seed)
    turns = np.stack([*_aligning(first, second), *(np.linalg.qr(rng.normal(size=(r, r)))[0] for _ in range(STARTS))])
    base = torch.from_numpy(turns)  # (R, r, r)
    free = torch.zeros_like(base, requires_grad=True)
    search = torch.optim.LBFGS([free], max_iter=ROUNDS, history_size=20, line_search_fn="strong_wolfe")

    def alike() -> torch.Tensor:
        turn = torch.linalg.matrix_exp(free - free.transpose(1, 2)) @ base
        return (a * (turn @ b @ turn.transpose(1, 2))).sum((1, 2))

    def closure() -> torch.Tensor:
        search.zero_grad()
        loss = -alike().sum()
        loss.backward()
        return loss

    search.step(closure)  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        return float(alike().max())


def _aligning(first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
    """Rotations that align the symmetric parts of two maps, with the order of axes as it is."""
    one, other = (np.linalg.eigh((x + x.T) / 2)[1] for x in (first, second))
    return [one @ other.T, np.eye(len(first))]


def without(group: np.ndarray, folds: int) -> list[np.ndarray]:
    """Rows that are left when one part of the groups after the other is taken out; none for fewer than three groups."""
    names = np.unique(group)
    if len(names) < 3:
        return []
    fold = np.searchsorted(names, group) % min(folds, len(names))
    return [np.flatnonzero(fold != k) for k in range(int(fold.max()) + 1)]


def jackknife(value: np.ndarray, left: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """95% interval from the values without one part after the other; NaN if there are no parts."""
    if not left:
        return np.full_like(value, np.nan), np.full_like(value, np.nan)
    parts = np.array(left)
    spread = np.sqrt((len(parts) - 1) / len(parts) * np.square(parts - parts.mean(axis=0)).sum(axis=0))
    return value - Z95 * spread, np.minimum(value + Z95 * spread, np.maximum(value, 1))
