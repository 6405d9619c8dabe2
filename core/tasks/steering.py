"""What is steered, and what should follow: each task says it of its own instances (`Task.steering`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthscope.core.encoding import NEVER, Encoding


@dataclass(frozen=True)
class Place:
    """One thing to steer, and what should follow.

    Attributes:
        nodes: The nodes that stand for it.
        step: t.
        lasting: Whether it is steered at every step from t on; a value that is computed anew each step has to be.
        before: Value that the nodes have.
        after: Value that they are given.
        distance: (n,) hops, levels or facts from it to each node that should follow; NEVER for all others.
        value: (n,) value that each should have then.
    """

    nodes: tuple[int, ...]
    step: int
    lasting: bool
    before: int
    after: int
    distance: np.ndarray
    value: np.ndarray

    @property
    def steps(self) -> int:
        """T: long enough for all that should follow, at two steps a hop."""
        far = self.distance[self.distance != NEVER]
        return self.step + 2 * int(far.max(initial=0)) + 4


def nodes_of(encoding: Encoding, unit: int) -> tuple[int, ...]:
    """The nodes that stand for a part of the instance."""
    return tuple(np.flatnonzero(encoding.instance_node == unit).tolist())
