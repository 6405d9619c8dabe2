"""What of an instance is drawn: its nodes, where they stand, its edges, and which of them the answer rests on.

Owns the choice. Up to `MAX_NODES` nodes it is everything; above that the ends, a shortest path and a sample of every
layer, with a sentence that says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.encoding import SOURCE, TARGET
from core.tasks.graph_instance import GraphInstance, hop_distances
from core.tasks.logic_formula import AND, OR, LogicInstance
from core.trace import Trace
from figures.layout import encoded_formula, graph_layers, layered_layout, one_node_each, positions

MAX_NODES = 600
"""More nodes than this are not drawn one by one."""


@dataclass(frozen=True)
class Drawn:
    """Which nodes and edges are drawn.

    Attributes:
        nodes: Model nodes that are drawn, (n,), increasing.
        xy: Their positions, (n, 2).
        edges: (2, E) pairs (from, to) among 0..n-1.
        kind: (E,) uint8, bits as in the payload.
        notice: What was left out, or None.
    """

    nodes: np.ndarray
    xy: np.ndarray
    edges: np.ndarray
    kind: np.ndarray
    notice: str | None


def pairs(edges: np.ndarray, n: int) -> np.ndarray:
    """One integer for each column (a, b) of (2, E), the same for the same pair of n nodes."""
    return edges[0].astype(np.int64) * n + edges[1]


def _decisive_subformulas(instance: LogicInstance) -> np.ndarray:
    """Which subformulas the earliest decision rests on, (m,) bool: one sure child where one decides, else all."""
    rests = np.zeros(instance.n_subformulas, dtype=bool)
    stack = [instance.root]
    while stack:
        i = stack.pop()
        rests[i] = True
        children = [int(c) for c in (instance.left[i], instance.right[i]) if c >= 0]
        if len(children) == 2:
            sure = [c for c in children if instance.decided_from[i] == instance.decided_from[c] + 1]
            deciding = [c for c in sure if _controls(int(instance.kind[i]), int(instance.value[c]))]
            children = deciding[:1] or children
        stack.extend(children)
    return rests


def _controls(kind: int, value: int) -> bool:
    """Whether one child of this value fixes the value of an operator of this kind."""
    return (kind == AND and value == 0) or (kind == OR and value == 1)


def _own_edges(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the instance among model nodes, (2, E) in the direction of information, and which are decisive, (E,)."""
    instance, sub = trace.instance, trace.encoding.subformula
    if isinstance(instance, GraphInstance) and one_node_each(trace.encoding):
        node_of = np.full(instance.n_nodes, -1)
        node_of[sub] = np.arange(trace.n_nodes)
        edges = instance.edges.T[:, (node_of[instance.edges] >= 0).all(axis=1)]
        to_target = hop_distances(instance.n_nodes, instance.edges[:, ::-1], instance.target)
        hops = instance.distance
        on = (hops[edges[0]] >= 0) & (to_target[edges[1]] >= 0)
        on &= hops[edges[0]] + 1 + to_target[edges[1]] == hops[instance.target]
        return node_of[edges], on
    if isinstance(instance, LogicInstance):
        instance = encoded_formula(instance, trace.encoding)
        node_of = np.full(instance.n_subformulas, -1)
        has = np.flatnonzero(sub >= 0)
        node_of[sub[has]] = has
        parent = np.concatenate([np.arange(instance.n_subformulas)] * 2)
        child = np.concatenate([instance.left, instance.right])
        ok = (child >= 0) & (node_of[child] >= 0) & (node_of[parent] >= 0)
        rests = _decisive_subformulas(instance)
        return np.stack([node_of[child[ok]], node_of[parent[ok]]]), rests[child[ok]] & rests[parent[ok]]
    return np.zeros((2, 0), dtype=np.int64), np.zeros(0, dtype=bool)


def _sample(trace: Trace, own: np.ndarray, decisive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes drawn of an instance that is too large: the ends, a shortest path, and some of every layer.

    Returns:
        The nodes, increasing, and those of one shortest path that are among them, in its order.
    """
    encoding, instance, n = trace.encoding, trace.instance, trace.n_nodes
    keep = np.zeros(n, dtype=bool)
    keep[[encoding.answer, encoding.source, *np.flatnonzero(encoding.roles & (SOURCE | TARGET))]] = True
    path, layer = np.zeros(0, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if isinstance(instance, GraphInstance) and one_node_each(encoding):
        layer = graph_layers(instance)[encoding.subformula]
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
    encoding, n = trace.encoding, trace.n_nodes
    own, decisive = _own_edges(trace)
    edges, kind = own, np.where(decisive, 1, 0).astype(np.uint8) | np.uint8(2)
    ran = trace.edge_index if trace.edge_index is not None else encoding.edge_index
    if ran is not None:  # edges the model attends along that are not the instance's own (the way back, a shortcut)
        flow = ran[::-1][:, ran[0] != ran[1]]
        extra = flow[:, ~np.isin(pairs(flow, n), pairs(own, n))]
        edges = np.concatenate([own, extra], axis=1)
        kind = np.concatenate([kind, np.zeros(extra.shape[1], dtype=np.uint8)])
    if n <= MAX_NODES:
        nodes, xy, notice = np.arange(n), positions(trace.instance, encoding), None
    else:
        nodes, path = _sample(trace, own, decisive)
        inside = np.isin(edges[0], nodes) & np.isin(edges[1], nodes)
        jumps = np.stack([path[:-1], path[1:]])
        jumps = jumps[:, ~np.isin(pairs(jumps, n), pairs(edges, n))]
        kind = np.concatenate([kind[inside], np.full(jumps.shape[1], 1 | 4, dtype=np.uint8)])
        edges = np.searchsorted(nodes, np.concatenate([edges[:, inside], jumps], axis=1))
        if isinstance(trace.instance, GraphInstance) and one_node_each(encoding):
            layer = graph_layers(trace.instance)[encoding.subformula][nodes]
            xy = layered_layout(layer, edges.T, bool((trace.instance.distance < 0).any()))
        else:
            xy = positions(trace.instance, encoding)[nodes]
        notice = f"{len(nodes):,} of {n:,} nodes are drawn: the ends, a shortest path and a sample of every layer."
    if edges.shape[1] > max_edges:
        total = edges.shape[1]
        rank = np.where(kind & 1, 0, np.where(kind & 2, 1, 2))
        first = np.sort(np.lexsort((_scattered(total), rank))[:max_edges])
        edges, kind = edges[:, first], kind[first]
        notice = f"{notice or ''} {max_edges:,} of {total:,} edges are drawn, those on a shortest path first.".strip()
    return Drawn(nodes, xy, edges, kind, notice)


def _scattered(n: int) -> np.ndarray:
    """0..n-1 in a fixed order without pattern, to leave out edges evenly."""
    return np.random.default_rng(0).permutation(n)
