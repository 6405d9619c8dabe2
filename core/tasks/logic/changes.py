"""Changes to a formula that keep the answer, and others that turn it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.tasks.changes import Change, different, searched, twin
from depthscope.core.tasks.logic.build import Builder, rebuilt
from depthscope.core.tasks.logic.grammar import parse
from depthscope.core.tasks.logic.instance import F, LogicInstance, T
from depthscope.core.tasks.logic.twin import decides


def twice(formula: LogicInstance, rng: np.random.Generator) -> LogicInstance:
    """The formula joined to itself by &."""
    del rng
    return parse(f"({formula.text}&{formula.text})")


def mirror(formula: LogicInstance, rng: np.random.Generator) -> LogicInstance:
    """The same formula, the two sides of every operator swapped by a coin."""

    def make(builder: Builder, i: int, left: int, right: int) -> int:
        if right >= 0 and rng.random() < 0.5:
            left, right = right, left
        return builder.add(int(formula.kind[i]), left, right)

    return rebuilt(formula, make)


def matched(formula: LogicInstance, rng: np.random.Generator) -> LogicInstance:
    """A formula with the other value and the same counts of every symbol: a T and an F change places.

    Raises:
        InputError: If none was found.
    """
    atoms = np.flatnonzero(formula.left < 0)
    deciding = atoms[decides(formula)[atoms]]
    return searched(formula, different(deciding, atoms, formula.kind), _swapped, rng)


def _swapped(formula: LogicInstance, one: int, other: int) -> LogicInstance:
    kind = formula.kind.copy()
    kind[one], kind[other] = T + F - kind[one], T + F - kind[other]
    return replace(formula, kind=kind)


CHANGES = (
    Change("mirror", "sides of operators swapped", True, mirror),
    Change("twice", "(f & f)", True, twice),
    Change("twin", "one atom flipped", False, twin),
    Change("matched", "a T and an F change places", False, matched),
)
