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

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER
from depthscope.core.errors import InputError
from depthscope.probes.editing import directions, runner as intervene
from depthscope.probes.editing.ablation import APART
from depthscope.probes.editing.directions import DIRECTIONS, MEANS, PROBE, READOUT, Place
from depthscope.probes.editing.language import END, Edit, written
from depthscope.probes.editing.runner import Material
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.maths.movement import stays_from
from depthscope.probes.measuring import controls, instances as subjects
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

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

    A node follows correctly if it takes the value it should, for good, in the step in which it should: t + distance in
    a graph; elsewhere up to that many steps and two later, as a value may take longer than a step to turn.

    Attributes:
        direction: "means", "readout", "probe", or a control: "random", "orthogonal", "untrained".
        dose: In distances of the mean states, alike for all directions.
        f1: 2 tp / (2 tp + fp + fn) over all places together.
        recall: Share of the nodes that should follow and do.
        precision: Share of the nodes that change and should, in that step; NaN if none changes.
        any_time: F1 with no regard to when.
        moved: Share of places at which the steered nodes themselves say the new value in the step of the edit, and do
            not without it.
        norm: Mean length of what is added.
        instance: (P,) index of the instance of each place steered along this direction.
        edits: (P, K) texts, what was done at each, as `probes.instruments.do` reads it: amounts of means are doses, all
            others along a direction of length one. Those of an untrained network and random ones cannot be repeated.
    """

    direction: str
    dose: np.ndarray
    f1: Estimate
    recall: np.ndarray
    precision: np.ndarray
    any_time: np.ndarray
    moved: Estimate
    norm: np.ndarray
    instance: np.ndarray
    edits: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        check_shapes(self, self.dose.shape, "f1", "recall", "precision", "any_time", "moved", "norm")
        check_shapes(self, (len(self.edits),), "instance")


@dataclass(frozen=True)
class Steering(Result):
    """Steering of one checkpoint; T is that of the longest runs.

    Attributes:
        instances: Instances with a place.
        places: Places steered.
        followers: Nodes that should follow.
        responses: One a direction, controls last.
    """

    instances: int
    places: int
    followers: int
    responses: tuple[Response, ...]

    def table(self) -> str:
        """F1 and moved share by dose for every direction; then the edits of a few places."""
        lines = [
            f"{self.checkpoint}: {self.places} places in {self.instances} instances, {self.followers} nodes "
            "should follow",
        ]
        for title, name in (
            ("F1 of who follows in time, by dose [95% interval]", "f1"),
            ("share of places that say the new value themselves, by dose", "moved"),
        ):
            lines += ["", title, f"{'direction':12}" + "".join(f"{d:>22g}" for d in DOSES)]
            for r in self.responses:
                lines.append(f"{r.direction:12}" + "".join(f"{f'{x:.3f}':>22}" for x in getattr(r, name)))
        k = int(np.argmin(np.abs(DOSES - DOSE)))
        lines += ["", f"at dose {DOSE:g}     recall  precision  any time  length"]
        for r in self.responses:
            numbers = f"{r.recall[k]:9.3f}{r.precision[k]:11.3f}{r.any_time[k]:10.3f}{r.norm[k]:8.2f}"
            lines.append(f"{r.direction:12}{numbers}")
        lines += ["", f"edits at dose {DOSE:g} in the first instance (all in --json)"]
        for r in self.responses:
            lines += [f"  {texts[k]}" for i, texts in zip(r.instance, r.edits, strict=True) if i == r.instance[0]]
        return "\n".join(lines)


@dataclass(frozen=True)
class Options:
    """Of the command and the form."""

    node: str | None = option(None, "the one to steer, or its number (default: three at random)", metavar="NAME")
    at: int | None = option(None, "where it is steered (default: by the task)", type=int, metavar="STEP")
    direction: str | None = option(None, "one alone (default: all)", choices=DIRECTIONS)


def _unfit(checkpoint: Checkpoint) -> str | None:
    if not checkpoint.config.reads_nodes:
        return "it reads out one answer and no node, so that nobody can be seen to follow"
    if checkpoint.config.attention == "none":
        return "it reads one token a step and never goes back, so that nothing could follow from a state behind it"
    return None


@instrument(
    "whether a state moved along a direction makes happen what should follow from it, and when",
    options=Options,
    unfit=_unfit,
    instances=30,
)
def measure(bench: Bench, options: Options) -> Steering:
    """Steers some places of every instance along every direction, at every dose.

    Every instance runs for as many steps as its followers need, and no fewer than requested. It takes long: each place
    is run again for every direction and dose, and the mean states are those of other instances.

    Source:
        Li et al. (2023), Inference-time intervention; Marks & Tegmark (2023), The geometry of truth, for the direction
        between means. That it has to propagate is ours.
    """
    if options.direction is not None:
        directions.refuse_unknown(bench.checkpoint, options.direction)
    if options.at is not None and not 0 <= options.at < trace.MAX_STEPS:
        raise InputError(f"a state is steered at a step from 0 to {trace.MAX_STEPS - 1} (got {options.at})")
    rng = bench.rng("places")
    chosen = [directions.places(bench.checkpoint, x, rng, PLACES, options.node, options.at) for x in bench.instances]
    if not any(chosen):
        where = "of these instances" if options.node is None else f"called {options.node!r:.40}"
        raise InputError(f"there is no place to steer: nothing would follow from any node {where}")
    steps = [max(bench.requested or 0, max((p.steps for p in places), default=0)) for places in chosen]
    _reserve(bench, chosen, steps)
    drawn_for_means = fitted(bench.checkpoint, bench.instances, bench.seed)
    bench.expect(2 * len(bench.instances))
    tallies: dict[str, _Tally] = defaultdict(_Tally)
    control = replace(bench.checkpoint, model=bench.untrained)
    for opened, draws in ((bench.checkpoint, rng), (control, bench.rng("places of a control"))):
        by_step = {p.step: directions.means(opened, drawn_for_means, p.step) for places in chosen for p in places}
        for i, places in enumerate(chosen):
            tried = [
                (place, name, vector)
                for place in places
                for name, vector in _along(
                    opened, place, by_step[place.step], draws, options.direction, opened is control
                ).items()
            ]
            if tried:
                _steer(opened, bench.instances[i], steps[i], tried, i, tallies)
            bench.tick()
    if RANDOM not in tallies:
        raise InputError("there is no place to steer: no direction is known at the step and for the values of any")
    names = sorted(tallies, key=[*DIRECTIONS, RANDOM, ORTHOGONAL, UNTRAINED].index)
    return Steering(
        **replace(bench, steps=max(steps)).header,
        instances=len(set(tallies[RANDOM].instance)),
        places=len(tallies[RANDOM].scored),
        followers=sum(tallies[RANDOM].followers),
        responses=tuple(_response(bench, name, tallies[name]) for name in names),
    )


def fitted(checkpoint: Checkpoint, instances: Sequence[Any], seed: int) -> list[Any]:
    """The instances that mean states are taken from when these are steered: others, as difficult."""
    difficulty = sorted({x.difficulty or subjects.trained(checkpoint) for x in instances})[:4]
    return subjects.draw(checkpoint, difficulty, -(-FITTED // len(difficulty)), None, seed + APART)


def _reserve(bench: Bench, chosen: Sequence[Sequence[Place]], steps: Sequence[int]) -> None:
    """Refuses steered runs that would not fit in memory: the states of one instance's, and what is read of them."""
    for places, t in zip(chosen, steps, strict=True):
        if places:
            runs = len(places) * (len(DIRECTIONS) + 2) * len(DOSES)
            cells = float(runs * (t + 1) * len(places[0].distance))
            size = cells * (4 * bench.model.shapes.width + 18)
            bench.reserve(size, f"{runs} steered runs of {t} steps", "take a smaller input or fewer steps")


def _along(
    opened: Checkpoint, place: Place, mean: directions.Means, rng: np.random.Generator, only: str | None, control: bool
) -> dict[str, np.ndarray]:
    """The directions that a place is steered along, and their controls; one alone in an untrained network."""
    along = directions.directions(opened, place, mean)
    if control:
        return {UNTRAINED: along[MEANS]} if along else {}
    if only is not None:
        along = {name: v for name, v in along.items() if name == only}
    if not along:
        return {}
    first = along[MEANS if only is None else only]
    return along | {RANDOM: controls.random_direction(first, rng), ORTHOGONAL: controls.orthogonal(first, rng)}


@dataclass
class _Tally:
    """What became of the places steered along one direction; lists are P long."""

    instance: list[int] = field(default_factory=list)
    scored: list[np.ndarray] = field(default_factory=list)  # (K, 8): of _score, and the length
    edits: list[tuple[str, ...]] = field(default_factory=list)
    followers: list[int] = field(default_factory=list)


def _steer(
    opened: Checkpoint,
    instance: Any,
    steps: int,
    tried: Sequence[tuple[Place, str, np.ndarray]],
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
    after = directions.said(opened, base.encoding, out.hidden)  # (R, T+1, n)
    before = directions.said(opened, base.encoding, base.hidden)
    exact = tasks.get(instance.task).concept.spreads and opened.config.attention == "edges"
    for j, (place, name, vector) in enumerate(tried):
        mine, length = tallies[name], float(np.linalg.norm(vector))
        rows, texts = [], []
        for k, dose in enumerate(DOSES.tolist()):
            row = j * len(DOSES) + k
            rows.append(np.append(_score(place, after[row], before, base.encoding.carries, exact), dose * length))
            edit = _named(programs[row][0], place, name, dose, length, opened.config.task)
            texts.append(written(edit, base.encoding.labels))
        mine.scored.append(np.stack(rows))
        mine.edits.append(tuple(texts))
        mine.instance.append(index)
        mine.followers.append(int((place.distance != NEVER).sum()))


def _named(edit: Edit, place: Place, name: str, dose: float, length: float, task: str) -> Edit:
    """An edit along a direction as `do` reads it: means by their length, all others of length one."""
    falls, many = place.after < place.before, len(tasks.get(task).classes) > 2
    if name in (MEANS, UNTRAINED):
        low, high = sorted((place.before, place.after))
        of = f":{low}:{high}" if many else ""
        return replace(edit, amount=-dose if falls else dose, direction=f"{MEANS}{of}@{place.step}")
    sign = -1 if name in (READOUT, PROBE) and not many and falls else 1
    return replace(edit, amount=sign * dose * length, direction=name)


def _score(place: Place, after: np.ndarray, before: np.ndarray, carries: np.ndarray, exact: bool) -> np.ndarray:
    """True positives, false positives and negatives in time; the same at any time; whether the place itself moved.

    `after` and `before` are the values read at every node, (T+1, n), with the edit and without.
    """
    changed = after != before
    arrival = stays_from(changed)
    arrived = changed[-1] & carries
    arrived[list(place.nodes)] = False
    should = (place.distance != NEVER) & carries
    should[list(place.nodes)] = False
    right = should & arrived & (after[-1] == place.value)
    first = place.step + np.where(should, place.distance, 0)
    late = 0 if exact else place.distance + 2
    timely = right & (arrival >= first) & (arrival <= first + np.where(should, late, 0))
    here = place.step, list(place.nodes)
    moved = ((after[here] == place.after) & changed[here]).mean() > 0.5
    tallies = [(x.sum(), (arrived & ~x).sum(), (should & ~x).sum()) for x in (timely, right)]
    return np.array([*tallies[0], *tallies[1], moved], dtype=np.float64)


def _response(bench: Bench, name: str, tally: _Tally) -> Response:
    scored, instance = np.stack(tally.scored), np.array(tally.instance)  # (P, K, 8)
    group = bench.group[instance]
    tp, fp, fn, *others = np.moveaxis(scored[:, :, :6], -1, 0).swapaxes(1, 2)  # (K, P) each
    hits, positives = tp.sum(1), (tp + fp).sum(1)
    over, under = _f1(*others)
    return Response(
        direction=name,
        dose=DOSES.copy(),
        f1=Estimate.ratio(*_f1(tp, fp, fn), group, bench.rng("bootstrap")),
        recall=hits / (tp + fn).sum(1),
        precision=hits / np.where(positives > 0, positives, np.nan),
        any_time=over.sum(1) / np.maximum(under.sum(1), 1),
        moved=bench.mean(scored[:, :, 6].T, group),
        norm=scored[:, :, 7].mean(0),
        instance=instance,
        edits=tuple(tally.edits),
    )


def _f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two sums whose ratio is F1."""
    return 2 * tp, 2 * tp + fp + fn
