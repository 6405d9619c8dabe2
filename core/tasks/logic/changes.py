"""Changes to a formula that keep the answer, and others that turn it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.tasks.changes import Change, searched, twin
from depthscope.core.tasks.logic.grammar import parse
from depthscope.core.tasks.logic.instance import NOT, VOCABULARY, F, LogicInstance, T
from depthscope.core.tasks.logic.twin import decides


def twice(formula: LogicInstance, rng: np.random.Generator) -> LogicInstance:
    """The formula joined to itself by &."""
    del rng
    return parse(f"({formula.text}&{formula.text})")


def mirror(formula: LogicInstance, rng: np.random.Generator) -> LogicInstance:
    """The same formula, the two sides of every operator swapped by a coin."""
    written = [""] * formula.n_subformulas
    for i in formula.bottom_up:
        kind, a, b = int(formula.kind[i]), int(formula.left[i]), int(formula.right[i])
        if a < 0:
            written[i] = VOCABULARY[kind]
        elif kind == NOT:
            written[i] = VOCABULARY[kind] + written[a]
        else:
            a, b = (b, a) if rng.random() < 0.5 else (a, b)
            written[i] = f"({written[a]}{VOCABULARY[kind]}{written[b]})"
    return parse(written[formula.root])


def matched(formula: LogicInstance, rng: np.random.Generator) -> LogicInstance:
    """A formula with the other value and the same counts of every symbol: a T and an F change places.

    Raises:
        InputError: If none was found.
    """
    return searched(formula, _atoms(formula), _swapped, rng)


def _atoms(formula: LogicInstance) -> np.ndarray:
    """Pairs of an atom that decides and one of the other value, (P, 2)."""
    atoms = np.flatnonzero(formula.left < 0)
    deciding = atoms[decides(formula)[atoms]]
    one, other = np.meshgrid(deciding, atoms, indexing="ij")
    pairs = np.stack([one.ravel(), other.ravel()], axis=1)
    return pairs[formula.kind[pairs[:, 0]] != formula.kind[pairs[:, 1]]]


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
