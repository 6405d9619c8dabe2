"""The twin of a formula: one atom flipped, and the value of the whole turns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks.logic.instance import VOCABULARY, F, LogicInstance, T


def twin(instance: LogicInstance, seed: int = 0) -> tuple[LogicInstance, str]:
    """A formula with the other value that differs in one atom, the deepest that decides.

    Args:
        instance: Any formula.
        seed: Which of the deepest.

    Returns:
        The twin and a sentence on what was changed.

    Raises:
        InputError: If no single atom turns the value.
    """
    deciding = np.flatnonzero(decides(instance) & (instance.left < 0))
    if not len(deciding):
        raise InputError("this formula has no twin: no single atom turns its value")
    deepest = deciding[instance.level[deciding] == instance.level[deciding].max()]
    atom = int(np.random.default_rng(seed).choice(deepest))
    flipped = _flipped(instance, atom)
    before, after = VOCABULARY[instance.kind[atom]], VOCABULARY[flipped.kind[atom]]
    return flipped, f"{before} became {after} at token {instance.position[atom] + 1}"


def _flipped(instance: LogicInstance, atom: int) -> LogicInstance:
    kind = instance.kind.copy()
    kind[atom] = F if kind[atom] == T else T
    return replace(instance, kind=kind)


def decides(instance: LogicInstance) -> np.ndarray:
    """Whether turning a subformula's value would turn the whole, all else equal, (m,) bool."""
    turns = np.zeros(instance.n_subformulas, dtype=bool)
    turns[instance.root] = True
    for i in instance.bottom_up[-2::-1]:
        turns[i] = turns[instance.parent[i]] and instance.passes(i)
    return turns


def same_answer(instance: LogicInstance, seed: int) -> LogicInstance | None:
    """The formula with an atom flipped that decides nothing; None if every atom decides."""
    silent = np.flatnonzero(~decides(instance) & (instance.left < 0))
    if not len(silent):
        return None
    return _flipped(instance, int(np.random.default_rng(seed).choice(silent)))


def identify(instance: LogicInstance, node: int) -> tuple[tuple[int, int], str]:
    """A subformula is its place in a formula of the same shape, called by its token and the token's place."""
    called = f"{VOCABULARY[int(instance.kind[node])]} at {int(instance.position[node]) + 1}"
    return (instance.n_subformulas, node), called
