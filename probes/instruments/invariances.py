"""Invariances: does the answer stay where it has to, and turn where it has to, when the instance is changed?

Owns measuring; the changes are `core.tasks.changes`'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core.answers import MAX_BATCH, batches, logits_by_step
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding
from depthscope.core.errors import InputError
from depthscope.core.frontier import wilson
from depthscope.core.tasks.changes import ABSENT, CHANGES, Change
from depthscope.probes.measuring import controls, estimate, results
from depthscope.probes.measuring.progress import Count, counted, steps_of_runs
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import margins as reading
from depthscope.probes.reading.nodes import groups_of


@dataclass(frozen=True)
class Outcome:
    """What one change did to the answers after T steps.

    Attributes:
        name: Of the change.
        title: What is done.
        keeps: Whether the answer has to stay; it has to turn otherwise.
        n: Instances that it could be done to.
        without: Instances that it could not be done to.
        unchanged: Share of answers that stay as they were.
        low: Lower end of its 95% interval (Wilson).
        high: Upper end.
        right: Share of right answers to the changed instances.
        moved: Mean of the change of the answer's logit, without its sign.
        moved_low: Lower end of its 95% interval, by bootstrap over pairs of instances.
        moved_high: Upper end.
        largest: Largest change of the logit.
        largest_low: Lower end of its 95% interval, by the same bootstrap.
        largest_high: Upper end; no more than the largest seen.
        untrained: Share of answers that stay in an untrained network.
    """

    name: str
    title: str
    keeps: bool
    n: int
    without: int
    unchanged: float
    low: float
    high: float
    right: float
    moved: float
    moved_low: float
    moved_high: float
    largest: float
    largest_low: float
    largest_high: float
    untrained: float


@dataclass(frozen=True)
class Invariances:
    """Outcomes of all changes.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        steps: T.
        seed: Of the changes, the bootstrap and the untrained network.
        n: Instances.
        right: Share of right answers to the instances as they are; NaN if none has a label.
        outcomes: One a change; those that turn the answer are the control of the others.
        absent: Why there are no more changes, a sentence each.
    """

    checkpoint: str
    sha256: str
    steps: int
    seed: int
    n: int
    right: float
    outcomes: tuple[Outcome, ...]
    absent: tuple[str, ...]


def unfit(checkpoint: Checkpoint) -> str | None:
    """Every checkpoint answers."""
    del checkpoint
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Invariances:
    """Runs instances as they are and changed, for the same number of steps.

    Args:
        checkpoint: What runs.
        instances: Of its task.
        steps: T; None takes what the most demanding of all needs.
        seed: Of the changes, the bootstrap and the untrained network.
        progress: Called with the steps run and in all, a batch at a time; what it raises stops the work.

    Raises:
        InputError: If there is no instance, or memory is short.
    """
    rng = np.random.default_rng([seed, 20])
    task = checkpoint.config.task
    made = {change.name: [_made(change, instance, rng) for instance in instances] for change in CHANGES[task]}
    others = [x for row in made.values() for x in row if x is not None]
    steps = results.steps_for(checkpoint, [*instances, *others], steps)
    group, blank = groups_of(instances), controls.untrained(checkpoint, seed)
    encoded = {name: reading.encoded(checkpoint, [x for x in row if x is not None]) for name, row in made.items()}
    originals = reading.encoded(checkpoint, instances)
    every = [*originals, *(e for row in encoded.values() for e in row)]
    results.refuse_over(
        results.held_by_runs(checkpoint.model, every) + 8.0 * (steps + 1) * MAX_BATCH + 16.0 * len(every),
        f"{len(every)} runs of {steps} steps, of instances and of what is made of them",
        "take fewer or smaller instances",
    )
    rows = (originals, *encoded.values())
    count = Count(progress, sum(2 * steps_of_runs(checkpoint.model, row, steps) for row in rows))

    def answers(row: Sequence[Encoding], model: Any) -> np.ndarray:
        return _logits(replace(checkpoint, model=model), row, steps, count.more)

    before, before_blank = (answers(originals, model) for model in (checkpoint.model, blank))
    outcomes = []
    for change in CHANGES[task]:
        there = np.array([x is not None for x in made[change.name]])
        row = [x for x in made[change.name] if x is not None]
        if not row:
            continue
        after, after_blank = (answers(encoded[change.name], model) for model in (checkpoint.model, blank))
        kept = _stays(before_blank[there], after_blank).mean()
        outcome = _outcome(change, row, (before[there], after), float(kept), group[there], seed)
        outcomes.append(replace(outcome, without=len(instances) - len(row)))
    return Invariances(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        steps=steps,
        seed=seed,
        n=len(instances),
        right=_right(instances, before),
        outcomes=tuple(outcomes),
        absent=ABSENT[task],
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
    due = instance.label if change.keeps or instance.label is None else 1 - instance.label
    if other.label != due:
        raise ValueError(f"{change.name} should make the answer {due}, but the oracle says {other.label}")
    return other


def _logits(checkpoint: Checkpoint, encodings: Sequence[Encoding], steps: int, each: Callable[[], None]) -> np.ndarray:
    """Logit of each answer after T steps, (N,); `each` is called after every step of a batch."""
    shapes, found = checkpoint.model.shapes, np.empty(len(encodings))
    watched = replace(checkpoint, model=counted(checkpoint.model, each))
    for index in batches(encodings, shapes.width, shapes.heads):
        found[index] = logits_by_step(watched, [encodings[i] for i in index], steps)[-1]
    return found


def _stays(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before > 0) == (after > 0)


def _right(instances: Sequence[Any], logits: np.ndarray) -> float:
    labelled = np.array([x.label is not None for x in instances])
    if not labelled.any():
        return float("nan")
    label = np.array([x.label == 1 for x in instances])
    return float((label == (logits > 0))[labelled].mean())


def _outcome(
    change: Change,
    row: Sequence[Any],
    logits: tuple[np.ndarray, np.ndarray],
    untrained: float,
    group: np.ndarray,
    seed: int,
) -> Outcome:
    """Figures of one change; logits are those of the instances it could be done to, before and after."""
    before, after = logits
    stays, moved = _stays(before, after), np.abs(after - before)
    low, high = wilson(np.array(stays.sum()), len(row))
    mean = estimate.mean(moved, group, seed)
    largest_low, largest_high = _of_largest(moved, group, seed)
    return Outcome(
        name=change.name,
        title=change.title,
        keeps=change.keeps,
        n=len(row),
        without=0,
        unchanged=float(stays.mean()),
        low=float(low),
        high=float(high),
        right=_right(row, after),
        moved=float(mean.value),
        moved_low=float(mean.low),
        moved_high=float(mean.high),
        largest=float(moved.max()),
        largest_low=largest_low,
        largest_high=largest_high,
        untrained=untrained,
    )


def _of_largest(moved: np.ndarray, group: np.ndarray, seed: int) -> tuple[float, float]:
    """95% interval of the largest, by bootstrap over groups."""
    names, of = np.unique(group, return_inverse=True)
    top = np.full(len(names), -np.inf)
    np.maximum.at(top, of, moved)
    drawn = np.random.default_rng(seed).integers(0, len(names), (estimate.RESAMPLES, len(names)))
    low, high = np.quantile(top[drawn].max(axis=1), (0.025, 0.975))
    return float(low), float(high)


def table(found: Invariances) -> str:
    """Each change with its share and logits, those that have to turn the answer below."""
    lines = [
        f"{found.checkpoint}: {found.n} instances, T = {found.steps}, {found.right:.3f} right as they are",
        "",
        f"{'change':>34}{'n':>5}{'unchanged':>11}{'95% interval':>16}{'untrained':>11}{'right':>7}"
        f"{'logit moved':>13}{'95% interval':>20}{'largest':>9}{'95% interval':>20}",
    ]
    for keeps in (True, False):
        lines += [] if keeps else ["  has to turn the answer:"]
        for one in (x for x in found.outcomes if x.keeps == keeps):
            between = f"[{one.low:.3f}, {one.high:.3f}]"
            moved = f"[{one.moved_low:.2g}, {one.moved_high:.2g}]"
            largest = f"[{one.largest_low:.2g}, {one.largest_high:.2g}]"
            lines.append(
                f"{one.title:>34}{one.n:>5}{one.unchanged:>11.3f}{between:>16}{one.untrained:>11.3f}{one.right:>7.3f}"
                f"{one.moved:>13.2g}{moved:>20}{one.largest:>9.2g}{largest:>20}"
            )
    return "\n".join([*lines, "", *(f"left out: {sentence}" for sentence in found.absent)])
