"""What a text's answer can be guessed from by counting words, without following a fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from depthscope.core.tasks.text.instance import TextInstance

NEAR_COUNT = 2


def counts(instances: Sequence[TextInstance]) -> np.ndarray:
    """How often parent, child and sibling occur, and the offset in the question, (n, 4)."""
    return np.array([[*((x.facts[:, 1] == word).sum() for word in (1, -1, 0)), x.query[1]] for x in instances])


def near_count(instances: Sequence[TextInstance]) -> np.ndarray:
    """Yes if the question is within two of #parent - #child."""
    parent, child, _, offset = counts(instances).T
    return (np.abs(offset - (parent - child)) <= NEAR_COUNT).astype(float)


def joined_count(instances: Sequence[TextInstance]) -> np.ndarray:
    """Yes if the question is #parent - #child among the facts whose two people are both named elsewhere.

    No fact has to be followed for it: who stands between two people is named twice, and most others are named once.
    """
    answers = []
    for x in instances:
        people = x.facts[:, [0, 2]]
        mentions = np.bincount([*people.ravel(), x.query[0], x.query[2]])
        answers.append(x.facts[(mentions[people] > 1).all(1), 1].sum() == x.query[1])
    return np.array(answers, dtype=float)


def scrambled(instance: TextInstance, rng: np.random.Generator) -> TextInstance:
    """The same words with the names of all facts shuffled; the question stays."""
    people = rng.permutation(instance.facts[:, [0, 2]].ravel()).reshape(-1, 2)
    return replace(instance, facts=np.column_stack([people[:, 0], instance.facts[:, 1], people[:, 1]]))


RULES = {"near the count": near_count, "joined count": joined_count}
