"""Steering: move one state along a direction that reads the concept; does what should follow from it follow?

    h[t, i] += amount * v      |v| is the distance of the mean state of one value from that of the other

It counts as success only if it propagates: the steered nodes themselves are not scored, only who follows, and when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from depthscope.core import trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER
from depthscope.core.errors import InputError
from depthscope.probes.editing import directions, runner as intervene
from depthscope.probes.editing.ablation import APART
from depthscope.probes.editing.directions import DIRECTIONS, MEANS, PROBE, READOUT, Place
from depthscope.probes.editing.language import END, Edit, written
from depthscope.probes.editing.runner import Material
from depthscope.probes.measuring import controls, estimate, instances as subjects, results
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading.nodes import groups_of

DOSES = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
DOSE = 1.0
"""The dose of the headline, fixed beforehand."""

PLACES = 3
"""Places steered in each instance."""

FITTED = 60
"""Instances that mean states are taken from; others than those steered."""

RANDOM, ORTHOGONAL, UNTRAINED = "random", "orthogonal", "untrained"
"""The controls: directions as long, and a network that learned nothing, along its own means."""


@dataclass(frozen=True)
class Response:
    """Who followed along one direction, by dose; arrays are (K,).

    A node follows rightly if it takes the value it should, for good, in the step in which it should: t + distance in a
    graph; elsewhere up to that many steps and two later, as a value may take longer than a step to turn.

    Attributes:
        direction: "means", "readout", "probe", or a control: "random", "orthogonal", "untrained".
        dose: In distances of the mean states, alike for all directions.
        f1: 2 tp / (2 tp + fp + fn) over all places together.
        low: Lower end of its 95% interval, by bootstrap over groups of instances.
        high: Upper end.
        recall: Share of the nodes that should follow and do.
        precision: Share of the nodes that change and should, in that step; NaN if none changes.
        any_time: F1 with no regard to when.
        moved: Share of places at which the steered nodes themselves say the new value in the step of the edit, and do
            not without it.
        moved_low: Lower end of its 95% interval, by bootstrap over groups of instances.
        moved_high: Upper end.
        norm: Mean length of what is added.
        instance: (P,) index of the instance of each place steered along this direction.
        edits: (P, K) texts, what was done at each, as `probes.instruments.do` reads it: amounts of means are doses, all
            others along a direction of length one. Those of an untrained network and random ones are not to be had
            again.
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
    moved_low: np.ndarray
    moved_high: np.ndarray
    norm: np.ndarray
    instance: np.ndarray
    edits: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            if name not in ("direction", "instance", "edits") and values.shape != self.dose.shape:
                raise ValueError(f"{name} has shape {values.shape}, but dose has shape {self.dose.shape}")
        if self.instance.shape != (len(self.edits),):
            raise ValueError(
                f"instance has shape {self.instance.shape}, but there are edits of {len(self.edits)} places"
            )


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
    if not checkpoint.config.reads_nodes:
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
    node: str | None = None,
    at: int | None = None,
    direction: str | None = None,
) -> Steering:
    """Steers some places of every instance along every direction, at every dose.

    Args:
        checkpoint: What runs.
        instances: Of its task.
        steps: At least this many; None takes what the followers need.
        seed: Of places, controls, mean states and bootstrap.
        progress: Called with the runs of instances done and in all; what it raises stops the work.
        node: Name or number of the node to steer in every instance; None draws three places in each.
        at: Step at which it is steered; None takes 3 in graphs, elsewhere one at which the oracle has the whole.
        direction: "means", "probe" or "readout", with controls of its own; None takes all that there are.

    Raises:
        InputError: If nothing could follow in any instance, there is no such node or direction, or the runs or means
            would not fit in memory.

    Source:
        Li et al. (2023), Inference-time intervention; Marks & Tegmark (2023), The geometry of truth, for the direction
        between means. That it has to propagate is ours.
    """
    if not instances:
        raise InputError("there is no instance to look at")
    if direction is not None:
        directions.refuse_unknown(checkpoint, direction)
    if at is not None and not 0 <= at < trace.MAX_STEPS:
        raise InputError(f"a state is steered at a step from 0 to {trace.MAX_STEPS - 1} (got {at})")
    rng = np.random.default_rng([seed, 6])
    chosen = [directions.places(checkpoint, x, rng, PLACES, node, at) for x in instances]
    if not any(chosen):
        where = "of these instances" if node is None else f"called {node!r:.40}"
        raise InputError(f"there is no place to steer: nothing would follow from any node {where}")
    due = [max(steps or 0, max((p.steps for p in found), default=0)) for found in chosen]
    _refuse_over(checkpoint, chosen, due)
    drawn_for_means = fitted(checkpoint, instances, seed)
    plain = replace(checkpoint, model=controls.untrained(checkpoint, seed))
    drawn = {True: rng, False: np.random.default_rng([seed, 11])}
    group, tallies = groups_of(instances), defaultdict(_Tally)
    for number, opened in enumerate((checkpoint, plain)):
        own = opened is checkpoint
        by_step = {p.step: directions.means(opened, drawn_for_means, p.step) for found in chosen for p in found}
        for i, (instance, found) in enumerate(zip(instances, chosen, strict=True)):
            tried = [
                (place, name, vector)
                for place in found
                for name, vector in _along(opened, place, by_step[place.step], drawn[own], direction, own).items()
            ]
            if tried:
                _steer(opened, instance, due[i], tried, int(group[i]), i, tallies)
            if progress is not None:
                progress(number * len(instances) + i + 1, 2 * len(instances))
    if RANDOM not in tallies:
        raise InputError("there is no place to steer: no direction is known at the step and for the values of any")
    names = sorted(tallies, key=[*DIRECTIONS, RANDOM, ORTHOGONAL, UNTRAINED].index)
    return Steering(
        checkpoint.name,
        checkpoint.sha256,
        seed,
        len(set(tallies[RANDOM].instance)),
        len(tallies[RANDOM].scored),
        sum(tallies[RANDOM].followers),
        tuple(_response(name, tallies[name], seed) for name in names),
    )


def fitted(checkpoint: Checkpoint, instances: Sequence[Any], seed: int) -> list[Any]:
    """The instances that mean states are taken from when these are steered: others, as difficult."""
    difficulty = sorted({x.difficulty or subjects.trained(checkpoint) for x in instances})[:4]
    return subjects.draw(checkpoint, difficulty, -(-FITTED // len(difficulty)), None, seed + APART)


def _refuse_over(checkpoint: Checkpoint, chosen: Sequence[Sequence[Place]], due: Sequence[int]) -> None:
    """Refuses steered runs that would not fit in memory: the states of one instance's, and what is read of them."""
    for found, steps in zip(chosen, due, strict=True):
        if found:
            runs = len(found) * (len(DIRECTIONS) + 2) * len(DOSES)
            cells = float(runs * (steps + 1) * len(found[0].distance))
            results.refuse_over(
                cells * (4 * checkpoint.model.shapes.width + 18),
                f"{runs} steered runs of {steps} steps",
                "take a smaller input or fewer steps",
            )


def _along(
    opened: Checkpoint, place: Place, mean: directions.Means, rng: np.random.Generator, wanted: str | None, own: bool
) -> dict[str, np.ndarray]:
    """The directions that a place is steered along, and their controls; one alone in an untrained network."""
    found = directions.directions(opened, place, mean)
    if wanted is not None and own:
        found = {name: v for name, v in found.items() if name == wanted}
    if not found:
        return {}
    if not own:
        return {UNTRAINED: found[MEANS]}
    first = found[MEANS if wanted is None else wanted]
    return found | {RANDOM: controls.random_direction(first, rng), ORTHOGONAL: controls.orthogonal(first, rng)}


@dataclass
class _Tally:
    """What became of the places steered along one direction; lists are P long."""

    group: list[int] = field(default_factory=list)
    instance: list[int] = field(default_factory=list)
    scored: list[np.ndarray] = field(default_factory=list)  # (K, 8)
    edits: list[tuple[str, ...]] = field(default_factory=list)
    followers: list[int] = field(default_factory=list)


def _steer(
    opened: Checkpoint,
    instance: Any,
    steps: int,
    tried: Sequence[tuple[Place, str, np.ndarray]],
    group: int,
    index: int,
    tallies: dict[str, _Tally],
) -> None:
    """Runs the steered runs of one instance, every place and direction at every dose, and adds up who follows."""
    base = trace.record(opened, instance, steps)
    vectors, programs = {}, []
    for j, (place, name, vector) in enumerate(tried):
        vectors[f"{name} {j}"] = vector
        until = END if place.lasting else None
        for dose in DOSES.tolist():
            programs.append([Edit("add", place.step, until, place.nodes, amount=dose, direction=f"{name} {j}")])
    out = intervene.run(opened, base, programs, Material(directions=vectors), hidden=True)
    assert out.hidden is not None
    said = directions.said(opened, base.encoding, out.hidden)  # (R, T+1, n)
    before = directions.said(opened, base.encoding, base.hidden)
    exact = instance.task == "graph" and opened.config.attention == "edges"
    for j, (place, name, vector) in enumerate(tried):
        mine, length = tallies[name], float(np.linalg.norm(vector))
        rows, texts = [], []
        for k, dose in enumerate(DOSES.tolist()):
            row = j * len(DOSES) + k
            rows.append(np.append(_score(place, said[row], before, base.encoding.carries, exact), dose * length))
            edit = _named(programs[row][0], place, name, dose, length, opened.config.task)
            texts.append(written(edit, base.encoding.labels))
        mine.scored.append(np.stack(rows))
        mine.edits.append(tuple(texts))
        mine.group.append(group)
        mine.instance.append(index)
        mine.followers.append(int((place.distance != NEVER).sum()))


def _named(edit: Edit, place: Place, name: str, dose: float, length: float, task: str) -> Edit:
    """An edit along a direction as `do` reads it: means by their length, all others of length one."""
    falls = place.after < place.before
    if name in (MEANS, UNTRAINED):
        low, high = sorted((place.before, place.after))
        of = f":{low}:{high}" if task == "text" else ""
        return replace(edit, amount=-dose if falls else dose, direction=f"{MEANS}{of}@{place.step}")
    sign = -1 if name in (READOUT, PROBE) and task != "text" and falls else 1
    return replace(edit, amount=sign * dose * length, direction=name)


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
    own = place.step, list(place.nodes)
    moved = ((said[own] == place.after) & changed[own]).mean() > 0.5
    tallies = [(x.sum(), (arrived & ~x).sum(), (should & ~x).sum()) for x in (timely, right)]
    return np.array([*tallies[0], *tallies[1], moved], dtype=np.float64)


def _response(name: str, found: _Tally, seed: int) -> Response:
    names, which = np.unique(found.group, return_inverse=True)
    scored = np.stack(found.scored)  # (P, K, 8)
    tp, fp, fn, *other = np.moveaxis(scored[:, :, :6].sum(0), -1, 0)  # (K,) each
    grouped = np.zeros((len(names), len(DOSES), 3))
    np.add.at(grouped, which, scored[:, :, :3])
    low = high = np.full(len(DOSES), np.nan)
    if len(names) > 1:
        rng = np.random.default_rng([seed, 4])
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=estimate.RESAMPLES)
        low, high = np.quantile(_f1(*np.moveaxis(np.tensordot(drawn, grouped, 1), -1, 0)), (0.025, 0.975), axis=0)
    moved = estimate.mean(scored[:, :, 6].T, which, seed)
    return Response(
        direction=name,
        dose=DOSES.copy(),
        f1=_f1(tp, fp, fn),
        low=low,
        high=high,
        recall=tp / (tp + fn),
        precision=tp / np.where(tp + fp > 0, tp + fp, np.nan),
        any_time=_f1(*other),
        moved=moved.value,
        moved_low=moved.low,
        moved_high=moved.high,
        norm=scored[:, :, 7].mean(0),
        instance=np.array(found.instance),
        edits=tuple(found.edits),
    )


def _f1(tp: Any, fp: Any, fn: Any) -> Any:
    """F1; 0 where there is nothing at all, which a draw of the bootstrap may be."""
    return 2 * tp / np.maximum(2 * tp + fp + fn, 1e-12)


def table(result: Steering) -> str:
    """F1 and moved share by dose for every direction, with their intervals; then the edits of a few places."""
    lines = [
        f"{result.checkpoint}: {result.places} places in {result.instances} instances, {result.followers} nodes "
        "should follow",
    ]
    for title, names in (
        ("F1 of who follows in time, by dose [95% interval]", ("f1", "low", "high")),
        ("share of places that say the new value themselves, by dose", ("moved", "moved_low", "moved_high")),
    ):
        lines += ["", title, f"{'direction':12}" + "".join(f"{d:>22g}" for d in DOSES)]
        for r in result.responses:
            cells = zip(*(getattr(r, name) for name in names), strict=True)
            lines.append(f"{r.direction:12}" + "".join(f"{f'{x:.3f} [{a:.3f}, {b:.3f}]':>22}" for x, a, b in cells))
    k = int(np.argmin(np.abs(DOSES - DOSE)))
    lines += ["", f"at dose {DOSE:g}     recall  precision  any time  length"]
    for r in result.responses:
        lines.append(f"{r.direction:12}{r.recall[k]:9.3f}{r.precision[k]:11.3f}{r.any_time[k]:10.3f}{r.norm[k]:8.2f}")
    lines += ["", f"edits at dose {DOSE:g} in the first instance (all in --json)"]
    for r in result.responses:
        lines += [f"  {texts[k]}" for i, texts in zip(r.instance, r.edits, strict=True) if i == r.instance[0]]
    return "\n".join(lines)
