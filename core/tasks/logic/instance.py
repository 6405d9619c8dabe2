"""A formula as a tree, and its oracle: value, depth, kappa and earliest step of every subformula."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from depthscope.core.tasks.spec import Problem

NAME = "logic"
CONCEPT = "value"
VOCABULARY = ("[PAD]", "[CLS]", "T", "F", "&", "|", "!", "(", ")", "^")
PAD, CLS, T, F, AND, OR, NOT, OPEN, CLOSE, XOR = range(10)
BINARY = (AND, OR, XOR)
CONTROLLING = {AND: 0, OR: 1}
"""Value of one side that fixes an operator's."""


def default_steps(difficulty: int, attention: str = "edges") -> int:
    """T when none are asked for: 3 * depth + 12, whatever the interface."""
    return 3 * difficulty + 12


@dataclass(frozen=True, eq=False)
class LogicInstance(Problem):
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

    task = NAME
    concept = CONCEPT

    def __post_init__(self) -> None:
        shapes = {self.kind.shape, self.left.shape, self.right.shape}
        if len(shapes) != 1:
            raise ValueError(f"kind, left and right differ in shape: {sorted(map(str, shapes))}")

    @property
    def n_subformulas(self) -> int:
        """Number of subformulas, m."""
        return len(self.kind)

    def children(self, i: int) -> list[int]:
        """Indices of what a subformula joins or negates: two, one, or none of an atom."""
        return [int(child) for child in (self.left[i], self.right[i]) if child >= 0]

    @cached_property
    def bottom_up(self) -> np.ndarray:
        """Indices of all subformulas, children before parents, (m,)."""
        order, stack = [], [self.root]
        while stack:
            i = stack.pop()
            order.append(i)
            stack.extend(self.children(i))
        return np.array(order[::-1])

    @cached_property
    def value(self) -> np.ndarray:
        """Truth value of each subformula, (m,) int8."""
        value = np.zeros(len(self.kind), dtype=np.int8)
        for i in self.bottom_up:
            kind, a, b = self.kind[i], value[self.left[i]], value[self.right[i]]
            value[i] = {T: 1, F: 0, NOT: 1 - a, AND: a & b, OR: a | b, XOR: a ^ b}[int(kind)]
        return value

    def _levels(self, cost_of_not: int, controlling: dict[int, int]) -> np.ndarray:
        """Fewest top levels that fix each subformula's value (Kleene evaluation, all below unknown), (m,) int32.

        Args:
            cost_of_not: Levels that a `!` counts for.
            controlling: Value of one side that fixes an operator's, by its kind.
        """
        levels = np.zeros(len(self.kind), dtype=np.int32)
        for i in self.bottom_up:
            kind, children = int(self.kind[i]), self.children(i)
            if children:
                sure = [levels[c] for c in children if self.value[c] == controlling.get(kind)]
                levels[i] = min(sure) if sure else max(levels[c] for c in children)
                levels[i] += cost_of_not if kind == NOT else 1
        return levels

    @cached_property
    def kappa(self) -> int:
        """Fewest top levels of binary operators that fix the value of the whole formula; `!` adds none."""
        return int(self._levels(0, CONTROLLING)[self.root])

    @cached_property
    def decided_from(self) -> np.ndarray:
        """First step at which each subformula is decidable when one step carries one tree level, (m,) int32.

        Here `!` costs a step, since it is a node of its own in the tree.
        """
        return self._levels(1, CONTROLLING)

    @cached_property
    def depth(self) -> int:
        """Binary operators on the deepest path; `!` adds none."""
        return int(self._levels(0, {})[self.root])

    @cached_property
    def level(self) -> np.ndarray:
        """Distance of each subformula from the root in the tree, `!` counted, (m,) int32."""
        level = np.zeros(len(self.kind), dtype=np.int32)
        for i in self.bottom_up[::-1]:
            if self.parent[i] >= 0:
                level[i] = level[self.parent[i]] + 1
        return level

    def passes(self, i: int) -> bool:
        """Whether the operator above a subformula turns with its value, all else equal."""
        kind = int(self.kind[self.parent[i]])
        siblings = [c for c in self.children(self.parent[i]) if c != i]
        return kind not in CONTROLLING or all(self.value[c] != CONTROLLING[kind] for c in siblings)

    @cached_property
    def parent(self) -> np.ndarray:
        """Index of the operator above each subformula, (m,); -1 for the root."""
        parent = np.full(len(self.kind), -1)
        for child in (self.left, self.right):
            parent[child[child >= 0]] = np.flatnonzero(child >= 0)
        return parent

    @property
    def label(self) -> int:
        """Value of the whole formula."""
        return int(self.value[self.root])

    @property
    def difficulty(self) -> int:
        """Nesting depth."""
        return self.depth

    @property
    def default_steps(self) -> int:
        """Steps run when none are asked for: 3 * depth + 12."""
        return default_steps(self.depth)

    @cached_property
    def _layout(self) -> tuple[np.ndarray, np.ndarray]:
        """Canonical token ids, and the position of each subformula's operator or atom among them (0 = first token)."""
        size = np.ones(len(self.kind), dtype=np.int64)
        for i in self.bottom_up:
            size[i] += sum(size[self.children(i)]) + 2 * (int(self.kind[i]) in BINARY)
        start = np.zeros_like(size)
        position = np.zeros_like(size)
        ids = np.zeros(int(size[self.root]), dtype=np.int64)
        for i in self.bottom_up[::-1]:
            kind, a, b = int(self.kind[i]), int(self.left[i]), int(self.right[i])
            position[i] = start[i]
            if kind in BINARY:
                start[a] = start[i] + 1
                position[i] = start[a] + size[a]
                start[b] = position[i] + 1
                ids[start[i]], ids[start[i] + size[i] - 1] = OPEN, CLOSE
            elif kind == NOT:
                start[a] = start[i] + 1
            ids[position[i]] = kind
        return ids, position

    @property
    def token_ids(self) -> np.ndarray:
        """Vocabulary indices of the canonical text, (n_tokens,) int64, without [CLS]."""
        return self._layout[0]

    @property
    def position(self) -> np.ndarray:
        """Index of each subformula's operator or atom in `token_ids`, (m,) int64, increasing."""
        return self._layout[1]

    @cached_property
    def text(self) -> str:
        """Canonical text: every binary operator in brackets, no spaces."""
        return "".join(VOCABULARY[i] for i in self.token_ids)

    def first_decidable_step(self) -> int:
        """First T at which the top T levels of the tree fix the value."""
        return int(self.decided_from[self.root])


def oracle(instance: LogicInstance) -> dict[str, Any]:
    """Value of every subformula, from which step it can be known, and kappa."""
    return {
        "concept": instance.concept,
        "token": instance.position,
        "value": instance.value,
        "step": instance.decided_from,
        "kappa": instance.kappa,
        "first_decidable_step": instance.first_decidable_step(),
    }


def oracle_words(known: dict[str, Any]) -> str:
    """The same as a sentence."""
    values = "".join(str(int(v)) for v in known["value"])
    return (
        f"values of the subformulas in the order of their operators and atoms: {values}; "
        f"kappa {known['kappa']}; decidable from step {known['first_decidable_step']}"
    )
