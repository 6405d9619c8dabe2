"""Edits of a text: another relation in a fact or in the question, a fact removed, the chain made longer or shorter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.encoding import MAX_OFFSET
from depthscope.core.errors import InputError
from depthscope.core.tasks.text.instance import NAMES, TextInstance, relation_word
from depthscope.core.tasks.text.twin import chain, consistent

NEXT = {1: -1, -1: 0, 0: 1}
FARTHEST = 4
"""Generations that the question goes to when it is turned; a question that asks beyond stays in its own range."""


def turn(instance: TextInstance, row: int) -> tuple[TextInstance, str]:
    """Gives a fact the next of parent, child and sibling, or the question the next relation.

    Raises:
        InputError: If every other relation would contradict the other facts.
    """
    if row == len(instance.facts):
        a, asked, b = instance.query
        far = max(FARTHEST, abs(asked))
        asked = asked + 1 if asked < far else -far
        return replace(instance, query=(a, asked, b)), f"Asked is now {relation_word(asked)}."
    offset = int(instance.facts[row, 1])
    for _ in range(2):
        offset = NEXT[offset]
        facts = instance.facts.copy()
        facts[row, 1] = offset
        if _agrees(other := replace(instance, facts=facts)):
            return other, f"{_said(other, row)}."
    raise InputError("any other relation here would contradict the other facts; remove the fact instead")


def remove(instance: TextInstance, row: int) -> tuple[TextInstance, str]:
    """Removes a fact."""
    if row == len(instance.facts):
        raise InputError("the question cannot be removed; turn its relation, or type another")
    if len(instance.facts) == 1:
        raise InputError("this is the only fact; a text needs one")
    return replace(instance, facts=np.delete(instance.facts, row, axis=0)), f"“{_said(instance, row)}” was removed."


def harder(instance: TextInstance) -> tuple[TextInstance, str]:
    """A sibling of the one who is asked about is asked about: one fact more, and the answer stays."""
    taken = set(instance.names)
    new = next(n for n in (*NAMES, *(f"Person{k}" for k in range(1, instance.n_names + 2))) if n not in taken)
    a, asked, b = instance.query
    facts = np.concatenate([instance.facts, [[instance.n_names, 0, b]]])
    longer = TextInstance((*instance.names, new), facts, (a, asked, instance.n_names), instance.notes)
    return longer, f"Asked about {new} now, a sibling of {instance.names[b][:40]}: one fact more."


def easier(instance: TextInstance) -> tuple[TextInstance, str]:
    """The one before on the chain is asked about, with the relation that keeps the answer."""
    if instance.difficulty is None or instance.difficulty < 2:
        raise InputError("this text cannot be made easier: one fact has to be left between the two people")
    x, offset, y = instance.facts[chain(instance)[0]].tolist()
    a, asked, b = instance.query
    before, step = (x, offset) if y == b else (y, -offset)
    asked -= step
    if abs(asked) > MAX_OFFSET:
        raise InputError(f"this text cannot be made easier: the question would go beyond {MAX_OFFSET} generations")
    return replace(instance, query=(a, asked, before)), f"Asked about {instance.names[before][:40]} now: one fact less."


def _agrees(instance: TextInstance) -> bool:
    """Whether no facts contradict each other, also those that do not lead to the question."""
    left = set(instance.facts[:, 0].tolist())
    while left:
        near = replace(instance, query=(left.pop(), 0, instance.query[2]))
        if not consistent(near):
            return False
        left -= set(np.flatnonzero(near.distance >= 0).tolist())
    return True


def _said(instance: TextInstance, row: int) -> str:
    a, offset, b = instance.facts[row].tolist()
    return f"{instance.names[a][:40]} is the {relation_word(offset)} of {instance.names[b][:40]}"


EDITS = {"turn": turn, "remove": remove, "harder": harder, "easier": easier}
