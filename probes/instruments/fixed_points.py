"""Fixed and slow points of an instance's step map, whether they attract, and whether the start matters.

Owns the survey over instances and the restarts; the search is `probes.maths.slow_points`', the map and its derivative
are `probes.maths.step_map`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from depthscope.core.checkpoint import Checkpoint
from depthscope.probes.instrument import Bench, instrument
from depthscope.probes.maths.slow_points import POINTS, SAME, STARTS, Points, find, random_states
from depthscope.probes.maths.step_map import StepMap
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

RESTARTS = 4
"""Random states that an instance is restarted from."""


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
        check_shapes(self, self.points.shape, "fixed", "radius", "distance")


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
    bench = bench.for_all()
    size = max(e.n_nodes for e in bench.encodings) * bench.model.shapes.width
    numbers = size * (2 * (bench.steps + 1) + 30)
    bench.reserve(8 * numbers, "the runs and L-BFGS's memory", "take a smaller instance or fewer steps")
    bench.expect(2 * len(bench.instances) * (1 + 2 * STARTS))
    parts = []
    for model in (bench.model, bench.untrained):
        maps = [StepMap(bench.checkpoint, encoding, model) for encoding in bench.encodings]
        each = [find(of, bench.steps, bench.seed, POINTS if i == 0 else 1, bench.tick) for i, of in enumerate(maps)]
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


def _survey(bench: Bench, each: Sequence[Points]) -> Survey:
    """Sums up the points of all instances."""
    points, fixed = np.array([len(x.speed) for x in each]), np.array([x.fixed.sum() for x in each])
    radius, distance = np.array([x.radius[0] for x in each]), np.array([x.distance[0] for x in each])
    attracts = np.where(np.isfinite(radius), [x.fixed[0] and x.radius[0] < 1 for x in each], np.nan)
    means = bench.mean(np.stack([points, fixed, radius, attracts]).astype(float))
    return Survey(points, fixed, radius, distance, *means)


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
        columns[[1, 3, 5], i] = np.mean([ended(of, end, random_states(rng, of, end)) for _ in range(RESTARTS)], axis=0)
        bench.tick()
    return Paths(*bench.mean(columns), n=int(np.isfinite(columns[0]).sum()))
