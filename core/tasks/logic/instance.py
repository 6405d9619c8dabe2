"""A formula as a tree, and its oracle: value, depth, kappa and earliest step of every subformula."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from depthscope.core.tasks.spec import unasked

NAME = "logic"
CONCEPT = "value"
VOCABULARY = ("[PAD]", "[CLS]", "T", "F", "&", "|", "!", "(", ")", "^")
PAD, CLS, T, F, AND, OR, NOT, OPEN, CLOSE, XOR = range(10)
BINARY = (AND, OR, XOR)


def default_steps(difficulty: int, attention: str = "edges") -> int:
    """T when none are asked for: 3 * depth + 12, whatever the interface."""
    return 3 * difficulty + 12


def bracket_depth(tokens: np.ndarray) -> np.ndarray:
    """Open brackets around each token, a bracket counted inside itself; (..., n) -> (..., n)."""
    opened = np.cumsum(tokens == OPEN, axis=-1)
    closed = np.cumsum(tokens == CLOSE, axis=-1)
    return opened - closed + (tokens == CLOSE)


@dataclass(frozen=True)
class Forest:
    """The subformulas of one or several formulas.

    Attributes:
        formula: (M,) index of the formula.
        kind: (M,) vocabulary index.
        value: (M,) truth value; -1 if no value is known.
        left: (M,) index of the left or only child among the M, -1 for none.
        right: (M,) index of the right child, -1 for none.
        levels: Indices of the subformulas at each distance from their root.
    """

    formula: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    left: np.ndarray
    right: np.ndarray
    levels: list[np.ndarray]

    def decided_from(self, cost_of_not: int = 1) -> np.ndarray:
        """Fewest top levels that fix each value (Kleene evaluation, all below unknown), (M,) int32.

        Args:
            cost_of_not: Levels that a `!` counts for.
        """
        decided, left, right, value = np.zeros(len(self.kind), dtype=np.int32), self.left, self.right, self.value
        controlling = np.where(self.kind == AND, 0, np.where(self.kind == OR, 1, -2))
        for level in self.levels[::-1]:
            one, two = level[self.kind[level] == NOT], level[right[level] >= 0]
            decided[one] = decided[left[one]] + cost_of_not
            a, b = left[two], right[two]
            late, early = np.maximum(decided[a], decided[b]), np.minimum(decided[a], decided[b])
            a_sure, b_sure = value[a] == controlling[two], value[b] == controlling[two]
            sure = np.where(a_sure & b_sure, early, np.where(a_sure, decided[a], decided[b]))
            decided[two] = 1 + np.where(a_sure | b_sure, sure, late)
        return decided

    def canonical(self) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of each canonical text, (B, n), 0 where padded, and the place of each operator or atom, (M,)."""
        left, right, binary = self.left, self.right, np.isin(self.kind, BINARY)
        size = 1 + 2 * binary
        for level in self.levels[::-1]:
            for child in (left, right):
                has = level[child[level] >= 0]
                size[has] += size[child[has]]
        start, position = np.zeros_like(size), np.zeros_like(size)
        for level in self.levels:
            position[level] = start[level]
            inner = level[left[level] >= 0]
            start[left[inner]] = start[inner] + 1
            two = level[right[level] >= 0]
            position[two] = start[two] + 1 + size[left[two]]
            start[right[two]] = position[two] + 1
        roots = self.levels[0]
        tokens = np.zeros((len(roots), int(size[roots].max())), dtype=np.int64)
        tokens[self.formula, position] = self.kind
        tokens[self.formula[binary], start[binary]] = OPEN
        tokens[self.formula[binary], (start + size - 1)[binary]] = CLOSE
        return tokens, position


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

    task = NAME
    concept = CONCEPT

    def __post_init__(self) -> None:
        shapes = {self.kind.shape, self.left.shape, self.right.shape}
        if len(shapes) != 1:
            raise ValueError(f"kind, left and right differ in shape: {sorted(map(str, shapes))}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LogicInstance):
            return NotImplemented
        pairs = ((self.kind, other.kind), (self.left, other.left), (self.right, other.right))
        return self.root == other.root and all(np.array_equal(a, b) for a, b in pairs)

    def __hash__(self) -> int:
        return hash((self.kind.tobytes(), self.left.tobytes(), self.right.tobytes(), self.root))

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

    @cached_property
    def forest(self) -> Forest:
        """The formula as a forest of one tree."""
        levels = [np.array([self.root])]
        while len(levels[-1]):
            children = np.concatenate([self.left[levels[-1]], self.right[levels[-1]]])
            levels.append(children[children >= 0])
        return Forest(np.zeros_like(self.kind), self.kind, self.value, self.left, self.right, levels[:-1])

    @cached_property
    def kappa(self) -> int:
        """Fewest top levels of binary operators that fix the value of the whole formula; `!` adds none."""
        return int(self.forest.decided_from(0)[self.root])

    @cached_property
    def decided_from(self) -> np.ndarray:
        """First step at which each subformula is decidable when one step carries one tree level, (m,) int32.

        Here `!` costs a step, since it is a node of its own in the tree.
        """
        return self.forest.decided_from()

    @cached_property
    def level(self) -> np.ndarray:
        """Distance of each subformula from the root in the tree, `!` counted, (m,) int32."""
        level = np.zeros(len(self.kind), dtype=np.int32)
        for distance, members in enumerate(self.forest.levels):
            level[members] = distance
        return level

    @cached_property
    def depth(self) -> int:
        """Binary operators on the deepest path; `!` adds none."""
        unknown = replace(self.forest, value=np.full(len(self.kind), -1))
        return int(unknown.decided_from(0)[self.root])

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
    def _canonical(self) -> tuple[np.ndarray, np.ndarray]:
        tokens, position = self.forest.canonical()
        return tokens[0], position

    @property
    def token_ids(self) -> np.ndarray:
        """Vocabulary indices of the canonical text, (n_tokens,) int64, without [CLS]."""
        return self._canonical[0]

    @property
    def position(self) -> np.ndarray:
        """Index of each subformula's operator or atom in `token_ids`, (m,) int64, increasing."""
        return self._canonical[1]

    @cached_property
    def text(self) -> str:
        """Canonical text: every binary operator in brackets, no spaces."""
        return "".join(VOCABULARY[i] for i in self.token_ids)

    def ceiling(self, steps: int) -> np.ndarray:
        """Expected accuracy of the observer of T = 1..steps on the tree, (steps,): 1 once decidable, else a coin."""
        return np.where(np.arange(1, steps + 1) >= self.first_decidable_step(), 1.0, 0.5)

    def first_decidable_step(self) -> int:
        """First T at which the top T levels of the tree fix the value."""
        return int(self.decided_from[self.root])

    def question(self) -> dict[str, str]:
        """Nothing: a formula asks for its own value."""
        return {}

    def asked(self, **question: str | None) -> LogicInstance:
        """The formula itself, if nothing is asked."""
        return unasked(self, question)


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
