"""Twins as pairs of runs, and how many steps they are given: what causal instruments compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.core.trace import MAX_STEPS, Trace

SLACK = 8
"""Steps given beyond what the oracle needs."""

TRIES = 8


@dataclass(frozen=True)
class Pair:
    """Two runs of equal length on instances that differ in little and in the answer.

    Attributes:
        first: The run on the instance.
        second: The run on its twin.
        change: What differs.
        index: Of the instance among those given.
    """

    first: Trace
    second: Trace
    change: str
    index: int

    @property
    def gap(self) -> float:
        """Distance of the two answers, in logits."""
        return float(abs(self.first.logits[-1] - self.second.logits[-1]))


def needed_steps(checkpoint: Checkpoint, instance: Any, twin: Any) -> int:
    """T for a pair: the oracle's need + 8 along edges, else the default of whichever of the two has a path.

    Over tokens nobody knows how many steps a hop, a level or a fact needs.
    """
    both = [instance, twin]
    if checkpoint.config.attention == "edges":
        return min(MAX_STEPS, max(x.first_decidable_step() for x in both) + SLACK)
    known = [x for x in both if x.difficulty is not None]
    return min(trace.default_steps(checkpoint, x) for x in known or both)


def twins_of(
    checkpoint: Checkpoint, instances: Sequence[Any], steps: int | None, seed: int
) -> tuple[list[tuple[Any, twins.Twin, int, int]], int]:
    """Instances with their twins, T and their index; and how many have no twin.

    Raises:
        InputError: If none has one.
    """
    pairs, without, reason = [], 0, "there is no instance to look at"
    for index, instance in enumerate(instances):
        try:
            twin = twins.find(instance, seed)
        except InputError as error:
            without, reason = without + 1, str(error)
            continue
        needed = needed_steps(checkpoint, instance, twin.instance) if steps is None else steps
        pairs.append((instance, twin, needed, index))
    if not pairs:
        raise InputError(reason)
    return pairs, without


def record(checkpoint: Checkpoint, instance: Any, twin: twins.Twin, steps: int, index: int) -> Pair:
    """Runs a pair."""
    first, second = (trace.record(checkpoint, x, steps) for x in (instance, twin.instance))
    return Pair(first, second, twin.change, index)


def same_label(instance: Any, seed: int) -> Any:
    """An instance with the same answer that differs from this one as little as a twin does; None if none is found.

    The twin of a twin by other changes, unless the task declares another way.
    """
    declared = tasks.get(instance.task).same_answer
    if declared is not None:
        return declared(instance, seed)
    for k in range(TRIES):
        try:
            back = twins.find(twins.find(instance, seed + k).instance, seed + k + 1).instance
        except InputError:
            continue
        if back != instance and back.label == instance.label:
            return back
    return None
