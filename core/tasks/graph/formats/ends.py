"""Choosing a source and a target where neither the user nor the file names them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from depthscope.core.tasks.graph.instance import hop_distances

EFFORT = 200_000  # nodes and edges that the search may walk over, all starts together
MIN_STARTS = 4


def choose_ends(
    names: Sequence[str], edges: np.ndarray, source: int | None, target: int | None
) -> tuple[int, int, list[str]]:
    """Fill in the missing ends so that the way between them is long.

    Args:
        names: Labels, n of them.
        edges: (E, 2) pairs (from, to).
        source: The source, if it is settled.
        target: The target, if it is settled.

    Returns:
        Source, target, and a sentence about what was chosen, if anything was.
    """
    n = len(names)
    if source is not None and target is not None:
        return source, target, []
    if source is not None:
        target, hops = _farthest(n, edges, source)
        return source, target, [f"No target was given; {_name(names, target)} was chosen, {_apart(hops)} the source."]
    if target is not None:
        source, hops = _farthest(n, edges[:, ::-1], target)
        return source, target, [f"No source was given; {_name(names, source)} was chosen, {_apart(hops)} the target."]
    source, target, hops = _distant_pair(n, edges)
    pair = f"{_name(names, source)} and {_name(names, target)}"
    return source, target, [f"No source and target were given; {pair} were chosen, {_apart(hops)} each other."]


def _distant_pair(n_nodes: int, edges: np.ndarray) -> tuple[int, int, int]:
    """The pair with the longest shortest path among the starts tried, and its hops: all starts in a small graph."""
    best = (0, min(1, n_nodes - 1), 0)
    for start in _starts(n_nodes, edges):
        end, hops = _farthest(n_nodes, edges, start)
        if hops > best[2]:
            best = (start, end, hops)
    while best[2] > 0:  # walk back from the end found, and forth again, while that lengthens the way
        start, back = _farthest(n_nodes, edges[:, ::-1], best[1])
        if back <= best[2]:
            return best
        end, hops = _farthest(n_nodes, edges, start)
        best = (start, end, hops)
        if back * (n_nodes + len(edges)) > EFFORT:
            return best
    return best


def _starts(n_nodes: int, edges: np.ndarray) -> list[int]:
    """Nodes to start from: all that have a way out, or a few spread over them, nodes without a way in first."""
    has_out = np.bincount(edges[:, 0], minlength=n_nodes) > 0
    has_in = np.bincount(edges[:, 1], minlength=n_nodes) > 0
    count = max(MIN_STARTS, EFFORT // (n_nodes + len(edges)))
    inner = np.flatnonzero(has_out & has_in)
    roots = np.flatnonzero(has_out & ~has_in)
    if len(inner) + len(roots) <= count:
        return sorted([*inner.tolist(), *roots.tolist()])
    few_roots = _spread(roots, max(count // 2, count - len(inner)))
    return few_roots + _spread(inner, count - len(few_roots))


def _spread(nodes: np.ndarray, count: int) -> list[int]:
    if len(nodes) <= count:
        return nodes.tolist()
    return nodes[np.linspace(0, len(nodes) - 1, count).astype(np.int64)].tolist()


def _farthest(n_nodes: int, edges: np.ndarray, start: int) -> tuple[int, int]:
    """The node most hops away from the start and its hops; some other node and 0 if none can be reached."""
    distance = hop_distances(n_nodes, edges, start)
    end = int(distance.argmax())
    if distance[end] > 0:
        return end, int(distance[end])
    return (0 if start > 0 else min(1, n_nodes - 1)), 0


def _name(names: Sequence[str], node: int) -> str:
    return repr(names[node][:40])


def _apart(hops: int) -> str:
    return f"{hops} {'hop' if hops == 1 else 'hops'} from" if hops else "with no path to or from"
