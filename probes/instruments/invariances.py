"""Invariances: does the answer stay where it has to, and turn where it has to, when the instance is changed?

Owns measuring; the changes are `core.tasks.changes`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks.changes import Change
from depthscope.probes.instrument import Bench, NoOptions, instrument
from depthscope.probes.measuring import results
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result


@dataclass(frozen=True)
class Outcome:
    """What one change did to the answers after T steps.

    Attributes:
        name: Of the change.
        title: What is done.
        keeps: Whether the answer has to stay; it has to turn otherwise.
        without: Instances that it could not be done to.
        unchanged: Share of answers that stay as they were, over the instances that it could be done to.
        right: Share of right answers to the changed instances.
        moved: Mean of the change of the answer's logit, without its sign.
        largest: Largest change of the logit; the upper end is no more than the largest there is.
        untrained: Share of answers that stay in an untrained network.
    """

    name: str
    title: str
    keeps: bool
    without: int
    unchanged: Estimate
    right: float
    moved: Estimate
    largest: Estimate
    untrained: float


@dataclass(frozen=True)
class Invariances(Result):
    """Outcomes of all changes.

    Attributes:
        n: Instances.
        right: Share of right answers to the instances as they are; NaN if none has a label.
        outcomes: One a change; those that turn the answer are the control of the others.
        absent: Why there are no more changes, a sentence each.
    """

    n: int
    right: float
    outcomes: tuple[Outcome, ...]
    absent: tuple[str, ...]

    def table(self) -> str:
        """Each change with its share and logits, those that have to turn the answer below."""
        lines = [
            f"{self.checkpoint}: {self.n} instances, T = {self.steps}, {self.right:.3f} right as they are",
            "",
            f"{'change':>34}{'n':>5}{'unchanged':>23}{'untrained':>11}{'right':>7}{'logit moved':>27}{'largest':>27}",
        ]
        for keeps in (True, False):
            lines += [] if keeps else ["  has to turn the answer:"]
            for one in (x for x in self.outcomes if x.keeps == keeps):
                lines.append(
                    f"{one.title:>34}{one.unchanged.n:>5}{f'{one.unchanged}':>23}{one.untrained:>11.3f}{one.right:>7.3f}"
                    f"{f'{one.moved:.2g}':>27}{f'{one.largest:.2g}':>27}"
                )
        return "\n".join([*lines, "", *(f"left out: {sentence}" for sentence in self.absent)])


@instrument("whether the answer stays under renaming, reordering and rereading, and turns with a twin", instances=100)
def measure(bench: Bench, options: NoOptions) -> Invariances:
    """Runs instances as they are and changed, for as many steps as the most demanding of all needs."""
    rng, task, instances = bench.rng("changes"), bench.checkpoint.config.task, bench.instances
    made = {change.name: [_made(change, instance, rng) for instance in instances] for change in tasks.get(task).changes}
    others = [x for row in made.values() for x in row if x is not None]
    bench = replace(bench, steps=results.steps_for(bench.checkpoint, [*instances, *others], bench.requested))
    changed = {
        name: replace(bench, instances=[x for x in row if x is not None])
        for name, row in made.items()
        if any(x is not None for x in row)
    }
    benches = [bench, *changed.values()]
    every = [encoding for one in benches for encoding in one.encodings]
    bench.reserve(
        results.held_by_runs(bench.model, every) + 8.0 * (bench.steps + 1) * len(instances) + 16.0 * len(every),
        f"{len(every)} runs of {bench.steps} steps, of instances and of what is made of them",
        "take fewer or smaller instances",
    )
    bench.expect(2 * sum(one.runs() for one in benches))
    before = _logits(bench, bench)
    outcomes = []
    for change in tasks.get(task).changes:
        if change.name in changed:
            there = np.array([x is not None for x in made[change.name]])
            after = _logits(changed[change.name], bench)
            right = _right(changed[change.name].instances, after[0])
            outcomes.append(_outcome(change, bench, there, before, after, right))
    return Invariances(
        **bench.header,
        n=len(instances),
        right=_right(instances, before[0]),
        outcomes=tuple(outcomes),
        absent=tasks.get(task).absent,
    )


def _made(change: Change, instance: Any, rng: np.random.Generator) -> Any:
    """The changed instance, None where there is none.

    Raises:
        ValueError: If the oracle's answer does not do what the change says.
    """
    try:
        other = change.make(instance, rng)
    except InputError:
        return None
    expected = instance.label if change.keeps or instance.label is None else 1 - instance.label
    if other.label != expected:
        raise ValueError(f"{change.name} should make the answer {expected}, but the oracle says {other.label}")
    return other


def _logits(bench: Bench, first: Bench) -> np.ndarray:
    """Logit of each answer after T steps, of the checkpoint and of the first bench's untrained network, (2, N)."""
    return np.stack([bench.logits(model)[-1] for model in (bench.model, first.untrained)])


def _right(instances: Sequence[Any], logits: np.ndarray) -> float:
    labelled = np.array([x.label is not None for x in instances])
    if not labelled.any():
        return float("nan")
    label = np.array([x.label == 1 for x in instances])
    return float((label == (logits > 0))[labelled].mean())


def _outcome(
    change: Change, bench: Bench, there: np.ndarray, before: np.ndarray, after: np.ndarray, right: float
) -> Outcome:
    """What a change did to the instances that it could be done to, (N,) bool, from logits (2, N) and (2, n)."""
    before, group = before[:, there], bench.group[there]
    stays, blank_stays = (before > 0) == (after > 0)
    moved = np.abs(after[0] - before[0])

    def largest(counts: np.ndarray) -> np.ndarray:
        return np.where(counts > 0, moved, -np.inf).max(axis=1)

    return Outcome(
        name=change.name,
        title=change.title,
        keeps=change.keeps,
        without=int((~there).sum()),
        unchanged=Estimate.share(stays.sum(), len(stays)),
        right=right,
        moved=bench.mean(moved, group),
        largest=Estimate.of(largest, group, bench.rng("bootstrap")),
        untrained=float(blank_stays.mean()),
    )
