"""Changes to a text that keep the answer, and others that turn it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.tasks.changes import Change, different, rename, searched, twin
from depthscope.core.tasks.text.instance import TextInstance
from depthscope.core.tasks.text.twin import chain, consistent


def shuffle(text: TextInstance, rng: np.random.Generator) -> TextInstance:
    """The same text, its facts in another order."""
    return replace(text, facts=rng.permutation(text.facts))


def restate(text: TextInstance, rng: np.random.Generator) -> TextInstance:
    """The same text, every fact said from its other end."""
    del rng
    return replace(text, facts=text.facts[:, ::-1] * np.array([1, -1, 1]))


def twice(text: TextInstance, rng: np.random.Generator) -> TextInstance:
    """The same text, all its facts said twice."""
    del rng
    return replace(text, facts=np.concatenate([text.facts, text.facts]))


def matched(text: TextInstance, rng: np.random.Generator) -> TextInstance:
    """A text with the other answer and the same counts of every word: two facts swap their relations.

    Raises:
        InputError: If there is no answer to turn, or none was found.
    """
    rows = np.array([] if text.label is None else chain(text), dtype=np.int64)
    return searched(text, different(rows, np.arange(len(text.facts)), text.facts[:, 1]), _swapped, rng, consistent)


def _swapped(text: TextInstance, one: int, other: int) -> TextInstance:
    facts = text.facts.copy()
    facts[[one, other], 1] = facts[[other, one], 1]
    return replace(text, facts=facts)


CHANGES = (
    Change("rename", "names permuted", True, rename),
    Change("shuffle", "facts in another order", True, shuffle),
    Change("restate", "facts said from the other end", True, restate),
    Change("twice", "all facts said twice", True, twice),
    Change("twin", "one fact changed", False, twin),
    Change("matched", "two facts swap relations", False, matched),
)
