"""A formula as one who reads it from left to right has it: where the value of a subformula stands, and from when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from depthscope.core.encoding import NEVER, NOTHING, Encoding, Lesson
from depthscope.core.tasks.logic.generate import FormulaArrays, token_lesson
from depthscope.core.tasks.logic.instance import AND, BINARY, OR, LogicInstance


def places(
    kind: np.ndarray, value: np.ndarray, left: np.ndarray, right: np.ndarray, position: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each subformula ends, and where its value is certain, as places among the tokens of the canonical text.

    A binary operator whose left side controls it (false under &, true under |) is certain at the operator, any other
    with its right side.

    Args:
        kind: (M,) vocabulary index of each subformula; formulas may follow each other.
        value: (M,) truth value.
        left: (M,) index of the left or only child among the M, -1 for none.
        right: (M,) index of the right child, -1 for none.
        position: (M,) place of the operator or atom.

    Returns:
        The place of its last token, (M,), and the first place by which its value is certain, (M,).
    """
    inner, binary = left >= 0, np.isin(kind, BINARY)
    final = np.where(right >= 0, right, left)[inner]  # the child that is read last
    controlling = np.where(kind == AND, 0, np.where(kind == OR, 1, -1))
    early = (binary & (np.where(inner, value[left], -2) == controlling))[inner]
    last, sure = position.copy(), position.copy()
    while True:
        ends, certain = last[final] + binary[inner], np.where(early, position[inner], sure[final])
        if np.array_equal(ends, last[inner]) and np.array_equal(certain, sure[inner]):
            return last, sure
        last[inner], sure[inner] = ends, certain


def as_read(instance: LogicInstance, encoding: Encoding) -> Encoding:
    """The tokens of a formula with each value at the last token of its subformula, known once it has been read so far.

    Where two end together, at `T` in `!T`, the larger has the token. After t steps t tokens have been read.
    """
    last, sure = places(instance.kind, instance.value, instance.left, instance.right, instance.position)
    value, known = np.full_like(encoding.value, NOTHING), np.full_like(encoding.known_from, NEVER)
    outer_last = slice(None, None, -1)  # of those at one place the first is the larger, and the last written stays
    value[last[outer_last] + 1], known[last[outer_last] + 1] = instance.value[outer_last], sure[outer_last] + 1
    value[0], known[0] = instance.label, sure[instance.root] + 1
    return replace(encoding, value=value, known_from=known)


def read_lesson(arrays: FormulaArrays) -> Lesson:
    """Formulas as [CLS] and their tokens, values where a reader has them, as `as_read` does for one."""
    lesson = token_lesson(arrays)
    start = np.searchsorted(arrays.formula, arrays.formula)
    left, right = (np.where(child >= 0, start + child, -1) for child in (arrays.left, arrays.right))
    last, sure = places(arrays.kind, arrays.value, left, right, arrays.position)
    value, known = np.full(lesson.value.shape, NOTHING), np.zeros(lesson.value.shape, np.int64)
    at = arrays.formula[::-1], last[::-1] + 1
    value[at], known[at] = arrays.value[::-1], sure[::-1] + 1
    root = arrays.parent < 0
    value[:, 0], known[:, 0] = arrays.value[root], sure[root] + 1
    return replace(lesson, value=torch.from_numpy(value), known_from=torch.from_numpy(known))
