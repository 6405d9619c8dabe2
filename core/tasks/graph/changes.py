"""Changes to a graph that keep the answer, and one that turns it while every degree stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.tasks.changes import Change, rename, twin
from depthscope.core.tasks.graph.instance import GraphInstance


def permute(graph: GraphInstance, rng: np.random.Generator) -> GraphInstance:
    """The same graph, its nodes in another order; names and edges go along."""
    to = rng.permutation(graph.n_nodes)
    names = tuple(graph.names[i] for i in np.argsort(to))
    return replace(
        graph, names=names, edges=to[graph.edges], source=int(to[graph.source]), target=int(to[graph.target])
    )


def shuffle(graph: GraphInstance, rng: np.random.Generator) -> GraphInstance:
    """The same graph, its edges in another order."""
    return replace(graph, edges=rng.permutation(graph.edges))


CHANGES = (
    Change("rename", "names permuted", True, rename),
    Change("permute", "nodes in another order", True, permute),
    Change("shuffle", "edges in another order", True, shuffle),
    Change("twin", "two edges swap ends, degrees stay", False, twin),
)
