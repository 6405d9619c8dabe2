"""Time of drawing audited graphs in batches, against a loop over networkx graphs that does the same to each.

    python -m benchmarks.speed.generation [--rounds 5] [--json]

The loop follows the generator step by step: a path, nodes that hang behind it, edges that bring nothing nearer, and a
double edge swap that cuts every path, tried until one does. Both draw pairs of twins of 12 hops on as many nodes, and
both are checked: distances, equal degrees, no path left.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np

from benchmarks.speed.figure import Figure, in_turn, main, ratio
from depthscope.core.tasks.graph import generate as graph_data
from depthscope.core.tasks.graph.generate import GraphArrays

HOPS, NODES, PAIRS = 12, 24, 64


def draft(rng: np.random.Generator) -> nx.DiGraph:
    """One graph in which node HOPS is exactly HOPS hops from node 0."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(NODES))
    nx.add_path(graph, range(HOPS + 1))
    share, levels = rng.uniform(0.15, 0.85), {node: node for node in range(HOPS + 1)}
    for node in range(HOPS + 1, NODES):
        if rng.random() > share:
            continue
        level = 1 + int(rng.random() * (HOPS + 1))
        parents = [other for other, at in levels.items() if at == level - 1]
        if parents:
            levels[node] = level
            graph.add_edge(int(rng.choice(parents)), node)
    far = NODES + 1
    hub = int(rng.integers(NODES)) if rng.random() < 0.15 else None
    for _ in range(int(rng.uniform(0.3, 2.5) * NODES)):
        tail, head = int(rng.integers(NODES)), int(rng.integers(NODES))
        if hub is not None and rng.random() < 0.6:
            head = hub
        at = levels.get(tail, far)
        if tail != head and (at == far or levels.get(head, far) <= at + 1):
            graph.add_edge(tail, head)
    return graph


def twin(rng: np.random.Generator, graph: nx.DiGraph, tries: int = 6) -> nx.DiGraph | None:
    """The graph after one double edge swap that cuts every path, or None."""
    edges = list(graph.edges)
    for _ in range(tries):
        a = int(rng.integers(HOPS))
        c, d = edges[int(rng.integers(len(edges)))]
        if c in (a, a + 1) or d in (a, a + 1) or graph.has_edge(a, d) or graph.has_edge(c, a + 1):
            continue
        other = graph.copy()
        other.remove_edges_from([(a, a + 1), (c, d)])
        other.add_edges_from([(a, d), (c, a + 1)])
        if not nx.has_path(other, 0, HOPS):
            return other
    return None


def one_by_one(seed: int) -> list[tuple[nx.DiGraph, nx.DiGraph, dict[int, int], dict[int, int]]]:
    """Pairs of twins with the distances from their source."""
    rng, pairs = np.random.default_rng(seed), []
    while len(pairs) < PAIRS:
        graph = draft(rng)
        other = twin(rng, graph)
        if other is None:
            continue
        names = dict(enumerate(rng.permutation(NODES).tolist()))
        graph, other = nx.relabel_nodes(graph, names), nx.relabel_nodes(other, names)
        reached = [nx.single_source_shortest_path_length(x, names[0]) for x in (graph, other)]
        pairs.append((graph, other, *reached))
    return pairs


def in_batches(seed: int) -> GraphArrays:
    """The same number of pairs by the generator."""
    return graph_data.audited(np.random.default_rng(seed), np.full(PAIRS, HOPS), np.full(PAIRS, NODES))


def check(seed: int) -> None:
    """Raises AssertionError unless both draw what they should."""
    for graph, other, near, cut in one_by_one(seed):
        target = [node for node, hops in near.items() if hops == HOPS and node not in cut]
        assert target
        assert sorted(graph.in_degree) == sorted(other.in_degree)
        assert sorted(graph.out_degree) == sorted(other.out_degree)
    arrays = in_batches(seed)
    at = arrays.distance[np.arange(2 * PAIRS), arrays.target]
    assert (at[::2] == HOPS).all()
    assert (at[1::2] == -1).all()
    for axis in (1, 2):
        assert (arrays.adjacency[::2].sum(axis) == arrays.adjacency[1::2].sum(axis)).all()


def measure(rounds: int) -> Sequence[Figure]:
    """How many times faster batches are."""
    check(0)
    took = in_turn({"networkx": lambda: one_by_one(1), "batches": lambda: in_batches(1)}, rounds)
    what = f"a networkx loop over the generator, {PAIRS} pairs of twins, {HOPS} hops, {NODES} nodes"
    return [ratio(what, took, "networkx", "batches", "more", 1.0)]


if __name__ == "__main__":
    main(measure, __doc__, 5)
