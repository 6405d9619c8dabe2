"""Agreement: how often two checkpoints give the same answer on a batch, and who is right where they do not.

Without a second checkpoint the first is held against an untrained network of its architecture, which is the control of
every comparison as well: two that agree no more than that have nothing in common but the base rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.answers import batches, logits_by_step
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import SPARSE_ABOVE, Encoding
from depthscope.core.errors import InputError
from depthscope.core.frontier import NO_DIFFICULTY, wilson
from depthscope.probes.measuring import alignment as pairing, controls, results
from depthscope.probes.measuring.results import Progress, shown
from depthscope.probes.reading.nodes import groups_of

HELD = 16
"""States of a batch that a step holds at once: itself, queries, keys, values, the MLP's and the gate's."""

PARTS = ("both right", "only the first right", "only the second right", "both wrong")


@dataclass(frozen=True)
class Agreement:
    """Answers of two checkpoints on the same N instances, in D groups of equal difficulty.

    Attributes:
        checkpoint: Name of the first.
        sha256: Of its weights.
        other: Name of the second, or "untrained".
        steps: T.
        seed: Of the untrained network.
        n: Instances in all.
        difficulty: (D,) of the groups; -1 for instances that have none.
        count: (D,) instances of each.
        parts: (D, 4, T+1) how many are right with both, with the first alone, with the second alone, with none.
        agree: (T+1,) share of instances with the same answer.
        low: Lower end of its 95% interval (Wilson).
        high: Upper end.
        chance: (T+1,) agreement of two that say yes as often as these, independently.
        untrained: (T+1,) agreement of the first with an untrained network.
    """

    checkpoint: str
    sha256: str
    other: str
    steps: int
    seed: int
    n: int
    difficulty: np.ndarray
    count: np.ndarray
    parts: np.ndarray
    agree: np.ndarray
    low: np.ndarray
    high: np.ndarray
    chance: np.ndarray
    untrained: np.ndarray

    def __post_init__(self) -> None:
        due = (len(self.difficulty), len(PARTS), self.steps + 1)
        if self.parts.shape != due:
            raise ValueError(f"parts have shape {self.parts.shape}, but the axes make it {due}")

    def accuracy(self, side: int) -> np.ndarray:
        """Share of right answers of the first (0) or the second (1), (D, T+1)."""
        return (self.parts[:, 0] + self.parts[:, 1 + side]) / self.count[:, None]


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
    other: str | None = None,
) -> Agreement:
    """Runs two checkpoints, and an untrained network, on the same instances.

    Args:
        checkpoint: The first.
        instances: Of its task, each with an answer.
        steps: T of all; None takes what the instances need.
        seed: Of the untrained network.
        progress: Called with the steps of instances done and in all; what it raises stops the work.
        other: Name or path of the second checkpoint; None for the untrained network.

    Raises:
        InputError: If the second reads another task, an instance has no answer, or it would take too much memory.
    """
    second = pairing.beside(checkpoint, other)
    if any(instance.label is None for instance in instances):
        raise InputError("an instance without an answer cannot be scored; leave out those whose facts join nobody")
    steps = results.steps_for(checkpoint, instances, steps)
    level = _difficulties(instances)
    order = np.lexsort((np.arange(len(level)), level, level < 0))
    ordered = [instances[i] for i in order]
    difficulty, count = np.unique(level, return_counts=True)
    last = np.argsort(difficulty < 0, kind="stable")
    difficulty, count = difficulty[last], count[last]
    blank = replace(checkpoint, model=controls.untrained(checkpoint, seed))
    sides = [checkpoint, blank] if second is None else [checkpoint, blank, second]
    task = tasks.get(checkpoint.config.task)
    encoded = [[task.encode(x, side.config) for x in ordered] for side in sides]
    for side, encodings in zip(sides, encoded, strict=True):
        _refuse(side, encodings, steps)
    total, done = steps * len(ordered) * len(sides), 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    said = [_answers(*pair, steps, more) for pair in zip(sides, encoded, strict=True)]  # (T+1, N) each
    mine, plain, theirs = said[0], said[1], said[-1]
    label = np.array([bool(instance.label) for instance in ordered])
    right = mine == label, theirs == label
    parts = np.stack([right[0] & right[1], right[0] & ~right[1], ~right[0] & right[1], ~right[0] & ~right[1]])
    same = (mine == theirs).sum(axis=1)
    low, high = wilson(same, len(ordered))
    yes = mine.mean(axis=1), theirs.mean(axis=1)
    return Agreement(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        other="untrained" if second is None else second.name,
        steps=steps,
        seed=seed,
        n=len(ordered),
        difficulty=difficulty,
        count=count,
        parts=np.stack([part.sum(-1) for part in np.split(parts, np.cumsum(count)[:-1], axis=-1)]),
        agree=same / len(ordered),
        low=low,
        high=high,
        chance=yes[0] * yes[1] + (1 - yes[0]) * (1 - yes[1]),
        untrained=(mine == plain).mean(axis=1),
    )


def _difficulties(instances: Sequence[Any]) -> np.ndarray:
    """Difficulty of each instance, (N,); a graph without a path has its twin's, NO_DIFFICULTY if it has none either."""
    own = np.array([NO_DIFFICULTY if x.difficulty is None else int(x.difficulty) for x in instances])
    group = groups_of(instances)
    most = np.full(group.max() + 1, NO_DIFFICULTY)
    np.maximum.at(most, group, own)
    return np.where(own == NO_DIFFICULTY, most[group], own)


def _refuse(side: Checkpoint, encodings: Sequence[Encoding], steps: int) -> None:
    """Refuses a run that would not fit; the largest instance alone is a batch where it is over the bound of one."""
    shapes, largest = side.model.shapes, max(encodings, key=lambda e: e.n_nodes)
    n, edges = largest.n_nodes, largest.edge_index
    pairs = n * n if edges is None or n <= SPARSE_ABOVE else edges.shape[1]
    size = 4 * (HELD * n * shapes.width + 3 * pairs * max(1, shapes.heads)) + 12 * (steps + 1) * len(encodings)
    what = f"the answers of {side.name} to {len(encodings)} instances of up to {n} nodes at {steps} steps"
    results.refuse_over(size, what, "run fewer instances, fewer steps or smaller instances")


def _answers(side: Checkpoint, encodings: Sequence[Encoding], steps: int, more: Callable[[int], None]) -> np.ndarray:
    """The answer to each instance after each step, (T+1, N) bool."""
    said = np.zeros((steps + 1, len(encodings)), dtype=bool)
    for index in batches(encodings, side.config.width, side.config.heads):
        run = [encodings[i] for i in index]
        said[:, index] = logits_by_step(side, run, steps, partial(more, len(index))) > 0
    return said


def table(found: Agreement) -> str:
    """Agreement over the steps with its controls, and who is right at the last, by difficulty."""
    lines = [
        f"{found.checkpoint} and {found.other}: {found.n} instances, T = {found.steps}, seed {found.seed}",
        f"{'step':>6}{'agree':>9}{'95% interval':>17}{'chance':>9}{'untrained':>11}",
    ]
    for t in shown(found.steps):
        between = f"[{found.low[t]:.3f}, {found.high[t]:.3f}]"
        lines.append(f"{t:>6}{found.agree[t]:>9.3f}{between:>17}{found.chance[t]:>9.3f}{found.untrained[t]:>11.3f}")
    lines += ["", f"at step {found.steps}", f"{'difficulty':>11}{'n':>7}" + "".join(f"{part:>23}" for part in PARTS)]
    for difficulty, n, row in zip(found.difficulty, found.count, found.parts[..., -1], strict=True):
        name = "none" if difficulty < 0 else str(difficulty)
        lines.append(f"{name:>11}{n:>7}" + "".join(f"{part:>23}" for part in row))
    return "\n".join(lines)
