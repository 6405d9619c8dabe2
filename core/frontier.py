"""The frontier: accuracy over difficulty x steps, with its interval and the ceiling, from one pass a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core import tasks
from core.answers import MAX_STEPS, batches, logits_by_step
from core.checkpoint import Checkpoint
from core.errors import InputError
from core.protocol import steps_of

Z95 = 1.959963984540054
"""Normal quantile of a two-sided 95% interval."""

MAX_INSTANCES = 1_000_000


@dataclass(frozen=True)
class Frontier:
    """Accuracy over difficulty x steps. All arrays but the axes and `n` are (D, T).

    Attributes:
        difficulty: (D,) the difficulties.
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
        due = (len(self.difficulty), len(self.steps))
        for name in ("accuracy", "tpr", "tnr", "low", "high", "ceiling"):
            values = getattr(self, name)
            if values is not None and values.shape != due:
                raise ValueError(f"{name} has shape {values.shape}, but the axes make it {due}")


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
        steps: T; every step 1..T is read out in the same pass.
        instances: How many for each difficulty.
        data: "audited" or "paper".
        seed: Of the instances.
        progress: Called with the number of instances done and in all.

    Raises:
        InputError: If a number is out of range, or the task cannot make such instances for this checkpoint.
    """
    if not difficulties:
        raise InputError("a frontier needs at least one difficulty")
    if not 1 <= steps <= MAX_STEPS:
        raise InputError(f"steps should be from 1 to {MAX_STEPS} (got {steps})")
    if not 1 <= instances <= MAX_INSTANCES:
        raise InputError(f"instances should be from 1 to {MAX_INSTANCES} (got {instances})")
    task = tasks.get(checkpoint.config.task)
    bounded = checkpoint.config.attention == "edges"
    rows = []
    for i, difficulty in enumerate(difficulties):
        drawn = task.generate(difficulty, instances, data=data, seed=seed)
        encodings = [task.encode(instance, checkpoint.config) for instance in drawn]
        labels = np.array([instance.label for instance in drawn], dtype=bool)
        right = np.zeros((len(drawn), steps), dtype=bool)
        done = i * instances
        for index in batches(encodings, checkpoint.config.width, checkpoint.config.heads):
            logits = logits_by_step(checkpoint, [encodings[j] for j in index], steps)  # (T+1, B)
            answers = logits[1:] > 0
            right[index] = (answers == labels[index]).T
            done += len(index)
            if progress is not None:
                progress(done, instances * len(difficulties))
        ceiling = np.mean([instance.ceiling(steps) for instance in drawn], axis=0) if bounded else None
        rows.append((right.sum(0), _share(right[labels]), _share(right[~labels]), ceiling, len(drawn), len(set(drawn))))
    n = np.array([row[4] for row in rows])
    count = np.stack([row[0] for row in rows])
    low, high = wilson(count, n[:, None])
    return Frontier(
        difficulty=np.array(difficulties),
        steps=np.arange(1, steps + 1),
        accuracy=count / n[:, None],
        tpr=np.stack([row[1] for row in rows]),
        tnr=np.stack([row[2] for row in rows]),
        low=low,
        high=high,
        ceiling=np.stack([row[3] for row in rows]) if bounded else None,
        n=n,
        distinct=np.array([row[5] for row in rows]),
    )


def needed_steps(
    checkpoint: Checkpoint, difficulties: Sequence[int], instances: int = 500, data: str = "audited", seed: int = 0
) -> int:
    """T at which a model that says how many steps it needs (one a token, one a block) has done with all instances.

    Raises:
        InputError: If the model says no such thing.
    """
    if not hasattr(checkpoint.model, "steps_for"):
        raise InputError(f"{checkpoint.name!r} goes on for as long as it is run: say how many steps, with --steps")
    task = tasks.get(checkpoint.config.task)
    drawn = (x for difficulty in difficulties for x in task.generate(difficulty, instances, data=data, seed=seed))
    return max(steps_of(checkpoint.model, task.encode(x, checkpoint.config), 1) for x in drawn)


def _share(right: np.ndarray) -> np.ndarray:
    """Share of rows that are right at each step; NaN where there is no row."""
    return right.mean(0) if len(right) else np.full(right.shape[1], np.nan)
