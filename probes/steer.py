"""Steering: move one state along a direction that reads the concept; does what should follow from it follow?

    h[t, i] += amount * v      |v| is the distance of the mean state of one value from that of the other

It counts as success only if it propagates: the steered nodes themselves are not scored, only who follows, and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import trace
from core.checkpoint import Checkpoint
from core.encoding import NEVER
from core.errors import InputError
from probes import bootstrap, controls, intervene, results, steering, subjects
from probes.edits import END, Edit
from probes.intervene import Material
from probes.results import Progress
from probes.sample import groups_of
from probes.steering import Place

DOSES = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
DOSE = 1.0
"""The dose of the headline, fixed beforehand."""

PLACES = 3
"""Places steered in each instance."""

FITTED = 60
"""Instances that mean states are taken from; others than those steered."""

MEANS, RANDOM, ORTHOGONAL = "means", "random", "orthogonal"


@dataclass(frozen=True)
class Response:
    """Who followed along one direction, by dose; arrays are (K,).

    A node follows rightly if it takes the value it should, for good, in the step in which it should: t + distance in a
    graph; elsewhere up to that many steps and two later, as a value may take longer than a step to turn.

    Attributes:
        direction: "means", "readout", "probe", or a control: "random", "orthogonal".
        dose: In distances of the mean states, alike for all directions.
        f1: 2 tp / (2 tp + fp + fn) over all places together.
        low: Lower end of its 95% interval, by bootstrap over groups of instances.
        high: Upper end.
        recall: Share of the nodes that should follow and do.
        precision: Share of the nodes that change and should, in that step; NaN if none changes.
        any_time: F1 with no regard to when.
        moved: Share of places at which the steered nodes themselves say the new value in the step of the edit.
        norm: Mean length of what is added.
    """

    direction: str
    dose: np.ndarray
    f1: np.ndarray
    low: np.ndarray
    high: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    any_time: np.ndarray
    moved: np.ndarray
    norm: np.ndarray

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            if name != "direction" and values.shape != self.dose.shape:
                raise ValueError(f"{name} has shape {values.shape}, but dose has shape {self.dose.shape}")


@dataclass(frozen=True)
class Steering:
    """Steering of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of places, controls and bootstrap.
        instances: Instances with a place.
        places: Places steered.
        followers: Nodes that should follow.
        responses: One a direction, controls last.
    """

    checkpoint: str
    sha256: str
    seed: int
    instances: int
    places: int
    followers: int
    responses: tuple[Response, ...]


def unfit(checkpoint: Checkpoint) -> str | None:
    """Who follows is read at the nodes."""
    if checkpoint.config.readout == "cls":
        return "it reads out one answer and no node, so that nobody can be seen to follow"
    if checkpoint.config.attention == "none":
        return "it reads one token a step and never goes back, so that nothing could follow from a state behind it"
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Steering:
    """Steers some places of every instance along every direction, at every dose.

    Args:
        checkpoint: What runs.
        instances: Of its task.
        steps: At least this many; None takes what the followers need.
        seed: Of places, controls, mean states and bootstrap.
        progress: Called with the instances done and in all; what it raises stops the work.

    Raises:
        InputError: If nothing could follow in any instance, or the runs would not fit in memory.

    Source:
        Li et al. (2023), Inference-time intervention; Marks & Tegmark (2023), The geometry of truth, for the direction
        between means. That it has to propagate is ours.
    """
    if not instances:
        raise InputError("there is no instance to look at")
    rng = np.random.default_rng([seed, 6])
    chosen = [steering.places(checkpoint, x, rng, PLACES) for x in instances]
    if not any(chosen):
        raise InputError("there is no place to steer: nothing would follow from any node of these instances")
    difficulty = sorted({x.difficulty or subjects.trained(checkpoint) for x in instances})[:4]
    fitted = subjects.draw(checkpoint, difficulty, -(-FITTED // len(difficulty)), None, seed + 1_000_003)
    by_step = {p.step: steering.means(checkpoint, fitted, p.step) for found in chosen for p in found}
    counts: dict[tuple[str, int], list[tuple[int, np.ndarray]]] = {}
    group = groups_of(instances)
    for done, (instance, found) in enumerate(zip(instances, chosen, strict=True)):
        if found:
            due = max(steps or 0, max(p.steps for p in found))
            base = trace.record(checkpoint, instance, due)
            programs, vectors, about = _programs(checkpoint, found, by_step, base.hidden.shape[-1], rng)
            size = 4.0 * len(programs) * base.hidden.size
            results.refuse_over(2 * size, f"{len(programs)} steered runs of {due} steps", "take a smaller input")
            out = intervene.run(checkpoint, base, programs, Material(directions=vectors), hidden=True)
            assert out.hidden is not None
            said = steering.said(checkpoint, base.encoding, out.hidden)  # (R, T+1, n)
            before = steering.said(checkpoint, base.encoding, base.hidden)
            exact = instance.task == "graph" and checkpoint.config.attention == "edges"
            for row, (name, k, place, norm) in enumerate(about):
                scored = np.append(_score(place, said[row], before, base.encoding.carries, exact), norm)
                counts.setdefault((name, k), []).append((int(group[done]), scored))
        if progress is not None:
            progress(done + 1, len(instances))
    names = list(dict.fromkeys(name for name, _ in counts))
    return Steering(
        checkpoint.name,
        checkpoint.sha256,
        seed,
        sum(bool(found) for found in chosen),
        sum(len(found) for found in chosen),
        int(sum((p.distance != NEVER).sum() for found in chosen for p in found)),
        tuple(_response(name, [counts[name, k] for k in range(len(DOSES))], seed) for name in names),
    )


def _programs(
    checkpoint: Checkpoint, found: Sequence[Place], by_step: dict[int, steering.Means], d: int, rng: np.random.Generator
) -> tuple[list[list[Edit]], dict[str, np.ndarray], list[tuple[str, int, Place, float]]]:
    """Programs, their directions, and of each: direction, index of the dose, place, length of what is added."""
    programs, vectors, about = [], {}, []
    for j, place in enumerate(found):
        towards = by_step[place.step].towards(place.before, place.after)
        if towards is None:
            continue
        sign = 1.0 if place.after > place.before else -1.0
        mine = {MEANS: towards}
        for name, weight in steering.weights(checkpoint, place.step).items():
            mine[name] = sign * weight * (np.linalg.norm(towards) / np.linalg.norm(weight))
        mine |= {RANDOM: controls.random_direction(towards, rng), ORTHOGONAL: controls.orthogonal(towards, rng)}
        for name, vector in mine.items():
            vectors[f"{name} {j}"] = vector
            for k, dose in enumerate(DOSES.tolist()):
                until = END if place.lasting else None
                add = Edit("add", place.step, until, nodes=place.nodes, amount=dose, direction=f"{name} {j}")
                programs.append([add])
                about.append((name, k, place, dose * float(np.linalg.norm(vector))))
    return programs, vectors, about


def _score(place: Place, said: np.ndarray, before: np.ndarray, carries: np.ndarray, exact: bool) -> np.ndarray:
    """True positives, false positives and negatives in time; the same at any time; whether the place itself moved."""
    changed = said != before  # (T+1, n)
    still = changed[::-1].argmin(0)  # steps at the end through which it stays changed
    arrival = np.where(changed.all(0), 0, len(said) - still)
    arrived = changed[-1] & carries
    arrived[list(place.nodes)] = False
    should = (place.distance != NEVER) & carries
    should[list(place.nodes)] = False
    right = should & arrived & (said[-1] == place.value)
    due = place.step + np.where(should, place.distance, 0)
    late = 0 if exact else place.distance + 2
    timely = right & (arrival >= due) & (arrival <= due + np.where(should, late, 0))
    moved = (said[place.step, list(place.nodes)] == place.after).mean() > 0.5
    tallies = [(x.sum(), (arrived & ~x).sum(), (should & ~x).sum()) for x in (timely, right)]
    return np.array([*tallies[0], *tallies[1], moved], dtype=np.float64)


def _response(name: str, by_dose: Sequence[Sequence[tuple[int, np.ndarray]]], seed: int) -> Response:
    rows = []
    for found in by_dose:
        names, which = np.unique([g for g, _ in found], return_inverse=True)
        scored = np.stack([x for _, x in found])  # (places, 8)
        tp, fp, fn, *other = scored[:, :6].sum(0)
        grouped = np.zeros((len(names), 3))
        np.add.at(grouped, which, scored[:, :3])
        rng = np.random.default_rng([seed, 4])
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=bootstrap.RESAMPLES) @ grouped
        low, high = np.quantile(_f1(*drawn.T), (0.025, 0.975)) if len(names) > 1 else (np.nan, np.nan)
        precision = tp / (tp + fp) if tp + fp else np.nan
        f1, any_time = float(_f1(tp, fp, fn)), float(_f1(*other))
        rows.append((f1, low, high, tp / (tp + fn), precision, any_time, scored[:, 6].mean(), scored[:, 7].mean()))
    return Response(name, DOSES.copy(), *(np.array(column) for column in zip(*rows, strict=True)))


def _f1(tp: Any, fp: Any, fn: Any) -> Any:
    """F1; 0 where there is nothing at all, which a draw of the bootstrap may be."""
    return 2 * tp / np.maximum(2 * tp + fp + fn, 1e-12)


def table(result: Steering) -> str:
    """F1 by dose for every direction."""
    lines = [
        f"{result.checkpoint}: {result.places} places in {result.instances} instances, {result.followers} nodes "
        "should follow",
        "F1 of who follows in time (95% interval at dose 1)",
        f"{'direction':12}" + "".join(f"{d:>8g}" for d in DOSES) + "   at dose 1: interval, recall, any time, moved",
    ]
    k = int(np.argmin(np.abs(DOSES - DOSE)))
    for r in result.responses:
        lines.append(
            f"{r.direction:12}" + "".join(f"{x:8.3f}" for x in r.f1)
            + f"   [{r.low[k]:.3f}, {r.high[k]:.3f}]  {r.recall[k]:.3f}  {r.any_time[k]:.3f}  {r.moved[k]:.3f}"
        )  # fmt: skip
    return "\n".join(lines)
