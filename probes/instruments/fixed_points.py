"""Fixed and slow points of an instance's step map, whether they attract, and whether the start matters.

    q(h) = |F(h) - h|^2 / 2        F: all nodes' states before to after the update that makes h[T]

Owns the search, the spectra and the restarts; the map and its derivative are `probes.maths.step_map`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.probes.instrument import Bench, instrument
from depthscope.probes.maths.step_map import StepMap
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result

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
        for name in ("fixed", "starts", "on_path", "distance", "logit", "radius", "missing"):
            if getattr(self, name).shape != self.speed.shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, speed has {self.speed.shape}")


@dataclass(frozen=True)
class Survey:
    """What minimising q found on all N instances with one model.

    Attributes:
        points: (N,) distinct points of each instance.
        fixed: (N,) how many of them are fixed.
        radius: (N,) size of the largest eigenvalue at the point nearest to the run's end; NaN where none converged.
        distance: (N,) of that point from the run's last state, as a share of its size.
        mean_points: Of points.
        mean_fixed: Of fixed.
        mean_radius: Of radius.
        attracts: Share of the instances whose nearest point is fixed and has a radius below 1.
    """

    points: np.ndarray
    fixed: np.ndarray
    radius: np.ndarray
    distance: np.ndarray
    mean_points: Estimate
    mean_fixed: Estimate
    mean_radius: Estimate
    attracts: Estimate

    def __post_init__(self) -> None:
        for name in ("fixed", "radius", "distance"):
            if getattr(self, name).shape != self.points.shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, points has {self.points.shape}")


@dataclass(frozen=True)
class Paths:
    """Where runs end that start elsewhere, over all instances.

    Attributes:
        other_end: Distance from the run's own end after a start at another instance's last state, as a share of its
            size.
        random_end: The same after a start at random states of the size of the run's.
        other_same: Share of starts at another instance's state that end within SAME of the run's own end.
        random_same: The same of random starts.
        other_answer: Share whose answer is the run's own.
        random_answer: The same of random starts.
        apart: Distance of the other instance's last state itself: what no attraction at all would leave.
        n: Instances that another's state could be put in.
    """

    other_end: Estimate
    random_end: Estimate
    other_same: Estimate
    random_same: Estimate
    other_answer: Estimate
    random_answer: Estimate
    apart: Estimate
    n: int


@dataclass(frozen=True)
class FixedPoints(Result):
    """Fixed points of one checkpoint.

    Attributes:
        n: Instances.
        nodes: Of the first.
        points: Of the trained model on the first instance.
        control: Of the untrained model on the same instance.
        survey: Of the trained model on all instances.
        control_survey: Of the untrained model.
        paths: Of the trained model.
        control_paths: Of the untrained model.
    """

    n: int
    nodes: int
    points: Points
    control: Points
    survey: Survey
    control_survey: Survey
    paths: Paths
    control_paths: Paths

    def table(self) -> str:
        """Points of the first instance, the survey of all and the restarts, trained and untrained."""
        head = f"{self.checkpoint}: {self.n} instances, {self.steps} steps; points of the first, {self.nodes} nodes"
        trained = _block("trained", self.points, self.survey, self.paths)
        return "\n".join([head, *trained, *_block("untrained", self.control, self.control_survey, self.control_paths)])


def _block(name: str, points: Points, survey: Survey, paths: Paths) -> list[str]:
    lines = [f"\n{name}: |F(h) - h| / |h| at the run's end {points.end_speed:.2g}"]
    heads = ("point", "kind", "speed", "from run", "random", "distance", "logit", "radius")
    lines.append("  {:>5} {:>6} {:>9} {:>9} {:>7} {:>9} {:>9} {:>8}".format(*heads))
    for i in range(len(points.speed)):
        lines.append(
            f"  {i:5d} {'fixed' if points.fixed[i] else 'slow':>6} {points.speed[i]:9.2g} {points.on_path[i]:9d} "
            f"{points.starts[i] - points.on_path[i]:7d} {points.distance[i]:9.4f} {points.logit[i]:9.3f} "
            f"{points.radius[i]:8.4f}"
        )
    for i in np.flatnonzero(points.missing):
        lines.append(
            f"  at point {i} {points.missing[i]} eigenvalues did not converge; the radius is that of the others"
        )
    lines.append(f"  over all {len(survey.points)} instances")
    for title, mean in (
        ("points found", survey.mean_points),
        ("of them fixed", survey.mean_fixed),
        ("radius at the nearest", survey.mean_radius),
        ("nearest fixed, radius < 1", survey.attracts),
    ):
        lines.append(f"    {title:<28} {mean:.3f}")
    lines.append("  restarts, distance from the run's own end; share that ends there; share with its answer")
    for title, end, same, answer in (
        (f"another instance's end ({paths.n})", paths.other_end, paths.other_same, paths.other_answer),
        ("random states", paths.random_end, paths.random_same, paths.random_answer),
    ):
        lines.append(f"    {title:<28} {end:.3f}  {same:.3f}  {answer:.3f}")
    return [*lines, f"    {'that other end itself':<28} {paths.apart:.3f}"]


def _unfit(checkpoint: Checkpoint) -> str | None:
    if checkpoint.config.attention != "none":
        return None
    return "every step reads another token and the last has no next, so that there is no one map to have fixed points"


@instrument(
    "where the update of one instance stands still, whether that attracts, and whether the start matters",
    unfit=_unfit,
    instances=4,
)
def measure(bench: Bench, options: object) -> FixedPoints:
    """Looks for fixed points of every instance, and restarts all of them from other states.

    The map is that of the last update, with its step embedding. Another instance's state is taken from the next one
    with as many nodes.

    Source:
        Sussillo & Barak (2013), Opening the Black Box, for q; Anil et al. (2022), Path Independent Equilibrium Models,
        for restarts.
    """
    size = max(e.n_nodes for e in bench.encodings) * bench.model.shapes.width
    numbers = size * (2 * (bench.steps + 1) + 30)
    bench.reserve(8 * numbers, "the runs and L-BFGS's memory", "take a smaller instance or fewer steps")
    bench.expect(2 * len(bench.instances) * (1 + 2 * STARTS))
    parts = []
    for model in (bench.model, bench.untrained):
        maps = [StepMap(bench.checkpoint, encoding, model) for encoding in bench.encodings]
        each = [find(bench, of, POINTS if i == 0 else 1) for i, of in enumerate(maps)]
        parts.append((each[0], _survey(bench, each), _restart(bench, maps)))
    (points, survey, paths), (control, control_survey, control_paths) = parts
    return FixedPoints(
        **bench.header,
        n=len(bench.instances),
        nodes=bench.encodings[0].n_nodes,
        points=points,
        control=control,
        survey=survey,
        control_survey=control_survey,
        paths=paths,
        control_paths=control_paths,
    )


def find(bench: Bench, of: StepMap, spectra: int = POINTS) -> Points:
    """Minimises q from states of the run and from random ones, and takes the spectrum at the nearest points found."""
    run, t = of.run(of.start, bench.steps), bench.steps - 1
    end = run[-1]
    if not bool(torch.isfinite(run).all()):
        raise InputError("the states of this run grow beyond all numbers, so that there is no point to look for")
    rng = np.random.default_rng(bench.seed)
    on_path = [run[i] for i in np.unique(np.linspace(0, bench.steps, STARTS).round().astype(int))]
    minima = []
    for start in [*on_path, *(_random(rng, of, end) for _ in range(STARTS))]:
        minima.append(minimise(of, start, t))
        bench.tick()
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
        values[i] = of.eigenvalues(state, t, EIGENVALUES, bench.seed)
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


def _survey(bench: Bench, each: Sequence[Points]) -> Survey:
    """Sums up the points of all instances."""
    points, fixed = np.array([len(x.speed) for x in each]), np.array([x.fixed.sum() for x in each])
    radius, distance = np.array([x.radius[0] for x in each]), np.array([x.distance[0] for x in each])
    attracts = np.where(np.isfinite(radius), [x.fixed[0] and x.radius[0] < 1 for x in each], np.nan)
    means = bench.mean(np.stack([points, fixed, radius, attracts]).astype(float))
    return Survey(points, fixed, radius, distance, *means)


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


def _restart(bench: Bench, maps: Sequence[StepMap]) -> Paths:
    """Runs every instance from another's last state and from random states, for T steps more with the last update."""
    rng, t = bench.rng("restarts"), bench.steps - 1
    ends = [of.run(of.start, bench.steps)[-1] for of in maps]
    columns = np.full((7, len(maps)), np.nan)

    def ended(of: StepMap, end: Tensor, start: Tensor) -> tuple[float, float, float]:
        h = start
        with torch.no_grad():
            for _ in range(bench.steps):
                h = of(h, t)
        away = float((h - end).norm() / end.norm().clamp(min=1e-300))
        return away, float(away < SAME), float((of.logit(h) > 0) == (of.logit(end) > 0))

    for i, (of, end) in enumerate(zip(maps, ends, strict=True)):
        others = [j for j in range(len(maps)) if j != i and maps[j].shape == of.shape]
        if others:
            other = ends[min(others, key=lambda j: (j - i) % len(maps))]
            columns[[0, 2, 4], i] = ended(of, end, other)
            columns[6, i] = float((other - end).norm() / end.norm().clamp(min=1e-300))
        columns[[1, 3, 5], i] = np.mean([ended(of, end, _random(rng, of, end)) for _ in range(RESTARTS)], axis=0)
        bench.tick()
    return Paths(*bench.mean(columns), n=int(np.isfinite(columns[0]).sum()))
