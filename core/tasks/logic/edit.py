"""Edits of a formula: an atom flipped, an operator exchanged, a negation, a subformula grown or folded to its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks.logic.build import Builder, rebuilt
from depthscope.core.tasks.logic.instance import AND, BINARY, NOT, OR, VOCABULARY, XOR, F, LogicInstance, T

NEXT = {T: F, F: T, AND: OR, OR: XOR, XOR: AND}


def turn(instance: LogicInstance, i: int) -> tuple[LogicInstance, str]:
    """Flips an atom, or exchanges an operator for the next of & | ^."""
    before = int(instance.kind[i])
    if before not in NEXT:
        raise InputError("a negation has nothing to be exchanged for; take it away instead")
    kind = instance.kind.copy()
    kind[i] = NEXT[before]
    change = f"{VOCABULARY[before]} became {VOCABULARY[NEXT[before]]} at token {int(instance.position[i]) + 1}."
    return replace(instance, kind=kind), change


def negate(instance: LogicInstance, i: int) -> tuple[LogicInstance, str]:
    """Puts a negation before a subformula, or takes it away where i is one."""
    if instance.kind[i] == NOT:
        return _with(instance, i, lambda builder, part: builder.parts[part][1]), "A negation was taken away."
    sentence = f"{VOCABULARY[int(instance.kind[i])]} was negated."
    return _with(instance, i, lambda builder, part: builder.add(NOT, part)), sentence


def grow(instance: LogicInstance, i: int) -> tuple[LogicInstance, str]:
    """Makes x into (x&T) where x is true and (x|F) where it is false: deeper, and all values stay."""
    operator, other = (AND, T) if instance.value[i] else (OR, F)
    grown = _with(instance, i, lambda builder, part: builder.add(operator, part, builder.add(other)))
    return grown, f"A subformula was joined with {VOCABULARY[operator]}{VOCABULARY[other]}."


def fold(instance: LogicInstance, i: int) -> tuple[LogicInstance, str]:
    """Puts its value in the place of a subformula."""
    if instance.left[i] < 0:
        raise InputError("this is a value already; choose an operator to fold")
    value = T if instance.value[i] else F
    folded = _with(instance, i, lambda builder, part: builder.add(value))
    return folded, f"A subformula was folded to {VOCABULARY[value]}."


def harder(instance: LogicInstance) -> tuple[LogicInstance, str]:
    """Grows a deepest atom: one level deeper, and the value stays."""
    grown, _ = grow(instance, _deepest(instance, instance.left < 0))
    return grown, f"One level deeper: nesting depth {grown.depth}."


def easier(instance: LogicInstance) -> tuple[LogicInstance, str]:
    """Folds the deepest operators until the nesting depth is one less; the value stays."""
    if instance.depth == 0:
        raise InputError("this formula cannot be made easier: it has no operator left to fold")
    goal = instance.depth - 1
    while instance.depth > goal:
        instance, _ = fold(instance, _deepest(instance, np.isin(instance.kind, BINARY)))
    return instance, f"One level less: nesting depth {goal}."


def _deepest(instance: LogicInstance, among: np.ndarray) -> int:
    """The first of the chosen subformulas with the most binary operators above it."""
    above = np.zeros(instance.n_subformulas, dtype=np.int64)
    for i in instance.bottom_up[-2::-1]:
        parent = instance.parent[i]
        above[i] = above[parent] + (instance.kind[parent] in BINARY)
    return int(np.argmax(np.where(among, above, -1)))


def _with(instance: LogicInstance, i: int, change: Callable[[Builder, int], int]) -> LogicInstance:
    """The formula with another part in the place of a subformula."""

    def make(builder: Builder, j: int, left: int, right: int) -> int:
        part = builder.add(int(instance.kind[j]), left, right)
        return change(builder, part) if j == i else part

    return rebuilt(instance, make)


EDITS = {"turn": turn, "negate": negate, "grow": grow, "fold": fold, "harder": harder, "easier": easier}
