"""What of an instance is drawn: its nodes, where they stand, its edges, and which of them the answer rests on.

Owns the choice. Up to `MAX_NODES` nodes it is everything; above that the ends, a shortest path and a sample of every
layer, with a sentence that says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depthscope.core import tasks
from depthscope.core.encoding import SOURCE, TARGET
from depthscope.core.tasks.spec import Drawing
from depthscope.core.trace import Trace
from depthscope.figures.linked_views.layout import graph_layers, graph_layout, layered_layout, positions

MAX_NODES = 600
"""More nodes than this are not drawn one by one."""


@dataclass(frozen=True)
class Ghosts:
    """Nodes of the instance that are no nodes of the model, which reads of them in several tokens; g of them.

    Attributes:
        instance_node: Which node of the instance each is, (g,).
        xy: Their positions, (g, 2).
    """

    instance_node: np.ndarray
    xy: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """Which nodes and edges are drawn.

    Attributes:
        nodes: Model nodes that are drawn, (n,), increasing.
        xy: Their positions, (n, 2); of no account for those in lines.
        edges: (2, E) pairs (from, to) among 0..n-1, and n.. for ghosts.
        kind: (E,) uint8, bits as in the payload.
        notice: What was left out, or None.
        lines: Nodes, 0..n-1, that are written as words in lines, the first on top.
        ghosts: What is drawn above the lines, or None.
    """

    nodes: np.ndarray
    xy: np.ndarray
    edges: np.ndarray
    kind: np.ndarray
    notice: str | None
    lines: tuple[tuple[int, ...], ...] = ()
    ghosts: Ghosts | None = None


def pairs(edges: np.ndarray, n: int) -> np.ndarray:
    """One integer for each column (a, b) of (2, E), the same for the same pair of n nodes."""
    return edges[0].astype(np.int64) * n + edges[1]


def drawing_of(trace: Trace) -> Drawing:
    """How a trace's instance is drawn."""
    return tasks.get(trace.instance.task).drawing


def _sample(trace: Trace, own: np.ndarray, decisive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes drawn of an instance that is too large: the ends, a shortest path, and some of every layer.

    Returns:
        The nodes, increasing, and those of one shortest path that are among them, in its order.
    """
    encoding, instance, n = trace.encoding, trace.instance, trace.n_nodes
    keep = np.zeros(n, dtype=bool)
    lines = drawing_of(trace).lines_of(encoding)
    if lines:  # as they are, those that decide first
        on = np.isin(np.arange(n), own[:, decisive])
        for line in (lines[0], *sorted(lines[1:], key=lambda line: not on[line].any())):
            if keep.sum() + len(line) <= MAX_NODES:
                keep[line] = True
        return np.flatnonzero(keep), np.zeros(0, dtype=np.int64)
    keep[[encoding.answer, encoding.source, *np.flatnonzero(encoding.roles & (SOURCE | TARGET))]] = True
    path, layer = np.zeros(0, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if drawing_of(trace).is_layered(encoding):
        layer = graph_layers(instance)[encoding.instance_node]
        after = {int(a): int(b) for a, b in own[:, decisive].T[::-1]}
        chain = [int(encoding.source)]
        while chain[-1] in after and len(chain) <= n:
            chain.append(after[chain[-1]])
        at = np.unique(np.linspace(0, len(chain) - 1, min(len(chain), MAX_NODES * 2 // 3)).round().astype(int))
        path = np.array(chain)[at] if len(chain) > 1 else path
        keep[path] = True
    # The same share of every layer; nodes that an edge joins to one already kept go first, so that edges remain.
    size = np.bincount(layer)
    quota = np.diff(np.round(np.cumsum(size) / n * (MAX_NODES - keep.sum())).astype(int), prepend=0)
    nodes_of = np.split(np.argsort(layer, kind="stable"), np.cumsum(size)[:-1])
    by_layer = np.argsort(layer[own[1]], kind="stable")
    edges_of = np.split(by_layer, np.searchsorted(layer[own[1]][by_layer], np.arange(1, len(size))))
    scattered = _scattered(n)
    for k, nodes in enumerate(nodes_of):
        from_kept = own[1, edges_of[k]][keep[own[0, edges_of[k]]]]
        rest = nodes[~keep[nodes]]
        keep[rest[np.lexsort((scattered[rest], ~np.isin(rest, from_kept)))[: quota[k]]]] = True
    return np.flatnonzero(keep), path


def choose(trace: Trace, max_edges: int) -> Drawn:
    """Chooses and places what is drawn."""
    encoding, n, drawing = trace.encoding, trace.n_nodes, drawing_of(trace)
    own, decisive = drawing.links(trace.instance, encoding)
    edges, kind = own, np.where(decisive, 1, 0).astype(np.uint8) | np.uint8(2)
    ran = trace.edge_index if trace.edge_index is not None else encoding.edge_index
    if ran is not None:  # edges the model attends along that are not the instance's own (the way back, a shortcut)
        flow = ran[::-1][:, ran[0] != ran[1]]
        extra = flow[:, ~np.isin(pairs(flow, n), pairs(own, n))]
        edges = np.concatenate([own, extra], axis=1)
        kind = np.concatenate([kind, np.zeros(extra.shape[1], dtype=np.uint8)])
    as_lines = drawing.lines_of(encoding)
    if n <= MAX_NODES:
        nodes, xy, notice = np.arange(n), positions(drawing, trace.instance, encoding), None
    else:
        nodes, path = _sample(trace, own, decisive)
        inside = np.isin(edges[0], nodes) & np.isin(edges[1], nodes)
        jumps = np.stack([path[:-1], path[1:]])
        jumps = jumps[:, ~np.isin(pairs(jumps, n), pairs(edges, n))]
        kind = np.concatenate([kind[inside], np.full(jumps.shape[1], 1 | 4, dtype=np.uint8)])
        edges = np.searchsorted(nodes, np.concatenate([edges[:, inside], jumps], axis=1))
        if drawing.is_layered(encoding):
            layer = graph_layers(trace.instance)[encoding.instance_node][nodes]
            xy = layered_layout(layer, edges.T, bool((trace.instance.distance < 0).any()))
        else:
            xy = positions(drawing, trace.instance, encoding)[nodes]
        what = "those that decide and others" if as_lines else "a shortest path and a sample of every layer"
        notice = f"{len(nodes):,} of {n:,} nodes are drawn: the ends, {what}."
    if edges.shape[1] > max_edges:
        total = edges.shape[1]
        rank = np.where(kind & 1, 0, np.where(kind & 2, 1, 2))
        first = np.sort(np.lexsort((_scattered(total), rank))[:max_edges])
        edges, kind = edges[:, first], kind[first]
        notice = f"{notice or ''} {max_edges:,} of {total:,} edges are drawn, those on a shortest path first.".strip()
    place = np.full(n, -1)
    place[nodes] = np.arange(len(nodes))
    lines = [place[line][place[line] >= 0].tolist() for line in as_lines]
    drawn = Drawn(nodes, xy, edges, kind, notice, tuple(tuple(line) for line in lines if line))
    return _with_ghosts(trace, drawn) if drawing.whole is not None and lines else drawn


def _with_ghosts(trace: Trace, drawn: Drawn) -> Drawn:
    """The same with the instance itself above the tokens that speak of it; one that is too large is left out."""
    instance, n, whole = trace.instance, len(drawn.nodes), drawing_of(trace).whole
    assert whole is not None
    named = np.unique(trace.encoding.instance_node[drawn.nodes])
    if len(named) > MAX_NODES // 2:
        return drawn
    place = np.full(instance.n_nodes, -1)
    place[named] = n + np.arange(len(named))
    edges, on = whole(instance)
    has = (place[edges] >= 0).all(axis=0)
    return replace(
        drawn,
        edges=np.concatenate([drawn.edges, place[edges[:, has]]], axis=1),
        kind=np.concatenate([drawn.kind, on[has].astype(np.uint8) | np.uint8(2)]),
        ghosts=Ghosts(named, graph_layout(instance)[named]),
    )


def _scattered(n: int) -> np.ndarray:
    """0..n-1 in a fixed order without pattern, to leave out edges evenly."""
    return np.random.default_rng(0).permutation(n)
