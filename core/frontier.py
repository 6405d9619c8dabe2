"""The frontier: accuracy over difficulty x steps, with its interval and the ceiling, from one pass a batch.

`run` draws its instances, `measure` takes a user's; both assemble the rows that `rows` yields, one difficulty after
another, so that they can be shown before the last is measured. `t75` says from which step on a difficulty is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from depthscope.core import tasks, trace
from depthscope.core.answers import MAX_STEPS, batches, logits_by_step
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError

Z95 = 1.959963984540054
"""Normal quantile of a two-sided 95% interval."""

MAX_INSTANCES = 1_000_000

STAYS = 0.75
"""Accuracy that T75 asks for: halfway from a coin to certainty."""

FEWEST = 3
"""Difficulties that a line needs; two are always on one."""

NO_DIFFICULTY = -1
"""Difficulty of instances that have none: graphs without a path."""


@dataclass(frozen=True)
class Frontier:
    """Accuracy over difficulty x steps. All arrays but the axes and `n` are (D, T).

    Attributes:
        difficulty: (D,) the difficulties; NO_DIFFICULTY for instances that have none.
        steps: (T,) the steps 1..T.
        accuracy: Share of right answers.
        tpr: Share of right answers among positives; NaN where there are none.
        tnr: Share of right answers among negatives; NaN where there are none.
        low: Lower end of the 95% interval of the accuracy (Wilson).
        high: Upper end.
        ceiling: Expected accuracy of the observer with as many steps; None for full attention, which has none.
        n: (D,) instances.
        distinct: (D,) different instances among them; few formulas are this shallow.
    """

    difficulty: np.ndarray
    steps: np.ndarray
    accuracy: np.ndarray
    tpr: np.ndarray
    tnr: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ceiling: np.ndarray | None
    n: np.ndarray
    distinct: np.ndarray

    def __post_init__(self) -> None:
        expected = (len(self.difficulty), len(self.steps))
        for name in ("accuracy", "tpr", "tnr", "low", "high", "ceiling"):
            values = getattr(self, name)
            if values is not None and values.shape != expected:
                raise ValueError(f"{name} has shape {values.shape}, but the axes make it {expected}")


def wilson(right: np.ndarray, n: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """95% interval of a share, low and high.

    Args:
        right: How many of n.
        n: At least 1.

    Source: Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    share = right / n
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return np.minimum(centre - half, share).clip(0), np.maximum(centre + half, share).clip(max=1)  # share: rounding


def drawn(
    checkpoint: Checkpoint, difficulties: Sequence[int], instances: int, data: str = "audited", seed: int = 0
) -> Iterator[tuple[int, list[Any]]]:
    """Fresh test instances of one difficulty after another, each drawn when it is asked for.

    Raises:
        InputError: If the task cannot make such instances.
    """
    task = tasks.get(checkpoint.config.task)
    for difficulty in difficulties:
        yield difficulty, task.generate(difficulty, instances, data=data, seed=seed)


def grouped(instances: Iterable[Any]) -> list[tuple[int, list[Any]]]:
    """Instances by their own difficulty, the easiest first; those that have none come last."""
    groups: dict[int, list[Any]] = {}
    for instance in instances:
        difficulty = NO_DIFFICULTY if instance.difficulty is None else int(instance.difficulty)
        groups.setdefault(difficulty, []).append(instance)
    return sorted(groups.items(), key=lambda group: (group[0] == NO_DIFFICULTY, group[0]))


def default_difficulties(checkpoint: Checkpoint) -> list[int]:
    """From the easiest trained on to twice the hardest; 1-8 where the checkpoint does not say."""
    span = checkpoint.training.get("difficulty")
    low, high = (int(span[0]), int(span[1])) if isinstance(span, list | tuple) and len(span) == 2 else (1, 4)
    return list(range(low, 2 * high + 1))


def default_steps(
    checkpoint: Checkpoint, difficulty: int, instances: int = 64, data: str = "audited", seed: int = 0
) -> int:
    """T fixed beforehand for a difficulty: the task's own for the checkpoint's interface.

    For a model that says how many steps it needs (one a token), what the longest of these instances needs.
    """
    config = checkpoint.config
    if not hasattr(checkpoint.model, "steps_for"):
        return tasks.get(config.task).default_steps(difficulty, config.attention)
    return needed_steps(checkpoint, tasks.get(config.task).generate(difficulty, instances, data=data, seed=seed))


def rows(
    checkpoint: Checkpoint,
    groups: Iterable[tuple[int, Sequence[Any]]],
    steps: int,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Frontier]:
    """Measures one group of instances after another; each gives a frontier of one row.

    Args:
        checkpoint: What is measured.
        groups: Pairs of a difficulty and its instances, as `drawn` and `grouped` give them.
        steps: T; every step 1..T is read out in the same pass.
        progress: Called after each batch with the number of instances done so far; what it raises stops the work.

    Raises:
        InputError: If the checkpoint cannot read an instance, or a number is out of range.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise InputError(f"steps should be from 1 to {MAX_STEPS} (got {steps})")
    config, done = checkpoint.config, 0
    task, bounded = tasks.get(config.task), config.attention == "edges"
    for difficulty, instances in groups:
        encodings = [task.encode(instance, config) for instance in instances]
        labels = np.array([instance.label for instance in instances], dtype=bool)
        right = np.zeros((len(instances), steps), dtype=bool)
        for index in batches(encodings, config.width, config.heads):
            logits = logits_by_step(checkpoint, [encodings[j] for j in index], steps)  # (T+1, B)
            right[index] = ((logits[1:] > 0) == labels[index]).T
            done += len(index)
            if progress is not None:
                progress(done)
        count = len(instances)
        hits = right.sum(0)
        low, high = wilson(hits, count)
        yield Frontier(
            difficulty=np.array([difficulty]),
            steps=np.arange(1, steps + 1),
            accuracy=(hits / count)[None],
            tpr=_share(right[labels])[None],
            tnr=_share(right[~labels])[None],
            low=low[None],
            high=high[None],
            ceiling=np.mean([instance.ceiling(steps) for instance in instances], axis=0)[None] if bounded else None,
            n=np.array([count]),
            distinct=np.array([len(set(instances))]),
        )


def assemble(parts: Sequence[Frontier]) -> Frontier:
    """The frontier of some rows, in their order.

    Raises:
        InputError: If there is no row.
    """
    if not parts:
        raise InputError("a frontier needs at least one difficulty")
    sides = {f.name: [getattr(part, f.name) for part in parts] for f in fields(Frontier)}
    joined: dict[str, Any] = {
        name: None if values[0] is None else np.concatenate(values) for name, values in sides.items()
    }
    return Frontier(**joined | {"steps": parts[0].steps})


def run(
    checkpoint: Checkpoint,
    difficulties: Sequence[int],
    steps: int,
    instances: int = 500,
    data: str = "audited",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Frontier:
    """Measures a checkpoint on fresh test instances.

    Args:
        checkpoint: What is measured.
        difficulties: One row each.
        steps: T.
        instances: How many for each difficulty.
        data: "audited" or "paper".
        seed: Of the instances.
        progress: Called with the number of instances done and in all.

    Raises:
        InputError: If a number is out of range, or the task cannot make such instances for this checkpoint.
    """
    if not 1 <= instances <= MAX_INSTANCES:
        raise InputError(f"instances should be from 1 to {MAX_INSTANCES} (got {instances})")
    groups, total = drawn(checkpoint, difficulties, instances, data, seed), instances * len(difficulties)
    return assemble(list(rows(checkpoint, groups, steps, progress and (lambda done: progress(done, total)))))


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    steps: int,
    progress: Callable[[int, int], None] | None = None,
) -> Frontier:
    """Measures a checkpoint on given instances, a row for each difficulty among them.

    Args:
        checkpoint: What is measured.
        instances: Of its task, each with a label.
        steps: T.
        progress: Called with the number of instances done and in all.

    Raises:
        InputError: If there is no instance, the checkpoint cannot read one, or a number is out of range.
    """
    total = len(instances)
    measured = rows(checkpoint, grouped(instances), steps, progress and (lambda done: progress(done, total)))
    return assemble(list(measured))


@dataclass(frozen=True)
class Arrival:
    """T75 at each difficulty h, and the line a + b*h through it.

    Attributes:
        steps: (D,) first T from which accuracy stays at STAYS or above; -1 where it does not within the steps run.
        intercept: a, by least squares over the difficulties that arrive; NaN with fewer than FEWEST.
        slope: b, steps for each unit of difficulty.
        r2: Share of the variance of T75 that the line explains; NaN where T75 does not vary.
        n: Difficulties behind the line.
    """

    steps: np.ndarray
    intercept: float
    slope: float
    r2: float
    n: int


def stays_from(values: np.ndarray, threshold: float = STAYS) -> np.ndarray:
    """First T = 1.. from which a row stays at a threshold or above to its end, (D, T) -> (D,); -1 where it does not."""
    below = ~(values >= threshold)  # NaN is below
    steps = values.shape[1]
    first = np.where(below.any(1), steps - np.argmax(below[:, ::-1], axis=1) + 1, 1)
    return np.where(first > steps, -1, first)


def t75(frontier: Frontier) -> Arrival:
    """From which step each difficulty is answered, and the line through that; unreached difficulties are not in it."""
    steps = stays_from(frontier.accuracy)
    has = (steps > 0) & (frontier.difficulty != NO_DIFFICULTY)
    h, t = frontier.difficulty[has].astype(float), steps[has].astype(float)
    if len(h) < FEWEST:
        return Arrival(steps, np.nan, np.nan, np.nan, len(h))
    slope, intercept = np.polyfit(h, t, 1)
    spread = ((t - t.mean()) ** 2).sum()
    r2 = 1 - ((t - intercept - slope * h) ** 2).sum() / spread if spread > 0 else np.nan
    return Arrival(steps, float(intercept), float(slope), float(r2), len(h))


def needed_steps(checkpoint: Checkpoint, instances: Iterable[Any]) -> int:
    """T at which a model that says how many steps it needs (one a token, one a block) has done with all instances.

    Raises:
        InputError: If the model says no such thing.
    """
    if not hasattr(checkpoint.model, "steps_for"):
        raise InputError(f"{checkpoint.name!r} goes on for as long as it is run: say how many steps, with --steps")
    return max((trace.default_steps(checkpoint, instance) for instance in instances), default=1)


def _share(right: np.ndarray) -> np.ndarray:
    """Share of rows that are right at each step; NaN where there is no row."""
    return right.mean(0) if len(right) else np.full(right.shape[1], np.nan)
