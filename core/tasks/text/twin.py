"""The twin of a text: one fact says another relation, the question stays, and the answer turns."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks.text.instance import TextInstance, relation_word


def twin(instance: TextInstance, seed: int = 0) -> tuple[TextInstance, str]:
    """A text with the other answer that differs in the relation of one fact, and contradicts itself nowhere.

    Args:
        instance: A text whose facts join the two people asked about.
        seed: Which of the possible changes.

    Returns:
        The twin and a sentence on what was changed.

    Raises:
        InputError: If no single fact turns the answer.
    """
    if instance.label is None:
        raise InputError("this text has no twin: no facts join the two people, so that there is no answer to turn")
    rng = np.random.default_rng(seed)
    changes = [(row, offset) for row in chain(instance) for offset in (-1, 0, 1)]
    for row, offset in (changes[i] for i in rng.permutation(len(changes))):
        if offset == instance.facts[row, 1]:
            continue
        facts = instance.facts.copy()
        facts[row, 1] = offset
        other = replace(instance, facts=facts)
        if other.label == 1 - instance.label and consistent(other):
            a, before, b = instance.facts[row].tolist()
            was, names = relation_word(before), (instance.names[a][:40], instance.names[b][:40])
            change = f"{names[0]} is the {relation_word(offset)} of {names[1]}, where it was the {was}"
            return other, change
    raise InputError("this text has no twin: no single fact turns the answer without contradicting the others")


def chain(instance: TextInstance) -> list[int]:
    """Rows of the facts of a shortest chain between the two people, from the question's object back.

    Another fact cannot turn the answer alone: without it the chain says what it said.
    """
    distance, rows, person = instance.distance, [], instance.query[2]
    a, _, b = instance.facts.T
    while distance[person] > 0:
        nearer = ((a == person) & (distance[b] == distance[person] - 1)) | (
            (b == person) & (distance[a] == distance[person] - 1)
        )
        rows.append(int(np.flatnonzero(nearer)[0]))
        person = int(b[rows[-1]] if a[rows[-1]] == person else a[rows[-1]])
    return rows


def consistent(instance: TextInstance) -> bool:
    """Whether the facts that can be reached from the queried person agree with each other."""
    a, offset, b = instance.facts.T
    joined = instance.distance[a] >= 0
    return bool((instance.offset[b][joined] - instance.offset[a][joined] == offset[joined]).all())


def shared(instance: TextInstance) -> Hashable:
    """What a text has in common with its twin: names, question, and who each fact is about."""
    return instance.names, instance.query, instance.facts[:, [0, 2]].tobytes()


def together(first: TextInstance, second: TextInstance) -> bool:
    """Whether two texts with the same `shared` are the same, or twins: one relation differs, and so does the answer."""
    changed = int((first.facts[:, 1] != second.facts[:, 1]).sum())
    return changed == 0 or (changed == 1 and first.label != second.label)
