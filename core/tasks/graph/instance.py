"""A directed graph with a source and a target, and its oracle: hop distances, label, first decidable step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from depthscope.core.errors import InputError
from depthscope.core.tasks.spec import Problem

NAME = "graph"
CONCEPT = "reached"
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")

CHOSEN = ("No source ", "No target ")
"""How a note begins that says which ends were chosen because none were given; other ends make it untrue."""


def default_steps(difficulty: int, attention: str = "edges") -> int:
    """T when none are asked for: hops + 8.

    Over the tokens of a graph a hop takes two steps, to the other end of an edge and to the equal token.
    """
    return difficulty * (2 if attention == "full" else 1) + 8


def hop_distances(n_nodes: int, edges: np.ndarray, start: int | np.ndarray) -> np.ndarray:
    """Fewest hops along directed edges from the nearest start node to every node.

    Args:
        n_nodes: Number of nodes, n.
        edges: (E, 2) pairs (from, to).
        start: One node or several.

    Returns:
        (n,) int64, -1 where there is no path.
    """
    matrix = csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n_nodes, n_nodes))
    hops = dijkstra(matrix, unweighted=True, indices=np.atleast_1d(start), min_only=True)
    return np.where(np.isinf(hops), -1, hops).astype(np.int64)


@dataclass(frozen=True, eq=False)
class GraphInstance(Problem):
    """A directed graph with a source and a target.

    Attributes:
        names: Label of each node, n of them, any text.
        edges: (E, 2) int64 pairs (from, to), without repeats and self-loops.
        source: Index of the source node.
        target: Index of the target node.
        notes: Sentences about what reading the file changed (undirected edges doubled, loops dropped, ...).
    """

    names: tuple[str, ...]
    edges: np.ndarray
    source: int
    target: int
    notes: tuple[str, ...] = field(default=(), compare=False)

    task = NAME
    concept = CONCEPT

    def __post_init__(self) -> None:
        if self.edges.ndim != 2 or self.edges.shape[1] != 2:
            raise ValueError(f"edges have shape {self.edges.shape}, expected (E, 2)")
        n = len(self.names)
        if not (0 <= self.source < n and 0 <= self.target < n):
            raise ValueError(f"source {self.source} and target {self.target} must be among {n} nodes")

    @property
    def n_nodes(self) -> int:
        """Number of nodes, n."""
        return len(self.names)

    @cached_property
    def distance(self) -> np.ndarray:
        """Hops from the source to each node, (n,) int64, -1 where there is no path."""
        return hop_distances(self.n_nodes, self.edges, self.source)

    @cached_property
    def target_ancestor_depth(self) -> int:
        """Hops from the farthest ancestor of the target to it; below T steps the ancestors are exhausted."""
        return int(hop_distances(self.n_nodes, self.edges[:, ::-1], self.target).max())

    @property
    def label(self) -> int:
        """1 if the target is reachable from the source."""
        return int(self.distance[self.target] >= 0)

    @property
    def difficulty(self) -> int | None:
        """Hops from source to target; None if there is no path."""
        hops = int(self.distance[self.target])
        return hops if hops >= 0 else None

    @property
    def default_steps(self) -> int:
        """Steps run when none are asked for: distance + 8, at least 64 where there is no path."""
        if self.difficulty is not None:
            return default_steps(self.difficulty)
        return max(64, default_steps(self.target_ancestor_depth))

    def first_decidable_step(self) -> int:
        """First T at which the observer can answer.

        Source: the project's observer: reachable if the source lies within T hops upstream, unreachable if the
        target's ancestors are exhausted in fewer than T hops.
        """
        return self.difficulty if self.difficulty is not None else self.target_ancestor_depth + 1

    def question(self) -> dict[str, str]:
        """Names of the source and the target."""
        return {"source": self.names[self.source], "target": self.names[self.target]}

    def asked(  # pyright: ignore[reportIncompatibleMethodOverride]  # its question has these parts alone
        self, source: str | None = None, target: str | None = None
    ) -> GraphInstance:
        """The same graph with another source or target, by name.

        Raises:
            InputError: If a name is not a node.
        """
        index = {name: i for i, name in enumerate(self.names)}
        for role, name in (("source", source), ("target", target)):
            if name is not None and name not in index:
                known = ", ".join(repr(x[:40]) for x in self.names[:5])
                raise InputError(f"the {role} {name[:80]!r} is not a node of this graph (nodes: {known}, ...)")
        return replace(
            self,
            source=self.source if source is None else index[source],
            target=self.target if target is None else index[target],
            notes=tuple(note for note in self.notes if not note.startswith(CHOSEN)),
        )


def oracle(instance: GraphInstance) -> dict[str, Any]:
    """Hops from the source to every node, and the first step at which the answer can be known."""
    distance = [int(d) if d >= 0 else None for d in instance.distance]
    far = dict(zip(instance.names, distance, strict=True))
    return {"concept": instance.concept, "distance": far, "first_decidable_step": instance.first_decidable_step()}


def oracle_words(known: dict[str, Any]) -> str:
    """The same as a sentence."""
    far = ", ".join(f"{name} {'-' if d is None else d}" for name, d in known["distance"].items())
    return f"hops from the source: {far}; decidable from step {known['first_decidable_step']}"
