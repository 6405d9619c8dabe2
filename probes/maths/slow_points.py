"""Fixed and slow points of a step map: minima of how far the map moves a state, and its spectrum there.

q(h) = |F(h) - h|^2 / 2        F: all nodes' states before to after the update that makes h[T]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from depthscope.core.errors import InputError
from depthscope.probes.maths.step_map import StepMap
from depthscope.probes.measuring.shapes import check_shapes

STARTS = 6
"""States of the trajectory from which q is minimised, evenly spaced; as many random ones beside them."""

ITERATIONS = 60
"""Of L-BFGS for each start."""

POINTS, EIGENVALUES = 3, 6
"""Most distinct points whose spectrum is taken, and how many eigenvalues."""

SAME = 1e-2
"""Points nearer than this, as a share of their size, are one; a restart that ends nearer has come to the same end."""

FIXED = 1e-4
"""A point is fixed where |F(h) - h| / |h[T]| is below this; else slow."""


@dataclass(frozen=True)
class Points:
    """What minimising q found on one instance with one model; P distinct points, the nearest to the run's end first.

    Attributes:
        speed: (P,) |F(h) - h| at the point, as a share of the size of the run's last state.
        fixed: (P,) bool, whether the speed is below FIXED.
        starts: (P,) how many led there.
        on_path: (P,) of those, starts that were states of the run.
        distance: (P,) from the run's last state, as a share of its size.
        logit: (P,) of the answer read out there.
        eigenvalues: (P, m) complex as (P, m, 2), largest first; NaN for points whose spectrum is not taken, and where
            Arnoldi did not converge.
        radius: (P,) size of the largest that converged: below 1 the point attracts.
        missing: (P,) how many of the EIGENVALUES did not converge.
        end_speed: The same at the run's last state.
    """

    speed: np.ndarray
    fixed: np.ndarray
    starts: np.ndarray
    on_path: np.ndarray
    distance: np.ndarray
    logit: np.ndarray
    eigenvalues: np.ndarray
    radius: np.ndarray
    missing: np.ndarray
    end_speed: float

    def __post_init__(self) -> None:
        check_shapes(self, self.speed.shape, "fixed", "starts", "on_path", "distance", "logit", "radius", "missing")


def find(of: StepMap, steps: int, seed: int, spectra: int = POINTS, each: Callable[[], None] = lambda: None) -> Points:
    """Minimises q from states of the run and from random ones, and takes the spectrum at the nearest minima.

    Args:
        of: The map.
        steps: T of the run; the map is that of its last update.
        seed: Of random states, and of Arnoldi's start.
        spectra: At how many points.
        each: Called after every minimisation.

    Raises:
        InputError: If the states of the run are not finite.
    """
    run, t = of.run(of.start, steps), steps - 1
    end = run[-1]
    if not bool(torch.isfinite(run).all()):
        raise InputError("the states of this run grow beyond all numbers, so that there is no point to look for")
    rng = np.random.default_rng(seed)
    on_path = [run[i] for i in np.unique(np.linspace(0, steps, STARTS).round().astype(int))]
    minima = []
    for start in [*on_path, *(random_states(rng, of, end) for _ in range(STARTS))]:
        minima.append(minimise(of, start, t))
        each()
    flat = torch.stack(minima).numpy()
    scale = float(np.linalg.norm(end.numpy())) or 1.0
    which = fcluster(linkage(flat, "complete"), SAME * scale, "distance") if len(flat) > 1 else np.ones(1, dtype=int)
    rows = []
    for name in np.unique(which):
        mine = np.flatnonzero(which == name)
        speeds = np.array([speed(of, minima[i], t, scale) for i in mine])
        best = minima[mine[speeds.argmin()]]
        away = float(torch.linalg.vector_norm(best - end)) / scale
        rows.append((away, speeds.min(), len(mine), int((mine < len(on_path)).sum()), best))
    rows.sort(key=lambda row: row[0])
    distance, speeds, starts, from_run, states = zip(*rows, strict=True)
    values, missing = np.full((len(rows), EIGENVALUES), complex(np.nan, np.nan)), np.zeros(len(rows), dtype=np.int64)
    for i, state in enumerate(states[:spectra]):
        values[i] = of.eigenvalues(state, t, EIGENVALUES, seed)
        missing[i] = min(EIGENVALUES, of.size) - np.isfinite(values[i]).sum()
    return Points(
        speed=np.array(speeds),
        fixed=np.array(speeds) < FIXED,
        starts=np.array(starts),
        on_path=np.array(from_run),
        distance=np.array(distance),
        logit=np.array([of.logit(state) for state in states]),
        eigenvalues=np.stack([np.real(values), np.imag(values)], axis=-1),
        radius=np.abs(values[:, 0]),
        missing=missing,
        end_speed=speed(of, end, t, scale),
    )


def minimise(of: StepMap, start: Tensor, t: int) -> Tensor:
    """A local minimum of q from a start, by L-BFGS."""
    h = start.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [h], max_iter=ITERATIONS, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        q = (of(h, t) - h).square().sum() / 2
        (gradient,) = torch.autograd.grad(q, h)
        h.grad = gradient
        return q

    optimiser.step(closure)
    return h.detach()


def speed(of: StepMap, h: Tensor, t: int, scale: float) -> float:
    """|F(h) - h| as a share of a size."""
    with torch.no_grad():
        return float(torch.linalg.vector_norm(of(h, t) - h)) / scale


def random_states(rng: np.random.Generator, of: StepMap, like: Tensor) -> Tensor:
    """Random states whose nodes are as long as those of `like`."""
    draw = torch.from_numpy(rng.standard_normal(of.shape))
    length = like.reshape(of.shape).norm(dim=1, keepdim=True)
    return (draw / draw.norm(dim=1, keepdim=True) * length).reshape(-1)
