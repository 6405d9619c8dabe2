"""Fixed and slow points of an instance's step map, whether they hold what comes near, and whether the start matters.

    q(h) = |F(h) - h|^2 / 2        F: all nodes' states before to after the update that makes h[T]

Owns the search, the spectra and the restarts; the map and its derivative are `probes.maths.step_map`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.probes.maths.step_map import StepMap
from depthscope.probes.measuring import controls, estimate
from depthscope.probes.measuring.results import Progress, refuse_over, steps_for
from depthscope.probes.reading.nodes import groups_of

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

RESTARTS = 4
"""Random states that an instance is restarted from."""


@dataclass(frozen=True)
class Points:
    """What minimising q found on one instance with one model; P distinct points, the nearest to the run's end first.

    Attributes:
        speed: (P,) |F(h) - h| at the point, as a share of the size of the run's last state.
        fixed: (P,) bool, whether the speed is below FIXED.
        found: (P,) starts that led there.
        on_path: (P,) of those, starts that were states of the run.
        distance: (P,) from the run's last state, as a share of its size.
        logit: (P,) of the answer read out there.
        eigenvalues: (P, m) complex as (P, m, 2), largest first; NaN for points whose spectrum is not taken, and where
            Arnoldi did not converge.
        radius: (P,) size of the largest that was found: below 1 what comes near is drawn in.
        missing: (P,) how many of the eigenvalues asked for did not converge.
        end_speed: The same at the run's last state.
    """

    speed: np.ndarray
    fixed: np.ndarray
    found: np.ndarray
    on_path: np.ndarray
    distance: np.ndarray
    logit: np.ndarray
    eigenvalues: np.ndarray
    radius: np.ndarray
    missing: np.ndarray
    end_speed: float

    def __post_init__(self) -> None:
        for name in ("fixed", "found", "on_path", "distance", "logit", "radius", "missing"):
            if getattr(self, name).shape != self.speed.shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, speed has {self.speed.shape}")


@dataclass(frozen=True)
class Survey:
    """What minimising q found on all N instances with one model; each triple is a mean and its 95% interval.

    Attributes:
        points: (N,) distinct points of each instance.
        fixed: (N,) how many of them are fixed.
        radius: (N,) size of the largest eigenvalue at the point nearest to the run's end; NaN where none was found.
        distance: (N,) of that point from the run's last state, as a share of its size.
        mean_points: Of points; intervals by bootstrap over groups of instances, NaN for a single group.
        mean_fixed: Of fixed.
        mean_radius: Of radius.
        attracts: Share of the instances whose nearest point is fixed and has a radius below 1.
    """

    points: np.ndarray
    fixed: np.ndarray
    radius: np.ndarray
    distance: np.ndarray
    mean_points: tuple[float, float, float]
    mean_fixed: tuple[float, float, float]
    mean_radius: tuple[float, float, float]
    attracts: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name in ("fixed", "radius", "distance"):
            if getattr(self, name).shape != self.points.shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, points has {self.points.shape}")


@dataclass(frozen=True)
class Paths:
    """Where runs end that start elsewhere, over all instances; each triple is a mean and its 95% interval.

    Attributes:
        other_end: Distance from the run's own end after a start at another instance's last state, as a share of its
            size; the interval by bootstrap over groups of instances, NaN for a single group.
        random_end: The same after a start at random states of the size of the run's.
        other_same: Share of starts at another instance's state that end within SAME of the run's own end.
        random_same: The same of random starts.
        other_answer: Share whose answer is the run's own.
        random_answer: The same of random starts.
        apart: Distance of the other instance's last state itself: what no pull at all would leave.
        n: Instances that another's state could be put in.
    """

    other_end: tuple[float, float, float]
    random_end: tuple[float, float, float]
    other_same: tuple[float, float, float]
    random_same: tuple[float, float, float]
    other_answer: tuple[float, float, float]
    random_answer: tuple[float, float, float]
    apart: tuple[float, float, float]
    n: int


@dataclass(frozen=True)
class FixedPoints:
    """Fixed points of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of random starts, Arnoldi's start and the untrained model.
        steps: T.
        n: Instances.
        nodes: Of the first.
        points: Of the trained model on the first instance.
        control: Of the untrained model on the same instance.
        survey: Of the trained model on all instances.
        control_survey: Of the untrained model.
        paths: Of the trained model.
        control_paths: Of the untrained model.
    """

    checkpoint: str
    sha256: str
    seed: int
    steps: int
    n: int
    nodes: int
    points: Points
    control: Points
    survey: Survey
    control_survey: Survey
    paths: Paths
    control_paths: Paths


def unfit(checkpoint: Checkpoint) -> str | None:
    """Why there is no step map to look at; None if there is."""
    if checkpoint.config.attention == "none":
        return (
            "every step reads another token and the last has no next, so that there is no one map to have fixed points"
        )
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> FixedPoints:
    """Looks for fixed points of every instance, and restarts all of them from other states.

    Args:
        checkpoint: What is looked at.
        instances: At least one; another instance's state is taken from the next one with as many nodes.
        steps: T; None takes the default. The map is that of the last update, with its step embedding.
        seed: Of random starts, Arnoldi and the untrained model.
        progress: Called with what is done and in all; what it raises stops the work.

    Raises:
        InputError: If the work would not fit in memory, or the states are not finite.

    Source:
        Sussillo & Barak (2013), Opening the Black Box, for q; Anil et al. (2022), Path Independent Equilibrium Models,
        for restarts.
    """
    wanted, task = steps_for(checkpoint, instances, steps), tasks.get(checkpoint.config.task)
    encodings = [task.encode(x, checkpoint.config) for x in instances]
    size = max(e.n_nodes for e in encodings) * checkpoint.model.shapes.width
    refuse_over(
        8 * size * (2 * (wanted + 1) + 30), "the runs and L-BFGS's memory", "take a smaller instance or fewer steps"
    )
    models = (checkpoint.model, controls.untrained(checkpoint, seed))
    done, total = 0, 2 * len(instances) * (1 + 2 * STARTS)

    def one_more() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    group = groups_of(instances)
    points, surveys, paths = [], [], []
    for model in models:
        maps = [StepMap(checkpoint, encoding, model) for encoding in encodings]
        each = [find(of, wanted, seed, one_more, POINTS if i == 0 else 1) for i, of in enumerate(maps)]
        points.append(each[0])
        surveys.append(_surveyed(each, group, seed))
        paths.append(_restarted(maps, group, wanted, seed, one_more))
    return FixedPoints(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        seed=seed,
        steps=wanted,
        n=len(instances),
        nodes=encodings[0].n_nodes,
        points=points[0],
        control=points[1],
        survey=surveys[0],
        control_survey=surveys[1],
        paths=paths[0],
        control_paths=paths[1],
    )


def find(of: StepMap, steps: int, seed: int, each: Any = lambda: None, spectra: int = POINTS) -> Points:
    """Minimises q from states of the run and from random ones, and takes the spectrum at the nearest points found."""
    run, t = of.run(of.start, steps), steps - 1
    end = run[-1]
    if not bool(torch.isfinite(run).all()):
        raise InputError("the states of this run grow beyond all numbers, so that there is no point to look for")
    rng = np.random.default_rng(seed)
    on_path = [run[i] for i in np.unique(np.linspace(0, steps, STARTS).round().astype(int))]
    starts = [*on_path, *(_random(rng, of, end) for _ in range(STARTS))]
    found = []
    for start in starts:
        found.append(minimise(of, start, t))
        each()
    flat = torch.stack(found).numpy()
    scale = float(np.linalg.norm(end.numpy())) or 1.0
    which = fcluster(linkage(flat, "complete"), SAME * scale, "distance") if len(flat) > 1 else np.ones(1, dtype=int)
    rows = []
    for name in np.unique(which):
        mine = np.flatnonzero(which == name)
        speeds = np.array([speed(of, found[i], t, scale) for i in mine])
        best = found[mine[speeds.argmin()]]
        away = float(torch.linalg.vector_norm(best - end)) / scale
        rows.append((away, speeds.min(), len(mine), int((mine < len(on_path)).sum()), best))
    rows.sort(key=lambda row: row[0])
    values, missing = np.full((len(rows), EIGENVALUES), complex(np.nan, np.nan)), np.zeros(len(rows), dtype=np.int64)
    for i, row in enumerate(rows[:spectra]):
        values[i] = of.eigenvalues(row[4], t, EIGENVALUES, seed)
        missing[i] = min(EIGENVALUES, of.size) - np.isfinite(values[i]).sum()
    return Points(
        speed=np.array([row[1] for row in rows]),
        fixed=np.array([row[1] < FIXED for row in rows]),
        found=np.array([row[2] for row in rows]),
        on_path=np.array([row[3] for row in rows]),
        distance=np.array([row[0] for row in rows]),
        logit=np.array([of.logit(row[4]) for row in rows]),
        eigenvalues=np.stack([np.real(values), np.imag(values)], axis=-1),
        radius=np.abs(values[:, 0]),
        missing=missing,
        end_speed=speed(of, end, t, scale),
    )


def _surveyed(each: Sequence[Points], group: np.ndarray, seed: int) -> Survey:
    """Sums up the points of all instances; `group` is (N,)."""
    points, fixed = np.array([len(x.speed) for x in each]), np.array([x.fixed.sum() for x in each])
    radius, distance = np.array([x.radius[0] for x in each]), np.array([x.distance[0] for x in each])
    drawn_in = np.where(np.isfinite(radius), [x.fixed[0] and x.radius[0] < 1 for x in each], np.nan)
    found = estimate.mean(np.stack([points, fixed, radius, drawn_in]).astype(float), group, seed)
    triples = [tuple(float(x[k]) for x in found) for k in range(4)]
    return Survey(points, fixed, radius, distance, *triples)  # pyright: ignore[reportArgumentType]


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


def _random(rng: np.random.Generator, of: StepMap, like: Tensor) -> Tensor:
    """Random states whose nodes are as long as those of `like`."""
    draw = torch.from_numpy(rng.standard_normal(of.shape))
    length = like.reshape(of.shape).norm(dim=1, keepdim=True)
    return (draw / draw.norm(dim=1, keepdim=True) * length).reshape(-1)


def _restarted(maps: Sequence[StepMap], group: np.ndarray, steps: int, seed: int, each: Any) -> Paths:
    """Runs every instance from another's last state and from random states, for T steps more with the last update."""
    rng, t = np.random.default_rng([seed, 1]), steps - 1
    ends = [of.run(of.start, steps)[-1] for of in maps]
    columns = np.full((len(maps), 7), np.nan)

    def ended(of: StepMap, end: Tensor, start: Tensor) -> tuple[float, float, float]:
        h = start
        with torch.no_grad():
            for _ in range(steps):
                h = of(h, t)
        away = float((h - end).norm() / end.norm().clamp(min=1e-300))
        return away, float(away < SAME), float((of.logit(h) > 0) == (of.logit(end) > 0))

    for i, (of, end) in enumerate(zip(maps, ends, strict=True)):
        others = [j for j in range(len(maps)) if j != i and maps[j].shape == of.shape]
        if others:
            other = ends[min(others, key=lambda j: (j - i) % len(maps))]
            columns[i, [0, 2, 4]] = ended(of, end, other)
            columns[i, 6] = float((other - end).norm() / end.norm().clamp(min=1e-300))
        columns[i, [1, 3, 5]] = np.mean([ended(of, end, _random(rng, of, end)) for _ in range(RESTARTS)], axis=0)
        each()
    found = estimate.mean(columns.T, group, seed)
    triples = [tuple(float(x[c]) for x in found) for c in range(7)]
    return Paths(*triples, n=int(np.isfinite(columns[:, 0]).sum()))  # pyright: ignore[reportArgumentType]


def table(result: FixedPoints) -> str:
    """The result as text."""
    lines = [
        f"{result.checkpoint}: {result.n} instances, {result.steps} steps; points of the first, {result.nodes} nodes"
    ]
    for name, points, survey, paths in (
        ("trained", result.points, result.survey, result.paths),
        ("untrained", result.control, result.control_survey, result.control_paths),
    ):
        lines.append(f"\n{name}: |F(h) - h| / |h| at the run's end {points.end_speed:.2g}")
        heads = ("point", "kind", "speed", "from run", "random", "distance", "logit", "radius")
        lines.append("  {:>5} {:>6} {:>9} {:>9} {:>7} {:>9} {:>9} {:>8}".format(*heads))
        for i in range(len(points.speed)):
            lines.append(
                f"  {i:5d} {'fixed' if points.fixed[i] else 'slow':>6} {points.speed[i]:9.2g} {points.on_path[i]:9d} "
                f"{points.found[i] - points.on_path[i]:7d} {points.distance[i]:9.4f} {points.logit[i]:9.3f} "
                f"{points.radius[i]:8.4f}"
            )
        for i in np.flatnonzero(points.missing):
            lines.append(
                f"  at point {i} {points.missing[i]} eigenvalues did not converge; the radius is that of the others"
            )
        lines.append(f"  over all {result.n} instances")
        for title, triple in (
            ("points found", survey.mean_points),
            ("of them fixed", survey.mean_fixed),
            ("radius at the nearest", survey.mean_radius),
            ("nearest fixed, radius < 1", survey.attracts),
        ):
            lines.append(f"    {title:<28} {_triple(triple)}")
        lines.append("  restarts, distance from the run's own end; share that ends there; share with its answer")
        for title, end, same, answer in (
            (f"another instance's end ({paths.n})", paths.other_end, paths.other_same, paths.other_answer),
            ("random states", paths.random_end, paths.random_same, paths.random_answer),
        ):
            lines.append(f"    {title:<28} {_triple(end)}  {_triple(same)}  {_triple(answer)}")
        lines.append(f"    {'that other end itself':<28} {_triple(paths.apart)}")
    return "\n".join(lines)


def _triple(values: tuple[float, float, float]) -> str:
    value, low, high = values
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
