"""The edges of a graph as an interface shows them, and those on a shortest path from source to target."""

from __future__ import annotations

import networkx as nx
import numpy as np

from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.tasks.graph.instance import GraphInstance, hop_distances
from depthscope.core.tasks.paths import Routes


def shortest(instance: GraphInstance) -> tuple[np.ndarray, np.ndarray]:
    """Edges of a graph, (2, E), and which lie on a shortest path from source to target, (E,)."""
    edges, hops = instance.edges.T, instance.distance
    to_target = hop_distances(instance.n_nodes, instance.edges[:, ::-1], instance.target)
    on = (hops[edges[0]] >= 0) & (to_target[edges[1]] >= 0)
    on &= hops[edges[0]] + 1 + to_target[edges[1]] == hops[instance.target]
    return edges, on


def paths(instance: GraphInstance, encoding: Encoding) -> Routes:
    """Its edges, and those on a shortest path; over tokens also what joins the tokens of one node."""
    edges, (pairs, on) = instance.edges, shortest(instance)
    behind, length = instance.distance, instance.distance[instance.target]
    hop = np.where(on, behind[pairs[1]], NEVER)
    cuts = _cuts(instance, np.flatnonzero(on))
    if encoding.edge_index is not None:
        return Routes(pairs[::-1], hop, hop, pairs[::-1], np.arange(len(edges)), cuts)
    # over tokens: the two ends of an edge, and the tokens of one node (an edge comes in from the one it follows)
    node = encoding.instance_node
    row = {pair: i for i, pair in enumerate(map(tuple, edges.tolist()))}
    unit = np.full(encoding.n_nodes, -1)
    unit[2:] = np.repeat([row[a, b] for a, b in node[2:].reshape(-1, 2).tolist()], 2)
    place = np.arange(encoding.n_nodes)
    tails, heads = place[2::2], place[3::2]
    own = np.stack([heads, tails])  # (2, E), in the order of the tokens
    arrives = np.concatenate([[0], heads])  # where a node is what is reached
    leaves = np.concatenate([tails, [1]])  # where it is what goes on, or is asked for
    q, k = np.nonzero(node[leaves][:, None] == node[arrives][None])
    same = np.stack([leaves[q], arrives[k]])
    token_hop = np.where(unit >= 0, hop[np.maximum(unit, 0)], NEVER)
    token_hop[0], token_hop[1] = (0, length) if length >= 0 else (NEVER, NEVER)
    both = (token_hop[same] != NEVER).all(0)
    joint = np.where(both, np.maximum(token_hop[same[1]], 1), NEVER)  # no sooner than it has come in
    span = np.concatenate([own, own[::-1]], axis=1)
    return Routes(
        np.concatenate([own, same], axis=1),
        np.concatenate([hop[unit[tails]], joint]),
        hop,
        span,
        np.concatenate([unit[tails]] * 2),
        cuts,
    )


def _cuts(instance: GraphInstance, on: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Each bridge on the path, or else one least set of edges without which there is no path."""
    if not len(on):
        return ()
    edges = instance.edges
    bridges = []
    for row in on.tolist():
        without = hop_distances(instance.n_nodes, np.delete(edges, row, axis=0), instance.source)
        if without[instance.target] < 0:
            bridges.append((row,))
    if bridges or instance.source == instance.target:
        return tuple(bridges)
    row_of = {pair: i for i, pair in enumerate(map(tuple, edges.tolist()))}
    graph = nx.DiGraph(edges.tolist())
    return (tuple(sorted(row_of[pair] for pair in nx.minimum_edge_cut(graph, instance.source, instance.target))),)
