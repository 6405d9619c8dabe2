"""The logic task: what is the value of a formula?

Owns the formula as a tree, its oracle (value and earliest step of every subformula), how it becomes nodes for a model,
and its text form. The generators are in `core.tasks.logic_data`, the grammar in `core.tasks.logic_grammar`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

TASK = "logic"
CONCEPT = "value"
VOCABULARY = ("[PAD]", "[CLS]", "T", "F", "&", "|", "!", "(", ")", "^")
PAD, CLS, T, F, AND, OR, NOT, OPEN, CLOSE, XOR = range(10)
BINARY = (AND, OR, XOR)


@dataclass(frozen=True)
class LogicInstance:
    """A formula over T, F, & | ^ and !, as a tree of subformulas in the order of their tokens.

    The canonical text brackets every binary operator and nothing else: `((T&F)|!(T^T))`; `text` is this text.

    Attributes:
        kind: (m,) int8 vocabulary index (T, F, AND, OR, XOR, NOT) of each subformula, ordered by the position of its
            operator or atom in the canonical text.
        left: (m,) int32 index of the left (or only) child, -1 for atoms.
        right: (m,) int32 index of the right child, -1 for atoms and NOT.
        root: Index of the whole formula.
        notes: Sentences about what reading rewrote (variables replaced, => rewritten, ...).
    """

    kind: np.ndarray
    left: np.ndarray
    right: np.ndarray
    root: int
    notes: tuple[str, ...] = field(default=(), compare=False)

    task = TASK
    concept = CONCEPT

    def __post_init__(self) -> None:
        shapes = {self.kind.shape, self.left.shape, self.right.shape}
        if len(shapes) != 1:
            raise ValueError(f"kind, left and right differ in shape: {sorted(map(str, shapes))}")

    @property
    def n_subformulas(self) -> int:
        """Number of subformulas, m."""
        return len(self.kind)

    @cached_property
    def bottom_up(self) -> np.ndarray:
        """Indices of all subformulas, children before parents, (m,)."""
        order, stack = [], [self.root]
        while stack:
            i = stack.pop()
            order.append(i)
            stack.extend(int(c) for c in (self.left[i], self.right[i]) if c >= 0)
        return np.array(order[::-1])

    @cached_property
    def value(self) -> np.ndarray:
        """Truth value of each subformula, (m,) int8."""
        value = np.zeros(len(self.kind), dtype=np.int8)
        for i in self.bottom_up:
            kind, a, b = self.kind[i], value[self.left[i]], value[self.right[i]]
            value[i] = {T: 1, F: 0, NOT: 1 - a, AND: a & b, OR: a | b, XOR: a ^ b}[int(kind)]
        return value
