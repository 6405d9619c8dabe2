"""What rules without thought get: rules that look at counts, shallow levels or words, for the same table as models.

    graph   degree            "reachable" if the source has an edge out and the target an edge in
    logic   top 4 levels      the value where four levels of binary operators fix it, else a coin
    text    word counter      a forest on how often parent, child and sibling occur, and on the question's offset
            near the count    "yes" if the question is within two of #parent - #child
            joined count      "yes" if it is #parent - #child among facts whose two people are both named elsewhere

And two controls of a model: a text whose names have been scrambled, with the answer of the original, and the instances
that a rule gets wrong, where a model that is right has not used the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.frontier import default_steps
from depthscope.probes.instrument import Bench
from depthscope.probes.measuring import results
from depthscope.probes.measuring.estimate import Estimate

LEARNED_ON = 8000


@dataclass(frozen=True)
class RuleScores:
    """Accuracy of one rule over difficulty.

    Attributes:
        rule: Its name.
        difficulty: (D,).
        accuracy: (D,) share of right answers (Wilson); a coin counts one half. NaN where there is no instance.
    """

    rule: str
    difficulty: np.ndarray
    accuracy: Estimate

    @classmethod
    def of(cls, rule: str, difficulties: Sequence[int], right: Sequence[np.ndarray]) -> RuleScores:
        """Scores from how right every instance of each difficulty is, in [0, 1]."""
        hits, n = (np.array([count(row) for row in right]) for count in (np.sum, len))
        return cls(rule, np.array(difficulties), Estimate.share(hits, n))


Rule = Callable[[Sequence[Any]], np.ndarray]
"""Instances to the probability, (n,), that the rule answers 1 to each; one half is a coin."""


@lru_cache(maxsize=8)
def word_counter(task: str, data: str, levels: Sequence[int], seed: int) -> Rule:
    """A forest on what counting gives, learned on the training stream over the trained difficulties."""
    declared = tasks.get(task)
    counts = declared.counts
    assert counts is not None
    drawn = [x for level in levels for x in declared.generate(level, LEARNED_ON, data, seed, "train")]
    model = RandomForestClassifier(60, min_samples_leaf=15, random_state=seed)
    model.fit(counts(drawn), [x.label for x in drawn])
    return lambda instances: model.predict(counts(instances)).astype(float)


def rules_for(checkpoint: Checkpoint, data: str, seed: int) -> dict[str, Rule]:
    """The rules of a checkpoint's task by name; what is learned is learned on the checkpoint's trained difficulties."""
    task = tasks.get(checkpoint.config.task)
    if task.counts is None:
        return dict(task.rules)
    low, high = checkpoint.training.get("difficulty", (2, 5))
    return {"word counter": word_counter(task.name, data, range(low, high + 1), seed), **task.rules}


def score(
    checkpoint: Checkpoint, difficulties: Sequence[int], instances: int, data: str, seed: int
) -> list[RuleScores]:
    """Every rule of a checkpoint's task on the instances that `core.frontier` measures the checkpoint on.

    Raises:
        InputError: If the task cannot make such instances, or memory is short.
    """
    drawn, labels = _drawn(checkpoint.config.task, difficulties, instances, data, seed)
    out = []
    for name, rule in rules_for(checkpoint, data, seed).items():
        right = [np.where(label == 1, p, 1 - p) for p, label in zip(map(rule, drawn), labels, strict=True)]
        out.append(RuleScores.of(name, difficulties, right))
    return out


def where_wrong(
    checkpoint: Checkpoint, difficulties: Sequence[int], instances: int, data: str, seed: int
) -> list[RuleScores]:
    """Accuracy of the checkpoint itself, at T fixed beforehand, on those instances that each rule gets wrong.

    A model that used the rule would be wrong there, one that tosses a coin right on half. NaN where a rule gets none
    wrong; a coin of the rule counts as neither.

    Raises:
        InputError: If the task cannot make such instances, or memory is short.
    """
    drawn, labels = _drawn(checkpoint.config.task, difficulties, instances, data, seed)
    steps = [default_steps(checkpoint, difficulty, data=data) for difficulty in difficulties]
    right = [_answers(checkpoint, row, t) == label for row, t, label in zip(drawn, steps, labels, strict=True)]
    out = []
    for name, rule in rules_for(checkpoint, data, seed).items():
        wrong = [np.abs(rule(row) - label) > 0.5 for row, label in zip(drawn, labels, strict=True)]
        there = [r[w] for r, w in zip(right, wrong, strict=True)]
        out.append(RuleScores.of(f"{name} wrong", difficulties, there))
    return out


def _drawn(
    task: str, difficulties: Sequence[int], instances: int, data: str, seed: int
) -> tuple[list[list[Any]], list[np.ndarray]]:
    """Instances of each difficulty, and their labels."""
    _refuse_many(task, difficulties, instances, data, seed)
    drawn = [tasks.get(task).generate(difficulty, instances, data=data, seed=seed) for difficulty in difficulties]
    return drawn, [_labels(row) for row in drawn]


def _labels(drawn: Sequence[Any]) -> np.ndarray:
    return np.array([x.label for x in drawn])


def _answers(checkpoint: Checkpoint, drawn: Sequence[Any], steps: int) -> np.ndarray:
    """What the checkpoint answers after T steps, (n,) bool."""
    return Bench(checkpoint, drawn, steps).logits()[-1] > 0


OBJECT_BYTES = 4096
"""Of an instance and what it has computed, beside its arrays."""


def _refuse_many(task: str, difficulties: Sequence[int], instances: int, data: str, seed: int) -> None:
    """Refuses more instances than fit in memory; of each difficulty two are drawn to see how large they are."""
    size = 0.0
    for difficulty in difficulties:
        for one in tasks.get(task).generate(difficulty, 2, data=data, seed=seed):
            arrays = sum(x.nbytes for x in vars(one).values() if isinstance(x, np.ndarray))
            size += instances / 2 * (arrays + OBJECT_BYTES)
    what = f"{instances:,} instances of {len(difficulties)} difficulties"
    results.refuse_over(size, what, "take fewer with --instances, or fewer difficulties")


def scramble(
    checkpoint: Checkpoint, difficulties: Sequence[int], instances: int, data: str, seed: int
) -> list[RuleScores]:
    """Accuracy of a text checkpoint on texts as they are and with their names scrambled, at T fixed beforehand.

    Raises:
        InputError: If the checkpoint does not read texts, or memory is short.
    """
    task, rng = tasks.get(checkpoint.config.task), np.random.default_rng([seed, 4])
    scrambled = task.scrambled
    if scrambled is None:
        raise InputError(f"names can be scrambled in texts alone; {checkpoint.name} reads {task.words.nouns}")
    _refuse_many(task.name, difficulties, instances, data, seed)
    right: dict[str, list[np.ndarray]] = {"names as they are": [], "names scrambled": []}
    for difficulty in difficulties:
        drawn = task.generate(difficulty, instances, data=data, seed=seed)
        steps = default_steps(checkpoint, difficulty)
        for name, texts in zip(right, (drawn, [scrambled(x, rng) for x in drawn]), strict=True):
            right[name].append(_answers(checkpoint, texts, steps) == _labels(drawn))
    return [RuleScores.of(name, difficulties, rows) for name, rows in right.items()]
