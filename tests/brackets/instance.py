"""A word of brackets, and its oracle: which bracket has its partner, which waits for one, which has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from depthscope.core.tasks.spec import Problem

NAME, CONCEPT = "brackets", "bracket"
OPENING, CLOSING = "([", ")]"
OPEN, CLOSED, WRONG = range(3)


def default_steps(difficulty: int, attention: str = "full") -> int:
    return 2 * difficulty + 4


@dataclass(frozen=True, eq=False)
class Brackets(Problem):
    """A word over ( ) [ ]; the answer is 1 if every bracket has its partner."""

    text: str
    notes: tuple[str, ...] = field(default=(), compare=False)

    task = NAME
    concept = CONCEPT

    @cached_property
    def matched(self) -> tuple[np.ndarray, np.ndarray]:
        """Class of each bracket, (n,), and its partner, (n,), -1 for none."""
        kind, partner, waiting = np.full(len(self.text), OPEN), np.full(len(self.text), -1), []
        for i, bracket in enumerate(self.text):
            if bracket in OPENING:
                waiting.append(i)
            elif waiting and OPENING.index(self.text[waiting[-1]]) == CLOSING.index(bracket):
                first = waiting.pop()
                kind[[first, i]], partner[first], partner[i] = CLOSED, i, first
            else:
                kind[i] = WRONG
        return kind, partner

    @property
    def whole(self) -> int:
        """Class of the word: wrong if a bracket is, else open if one is."""
        kind = self.matched[0]
        return WRONG if (kind == WRONG).any() else OPEN if (kind == OPEN).any() else CLOSED

    @cached_property
    def height(self) -> np.ndarray:
        """Pairs inside the one of each bracket, one over the other, and one more, (n,); those without: all of them."""
        kind, partner = self.matched
        height = np.zeros(len(self.text), dtype=np.int64)
        for i in range(len(self.text)):
            if partner[i] >= 0 and partner[i] < i:
                inside = height[partner[i] + 1 : i]
                height[[partner[i], i]] = 1 + (inside.max() if len(inside) else 0)
        return np.where(kind == CLOSED, height, height.max(initial=0) + 1)

    @property
    def label(self) -> int:
        return int(self.whole == CLOSED)

    @property
    def difficulty(self) -> int:
        depth, deepest = 0, 0
        for bracket in self.text:
            depth += 1 if bracket in OPENING else -1
            deepest = max(deepest, depth)
        return deepest

    @property
    def default_steps(self) -> int:
        return default_steps(self.difficulty)

    def first_decidable_step(self) -> int:
        return int(self.height.max(initial=0))
