"""The twin of a graph: two edges a->b, c->d become a->d, c->b, and the answer turns. All degrees stay."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.instance import GraphInstance, hop_distances


def twin(instance: GraphInstance, seed: int = 0) -> tuple[GraphInstance, str]:
    """A graph with the other answer that differs by one double edge swap.

    Args:
        instance: Any graph.
        seed: Which of the possible swaps.

    Returns:
        The twin and a sentence on what was changed.

    Raises:
        InputError: If no single swap turns the answer.
    """
    rng = np.random.default_rng([seed, instance.n_nodes, len(instance.edges)])
    rows = _cut(instance, rng) if instance.label else _join(instance, rng)
    if rows is None:
        turn = "cuts every path" if instance.label else "makes a path"
        raise InputError(f"this graph has no twin: no swap of the ends of two edges {turn}")
    first, second = rows
    edges = instance.edges.copy()
    edges[first, 1], edges[second, 1] = instance.edges[second, 1], instance.edges[first, 1]
    named = [instance.names[i][:40] for i in (*instance.edges[first], *instance.edges[second])]
    a, b, c, d = named
    return replace(instance, edges=edges), f"{a} → {b} and {c} → {d} became {a} → {d} and {c} → {b}"


def _free(instance: GraphInstance, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """Whether each pair (tail, head) could be a new edge: no loop and not there yet."""
    n = instance.n_nodes
    taken = instance.edges[:, 0] * n + instance.edges[:, 1]
    return (tails != heads) & ~np.isin(tails * n + heads, taken)


def _cut(instance: GraphInstance, rng: np.random.Generator) -> tuple[int, int] | None:
    """Rows of two edges whose swap cuts every path: a bridge of source and target, and an edge beyond both sides."""
    edges, n = instance.edges, instance.n_nodes
    for row in rng.permutation(_path_rows(instance)):
        others = np.delete(np.arange(len(edges)), row)
        rest = edges[others]
        reached = hop_distances(n, rest, instance.source) >= 0
        if reached[instance.target]:
            continue  # another path goes round this edge
        leads = hop_distances(n, rest[:, ::-1], instance.target) >= 0
        a, b = edges[row]
        tail, head = rest[:, 0], rest[:, 1]
        fine = ~reached[tail] & ~leads[head]
        fine &= _free(instance, np.full(len(rest), a), head) & _free(instance, tail, np.full(len(rest), b))
        for other in rng.permutation(others[fine]):
            swapped = edges.copy()
            swapped[row, 1], swapped[other, 1] = edges[other, 1], b
            if hop_distances(n, swapped, instance.source)[instance.target] < 0:  # a -> d -> ... -> c -> b is a way, too
                return int(row), int(other)
    return None


def _path_rows(instance: GraphInstance) -> np.ndarray:
    """Rows of the edges of one shortest path; a bridge lies on it."""
    distance, rows, node = instance.distance, [], instance.target
    while node != instance.source:
        before = (instance.edges[:, 1] == node) & (distance[instance.edges[:, 0]] == distance[node] - 1)
        rows.append(int(np.flatnonzero(before)[0]))
        node = int(instance.edges[rows[-1], 0])
    return np.array(rows, dtype=np.int64)


def _join(instance: GraphInstance, rng: np.random.Generator) -> tuple[int, int] | None:
    """Rows of two edges whose swap makes a path: one leaves what is reached, one enters what leads to the target."""
    edges, n = instance.edges, instance.n_nodes
    out = np.flatnonzero(instance.distance[edges[:, 0]] >= 0)
    into = np.flatnonzero(hop_distances(n, edges[:, ::-1], instance.target)[edges[:, 1]] >= 0)
    for row in rng.permutation(out):
        a, b = edges[row]
        tail, head = edges[into, 0], edges[into, 1]
        fine = _free(instance, np.full(len(into), a), head) & _free(instance, tail, np.full(len(into), b))
        if fine.any():
            return int(row), int(into[rng.choice(np.flatnonzero(fine))])
    return None


def shared(instance: GraphInstance) -> Hashable:
    """What a graph has in common with its twin: names, ends and degrees."""
    degrees = [np.bincount(side, minlength=instance.n_nodes).tobytes() for side in instance.edges.T]
    return instance.names, instance.source, instance.target, *degrees


def together(first: GraphInstance, second: GraphInstance) -> bool:
    """Whether two graphs with the same `shared` are the same, or twins: two edges differ, and so does the answer."""
    mine, theirs = (x.edges[:, 0] * x.n_nodes + x.edges[:, 1] for x in (first, second))
    changed = len(np.setdiff1d(mine, theirs))
    return changed == 0 or (changed == 2 and first.label != second.label)
