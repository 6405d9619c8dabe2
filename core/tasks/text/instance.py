"""A text of family facts and a question, and its oracle: generations and facts between people, label, first step."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from depthscope.core.encoding import MAX_OFFSET, NEVER
from depthscope.core.tasks.spec import Problem

NAME = "text"
CONCEPT = "offset"

NAMES = (
    "Alice", "Bob", "Carol", "Dave", "Eve", "Frank", "Grace", "Henry", "Irene", "Jack", "Karen", "Leo", "Mia", "Nick",
    "Olivia", "Paul", "Quinn", "Rose", "Sam", "Tina",
)  # fmt: skip
"""The paper's names."""


def default_steps(difficulty: int, attention: str = "edges") -> int:
    """T when none are asked for: 2 * facts on the chain + 8, whatever the interface."""
    return 2 * difficulty + 8


def relation_word(offset: int) -> str:
    """The word for a number of generations: 1 parent, -1 child, 2 grandparent, ..., 0 sibling."""
    if offset == 0:
        return "sibling"
    base = "parent" if offset > 0 else "child"
    return base if abs(offset) == 1 else "great-" * (abs(offset) - 2) + "grand" + base


OFFSETS = (*(sign * size for size in range(1, MAX_OFFSET + 1) for sign in (1, -1)), 0)
RELATIONS = tuple(relation_word(offset) for offset in OFFSETS)
NOT_JOINED = MAX_OFFSET + 1
"""Value of the offset of people whom no facts join to the one asked about."""

OFFSET_OF = dict(zip(RELATIONS, OFFSETS, strict=True))
VOCABULARY = ("[PAD]", "[CLS]", "[SEP]", *NAMES, *RELATIONS, "is", "the", "of", "query", ":", ".")
"""The paper's tokens in its order."""

TOKEN = {word: i for i, word in enumerate(VOCABULARY)}
CLS, SEP = TOKEN["[CLS]"], TOKEN["[SEP]"]
FIRST_NAME, FIRST_RELATION = TOKEN[NAMES[0]], TOKEN[RELATIONS[0]]


@dataclass(frozen=True, eq=False)
class TextInstance(Problem):
    """Facts about people, in the order of the text, and a question about two of them.

    A fact or the question is a row (subject, offset, object): the subject is `offset` generations above the object,
    1 parent, -1 child, 0 sibling (of the same generation, as in the paper).

    Attributes:
        names: The people, m of them, any text.
        facts: (F, 3) int64 rows (subject, offset, object), offset in -1..1.
        query: (subject, offset, object) that is asked.
        notes: Sentences about what reading changed.
    """

    names: tuple[str, ...]
    facts: np.ndarray
    query: tuple[int, int, int]
    notes: tuple[str, ...] = field(default=(), compare=False)

    task = NAME
    concept = CONCEPT

    def __post_init__(self) -> None:
        if self.facts.ndim != 2 or self.facts.shape[1] != 3:
            raise ValueError(f"facts have shape {self.facts.shape}, expected (F, 3)")
        m = len(self.names)
        people = np.concatenate([self.facts[:, [0, 2]].ravel(), [self.query[0], self.query[2]]])
        if not ((people >= 0) & (people < m)).all():
            raise ValueError(f"facts and query must speak of {m} people")

    @property
    def n_names(self) -> int:
        """Number of people, m."""
        return len(self.names)

    @cached_property
    def _spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Facts between the queried person and each other, and generations between them, breadth first."""
        near: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for a, offset, b in self.facts.tolist():
            near[a].append((b, offset))
            near[b].append((a, -offset))
        distance = np.full(self.n_names, -1, dtype=np.int64)
        offsets = np.zeros(self.n_names, dtype=np.int64)
        start = self.query[0]
        distance[start], front = 0, [start]
        while front:
            coming = []
            for a in front:
                for b, offset in near[a]:
                    if distance[b] < 0:
                        distance[b], offsets[b] = distance[a] + 1, offsets[a] + offset
                        coming.append(b)
            front = coming
        return distance, offsets

    @property
    def distance(self) -> np.ndarray:
        """Fewest facts that join the queried person to each, (m,) int64, -1 where none do."""
        return self._spread[0]

    @property
    def offset(self) -> np.ndarray:
        """Generations that the queried person is above each, (m,) int64; 0 where no facts join them."""
        return self._spread[1]

    @property
    def label(self) -> int | None:
        """1 if the facts give the generations that are asked for, 0 if others; None if no facts join the two."""
        _, asked, person = self.query
        return int(self.offset[person] == asked) if self.distance[person] >= 0 else None

    @property
    def difficulty(self) -> int | None:
        """Facts on the chain between the two; None if there is none."""
        length = int(self.distance[self.query[2]])
        return length if length >= 0 else None

    @property
    def default_steps(self) -> int:
        """Steps run when none are asked for: 2 * facts on the chain + 8; 64 where there is no chain."""
        return 64 if self.difficulty is None else default_steps(self.difficulty)

    @property
    def sentence(self) -> str:
        """What is asked, as a sentence."""
        a, asked, b = self.query
        return f"Is {self.names[a]} the {relation_word(asked)} of {self.names[b]}?"

    def first_decidable_step(self) -> int:
        """First t at which t facts from the queried person decide; NEVER if they never do."""
        return NEVER if self.difficulty is None else self.difficulty

    def ceiling(self, steps: int) -> np.ndarray:
        """Expected accuracy of the observer of T = 1..steps along facts and equal names, (steps,).

        It decides once every fact of the chain lies within T edges of the question's object, from either end of the
        chain (the question's own two names are neighbours); else it tosses a coin.
        """
        chain = self.difficulty
        return np.where(np.arange(1, steps + 1) > (NEVER if chain is None else chain), 1.0, 0.5)


def oracle(instance: TextInstance) -> dict[str, Any]:
    """Facts and generations between the one asked about and every other person, and the first step that decides."""
    first = instance.first_decidable_step()
    return {
        "concept": instance.concept,
        "from": instance.names[instance.query[0]],
        "facts": _by_name(instance, instance.distance),
        "offset": _by_name(instance, instance.offset),
        "first_decidable_step": None if first == NEVER else first,
    }


def _by_name(instance: TextInstance, values: np.ndarray) -> dict[str, int | None]:
    """Name to value; None for those whom nothing joins to the question."""
    joined = instance.distance >= 0
    return {name: int(v) if has else None for name, v, has in zip(instance.names, values, joined, strict=True)}


def oracle_words(known: dict[str, Any]) -> str:
    """The same as a sentence."""
    steps = [known["facts"][name] for name in known["offset"]]
    far = ", ".join(
        f"{name} -" if step is None else f"{name} {step} {offset:+d}".replace("+0", "0")
        for (name, offset), step in zip(known["offset"].items(), steps, strict=True)
    )
    return f"facts and generations from {known['from']}: {far}; decidable from step {known['first_decidable_step']}"
