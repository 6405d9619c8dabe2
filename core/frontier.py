"""The frontier: accuracy over difficulty x steps, with its interval and the ceiling, all steps from one pass a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core import tasks
from core.checkpoint import Checkpoint
from core.encoding import SPARSE_ABOVE, Encoding, collate
from core.errors import InputError

Z95 = 1.959963984540054
"""Normal quantile of a two-sided 95% interval."""

MAX_STEPS, MAX_INSTANCES = 100_000, 1_000_000
MAX_BATCH = 256
BATCH_CELLS = 1 << 22
"""Bound on what one batch holds at once, counted in nodes x width and in pairs of nodes (or edges) x heads."""


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
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


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
            answers = answers_by_step(checkpoint, [encodings[j] for j in index], steps)
            right[index] = answers.T == labels[index, None]
            done += len(index)
            if progress is not None:
                progress(done, instances * len(difficulties))
        ceiling = np.mean([instance.ceiling(steps) for instance in drawn], axis=0) if bounded else None
        rows.append((right.sum(0), _share(right[labels]), _share(right[~labels]), ceiling, len(drawn)))
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
    )


def batches(encodings: Sequence[Encoding], width: int, heads: int) -> Iterator[np.ndarray]:
    """Indices of encodings of like size, in batches that stay within the bounds of memory."""
    sizes = np.array([e.n_nodes for e in encodings])
    start, order = 0, np.argsort(sizes, kind="stable")
    while start < len(order):
        end, edges = start, 0
        while end < len(order) and end - start < MAX_BATCH:
            encoding = encodings[order[end]]
            n = encoding.n_nodes  # the largest so far, to which all in the batch are padded
            edges += 0 if encoding.edge_index is None else encoding.edge_index.shape[1]
            sparse = encoding.edge_index is not None and n > SPARSE_ABOVE
            held = (end - start + 1) * n
            attended = edges + held if sparse else held * n
            if end > start and max(held * width, attended * heads) > BATCH_CELLS:
                break
            end += 1
        yield order[start:end]
        start = end


@torch.inference_mode()
def answers_by_step(checkpoint: Checkpoint, encodings: Sequence[Encoding], steps: int) -> np.ndarray:
    """Answers after each of the steps 1..T, (T, B) bool, from one pass; no state is kept."""
    model = checkpoint.model
    batch = collate(encodings).to(next(model.parameters()).device)
    context = model.prepare(batch)
    state = model.initial(context)
    answers = torch.empty((steps, len(encodings)), dtype=torch.bool, device=state.device)
    for t in range(steps):
        state = model.step(state, t, context)
        answers[t] = model.readout(state, batch)[0] > 0
    return answers.cpu().numpy()


def _share(right: np.ndarray) -> np.ndarray:
    """Share of rows that are right at each step; NaN where there is no row."""
    return right.mean(0) if len(right) else np.full(right.shape[1], np.nan)
