"""Twins: the minimally different instance with the other answer, and which of many instances are twins.

What is least is the task's business: two edges swapped, one atom flipped, one fact changed. Drawn instances and a
user's own are paired alike, so that only what they hold says which belong together.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from depthscope.core import tasks
from depthscope.core.errors import InputError


@dataclass(frozen=True)
class Twin:
    """An instance with the other answer.

    Attributes:
        instance: The twin.
        change: A sentence on what differs.
    """

    instance: Any
    change: str


def find(instance: Any, seed: int = 0) -> Twin:
    """The twin of an instance; the same for the same seed.

    Raises:
        InputError: If there is none, with the reason.
    """
    task = tasks.get(instance.task)
    if task.twin is None:
        raise InputError(f"{task.words.nouns} have no twins: nothing says which change turns the answer")
    return Twin(*task.twin(instance, seed))


def shared(instance: Any) -> Hashable:
    """What an instance has in common with its twin; itself where twins have nothing else in common."""
    return tasks.get(instance.task).shared(instance)


def together(first: Any, second: Any) -> bool:
    """Whether two instances with the same `shared` are the same, or twins: with another answer, and least different."""
    return tasks.get(first.task).together(first, second)
