"""Agreement: how often two checkpoints give the same answer on a batch, and who is right where they do not.

Without a second checkpoint the first is compared with an untrained network of its architecture, which is the control of
every comparison as well: two that agree no more than that have nothing in common but the base rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depthscope.core.errors import InputError
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.measuring import alignment as pairing, results
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result, shown
from depthscope.probes.measuring.shapes import check_shapes

PARTS = ("both right", "only the first right", "only the second right", "both wrong")


@dataclass(frozen=True)
class Agreement(Result):
    """Answers of two checkpoints on the same N instances, in D groups of equal difficulty.

    Attributes:
        other: Name of the second, or "untrained".
        n: Instances in all.
        difficulty: (D,) of the groups; -1 for instances that have none.
        count: (D,) instances of each.
        parts: (D, 4, T+1) how many are right with both, with the first alone, with the second alone, with none.
        agree: (T+1,) share of instances with the same answer.
        chance: (T+1,) agreement of two that say yes as often as these, independently.
        untrained: (T+1,) agreement of the first with an untrained network.
    """

    other: str
    n: int
    difficulty: np.ndarray
    count: np.ndarray
    parts: np.ndarray
    agree: Estimate
    chance: np.ndarray
    untrained: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, (len(self.difficulty), len(PARTS), self.steps + 1), "parts")

    def accuracy(self, side: int) -> np.ndarray:
        """Share of right answers of the first (0) or the second (1), (D, T+1)."""
        return (self.parts[:, 0] + self.parts[:, 1 + side]) / self.count[:, None]

    def table(self) -> str:
        """Agreement over the steps with its controls, and who is right at the last, by difficulty."""
        lines = [
            f"{self.checkpoint} and {self.other}: {self.n} instances, T = {self.steps}, seed {self.seed}",
            f"{'step':>6}{'agree':>24}{'chance':>9}{'untrained':>11}",
        ]
        for t in shown(self.steps):
            lines.append(f"{t:>6}{f'{self.agree[t]}':>24}{self.chance[t]:>9.3f}{self.untrained[t]:>11.3f}")
        lines += ["", f"at step {self.steps}", f"{'difficulty':>11}{'n':>7}" + "".join(f"{x:>23}" for x in PARTS)]
        for difficulty, n, row in zip(self.difficulty, self.count, self.parts[..., -1], strict=True):
            name = "none" if difficulty < 0 else str(difficulty)
            lines.append(f"{name:>11}{n:>7}" + "".join(f"{part:>23}" for part in row))
        return "\n".join(lines)


@dataclass(frozen=True)
class Options:
    """Of the command and the form."""

    other: str | None = option(None, "the second checkpoint (default: an untrained network)", metavar="CKPT")


@instrument(
    "how often two checkpoints give the same answer, and who is right where they do not",
    options=Options,
    instances=200,
)
def measure(bench: Bench, options: Options) -> Agreement:
    """Runs both on the same instances for as many steps, what the hardest needs of the first where nobody says."""
    second = pairing.beside(bench.checkpoint, options.other)
    if any(instance.label is None for instance in bench.instances):
        raise InputError("an instance without an answer cannot be scored; leave out those whose facts join nobody")
    level = bench.difficulty
    order = np.lexsort((np.arange(len(level)), level, level < 0))
    difficulty, count = np.unique(level, return_counts=True)
    last = np.argsort(difficulty < 0, kind="stable")
    difficulty, count = difficulty[last], count[last]
    steps = results.steps_for(bench.checkpoint, bench.instances, bench.requested)
    bench = replace(bench, instances=[bench.instances[i] for i in order], steps=steps)
    other = None if second is None else replace(bench, checkpoint=second)
    sides = [bench] if other is None else [bench, other]
    for side in sides:
        _reserve(side)
    bench.expect(bench.runs() + sum(side.runs() for side in sides))
    mine, plain = bench.logits() > 0, bench.logits(bench.untrained) > 0  # (T+1, N)
    theirs = plain if other is None else other.logits() > 0
    label = np.array([bool(instance.label) for instance in bench.instances])
    right = mine == label, theirs == label
    parts = np.stack([right[0] & right[1], right[0] & ~right[1], ~right[0] & right[1], ~right[0] & ~right[1]])
    yes = mine.mean(axis=1), theirs.mean(axis=1)
    return Agreement(
        **bench.header,
        other="untrained" if second is None else second.name,
        n=len(label),
        difficulty=difficulty,
        count=count,
        parts=np.stack([part.sum(-1) for part in np.split(parts, np.cumsum(count)[:-1], axis=-1)]),
        agree=Estimate.share((mine == theirs).sum(axis=1), len(label)),
        chance=yes[0] * yes[1] + (1 - yes[0]) * (1 - yes[1]),
        untrained=(mine == plain).mean(axis=1),
    )


def _reserve(side: Bench) -> None:
    """One step of the largest instance, and the answers."""
    n, nodes = len(side.instances), max(e.n_nodes for e in side.encodings)
    bytes_of_answers = (8.0 + 3) * (side.steps + 1) * n  # logits, and three times an answer
    side.reserve(
        results.held_by_runs(side.model, side.encodings) + bytes_of_answers,
        f"the answers of {side.checkpoint.name} to {n} instances of up to {nodes} nodes at {side.steps} steps",
        "run fewer instances, fewer steps or smaller instances",
    )
