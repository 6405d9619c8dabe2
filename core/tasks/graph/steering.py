"""What is steered in a graph, and what should follow."""

from __future__ import annotations

import numpy as np

from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.tasks.graph.instance import GraphInstance, hop_distances
from depthscope.core.tasks.steering import Place, nodes_of

STEP = 3
"""Step at which a node is steered."""


def steering(instance: GraphInstance, encoding: Encoding, node: int) -> Place | None:
    """A node that the source never reaches is made "reached"; its unreached descendants should follow, a hop a step."""
    if instance.distance[node] >= 0:
        return None
    hops = hop_distances(instance.n_nodes, instance.edges, node)
    follows = (hops > 0) & (instance.distance < 0)
    far = np.where(encoding.carries, np.where(follows, hops, NEVER)[encoding.instance_node], NEVER)
    mine = nodes_of(encoding, node)
    return Place(mine, STEP, False, 0, 1, far, np.ones(encoding.n_nodes, dtype=np.int64)) if mine else None
