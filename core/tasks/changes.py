"""Changes to an instance that keep its answer, and others that turn it while every count stays.

Each task declares its own (`Task.changes`) in its folder; what a model makes of them is measured in
`probes.instruments.invariances`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks import twins

TRIES = 60
"""Pairs that are tried in the search for a twin whose counts are matched."""

Make = Callable[[Any, np.random.Generator], Any]
"""An instance and random numbers to the changed instance; InputError where there is none."""


@dataclass(frozen=True)
class Change:
    """A change.

    Attributes:
        name: Its name.
        title: What is done, in words.
        keeps: Whether the answer stays; it turns otherwise.
        make: Does it.
    """

    name: str
    title: str
    keeps: bool
    make: Make


def rename(instance: Any, rng: np.random.Generator) -> Any:
    """The same instance, its names permuted."""
    return replace(instance, names=tuple(instance.names[i] for i in rng.permutation(len(instance.names))))


def twin(instance: Any, rng: np.random.Generator) -> Any:
    """The twin of `core.tasks.twins`."""
    return twins.find(instance, int(rng.integers(1 << 30))).instance


def different(ones: np.ndarray, others: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Pairs of one and another whose kinds differ, (P, 2)."""
    pairs = np.stack(np.meshgrid(ones, others, indexing="ij"), axis=-1).reshape(-1, 2)
    return pairs[kinds[pairs[:, 0]] != kinds[pairs[:, 1]]]


def searched(
    instance: Any,
    pairs: np.ndarray,
    swapped: Callable[[Any, int, int], Any],
    rng: np.random.Generator,
    sound: Callable[[Any], bool] = lambda other: True,
) -> Any:
    """The first instance with the other answer among those in which a pair is swapped.

    Args:
        instance: Has an answer, if there is a pair.
        pairs: (P, 2) what may be swapped.
        swapped: Gives the instance with a pair swapped.
        rng: Orders the pairs.
        sound: Whether an instance may stand.

    Raises:
        InputError: If none of TRIES was one.
    """
    for i in rng.permutation(len(pairs))[:TRIES]:
        other = swapped(instance, *pairs[i].tolist())
        if other.label == 1 - instance.label and sound(other):
            return other
    raise InputError("no swap of two that keeps all counts turns the answer")
