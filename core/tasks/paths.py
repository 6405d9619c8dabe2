"""Where the answer has to come along: the links of an instance as an interface shows them, and those on the path.

Over tokens a link joins the tokens that stand for its two ends. Which pairs these are each task says; what attention or
influence does with them is the instruments'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, Encoding


@dataclass(frozen=True)
class Routes:
    """The links of one instance, and which lie on the answer's path.

    A unit is what the task calls one: an edge of the graph, a child in the tree, a fact of the text.

    Attributes:
        pairs: (2, P) links (query, key), without those of a node to itself.
        from_step: (P,) step from which a link can carry what the answer needs; NEVER off the path.
        hop: (U,) the same of each unit.
        span: (2, K) pairs through which a unit passes directly: cutting them cuts it.
        span_unit: (K,) unit of each.
        cuts: Sets of units; each alone parts the answer from what decides it. Empty where there is no path.
    """

    pairs: np.ndarray
    from_step: np.ndarray
    hop: np.ndarray
    span: np.ndarray
    span_unit: np.ndarray
    cuts: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        for pairs, with_it in (("pairs", "from_step"), ("span", "span_unit")):
            shape, expected = getattr(self, pairs).shape, (2, *getattr(self, with_it).shape)
            if shape != expected:
                raise ValueError(f"{pairs} has shape {shape}, but {with_it} makes it {expected}")

    def nodes(self, n_nodes: int) -> np.ndarray:
        """Whether a node is the end of a link on the path, (n,) bool."""
        on = np.zeros(n_nodes, dtype=bool)
        on[self.pairs[:, self.from_step != NEVER]] = True
        return on

    def cut_pairs(self, units: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Pairs (query, key) that part some units from the rest, as an edit takes them."""
        mine = self.span[:, np.isin(self.span_unit, units)]
        return tuple((int(q), int(k)) for q, k in mine.T)


def routes(instance: Any, encoding: Encoding, config: ModelConfig) -> Routes:
    """The links of an instance as a model with this config is shown it, and those on the path; none without a path."""
    task = tasks.get(instance.task)
    if task.paths is None:
        none, pairs = np.zeros(0, dtype=np.int64), np.zeros((2, 0), dtype=np.int64)
        return Routes(pairs, none, none, pairs, none, ())
    return task.paths(task.as_given(instance, config), encoding)
