"""Principal components of states: of all steps together, in which the linked views draw, or of one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depthscope.probes.measuring.shapes import check_shapes

FIT_ROWS = 4096
"""States that a basis is fitted to, at most, evenly spread."""

COMPONENTS = 3
"""What is drawn, and the dimension of the subspaces whose angles are taken."""


@dataclass(frozen=True)
class Basis:
    """Principal components of some states.

    Attributes:
        mean: (d,).
        axes: (k, d) orthonormal rows, the largest variance first; signs such that the largest entry is positive.
        share: (k,) of the variance that each explains in what it was fitted to.
    """

    mean: np.ndarray
    axes: np.ndarray
    share: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, (len(self.share), len(self.mean)), "axes")

    def place(self, states: np.ndarray, components: int = COMPONENTS) -> np.ndarray:
        """Coordinates of states, (..., d) -> (..., components) float32; zeros where there are fewer axes."""
        placed = np.zeros((*states.shape[:-1], components), dtype=np.float32)
        axes = self.axes[:components]
        placed[..., : len(axes)] = (states.astype(np.float64) - self.mean) @ axes.T
        return placed

    def explained(self, states: np.ndarray, components: int = COMPONENTS) -> np.ndarray:
        """Share of the spread of states about this basis' mean along each of its first axes, (N, d) -> (components,).

        NaN where the states do not spread.
        """
        moved = states.astype(np.float64) - self.mean
        total, along = float((moved**2).sum()), np.zeros(components)
        axes = self.axes[:components]
        along[: len(axes)] = ((moved @ axes.T) ** 2).sum(axis=0)
        return along / total if total > 0 else np.full(components, np.nan)


def basis(states: np.ndarray) -> Basis:
    """The principal components of states, (N, d); at most FIT_ROWS of them are looked at.

    By the eigenvectors of the (d, d) covariance where there are more states than dimensions: a tenth of the time of a
    singular value decomposition, which a page waits for.
    """
    keep = np.unique(np.linspace(0, len(states) - 1, min(len(states), FIT_ROWS)).round().astype(np.int64))
    chosen = states[keep].astype(np.float64)
    mean = chosen.mean(axis=0)
    moved = chosen - mean
    if len(moved) > moved.shape[1]:
        squares, columns = np.linalg.eigh(moved.T @ moved)
        scale, axes = np.sqrt(np.maximum(squares[::-1], 0)), columns.T[::-1]
    else:
        _, scale, axes = np.linalg.svd(moved, full_matrices=False)
    sign = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return Basis(mean, axes * sign[:, None], scale**2 / max(float((scale**2).sum()), 1e-30))


def state_components(
    hidden: np.ndarray, nodes: np.ndarray, beside: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States of some nodes in the principal components of all steps, one basis for all.

    Args:
        hidden: (T+1, n, d).
        nodes: Which nodes to place, (m,).
        beside: Runs that share the basis, (T'+1, n', d) each, this one among them; without any it is this run's own.

    Returns:
        (T+1, m, 3) float32 (zeros where there are fewer than three dimensions), the share of the variance each
        component explains, (3,), and the least and greatest coordinates, (2, 3), of these nodes or of all runs beside.
    """
    runs = [run.reshape(-1, run.shape[-1]) for run in beside or (hidden,)]
    shared = basis(np.concatenate(runs))
    placed = shared.place(hidden[:, nodes])
    places = [shared.place(run) for run in runs] if beside else [placed.reshape(-1, COMPONENTS)]
    extent = np.stack([np.min([x.min(0) for x in places], axis=0), np.max([x.max(0) for x in places], axis=0)])
    return placed, first(shared.share), extent


def first(share: np.ndarray) -> np.ndarray:
    """The first components' shares, (3,); zeros where there are fewer."""
    return np.pad(share[:COMPONENTS], (0, max(0, COMPONENTS - len(share))))
