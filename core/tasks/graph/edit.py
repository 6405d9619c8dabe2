"""Edits of a graph: an edge turned on or off, a node added or removed, the question made one hop harder or easier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.instance import LETTERS, GraphInstance, hop_distances


def toggle_edge(instance: GraphInstance, a: int, b: int) -> tuple[GraphInstance, str]:
    """Adds the edge from a to b, or removes it where it is there."""
    if a == b:
        raise InputError("an edge joins two nodes; choose another node as its end")
    there = (instance.edges == (a, b)).all(axis=1)
    edge = f"{_name(instance, a)} → {_name(instance, b)}"
    if there.any():
        return replace(instance, edges=instance.edges[~there]), f"The edge {edge} was removed."
    return replace(instance, edges=_with(instance.edges, a, b)), f"The edge {edge} was added."


def add_node(instance: GraphInstance, after: int) -> tuple[GraphInstance, str]:
    """Adds a node with an edge to it from `after`."""
    new = free_name(instance.names)
    edges = _with(instance.edges, after, instance.n_nodes)
    added = replace(instance, names=(*instance.names, new), edges=edges)
    return added, f"The node {new} was added after {_name(instance, after)}."


def remove_node(instance: GraphInstance, i: int) -> tuple[GraphInstance, str]:
    """Removes a node with its edges; source and target stay."""
    for end in ("source", "target"):
        if i == getattr(instance, end):
            raise InputError(f"{_name(instance, i)} is the {end}; choose another {end} before it is removed")
    edges = instance.edges[(instance.edges != i).all(axis=1)]
    moved = np.arange(instance.n_nodes) - (np.arange(instance.n_nodes) > i)
    rest = GraphInstance(
        (*instance.names[:i], *instance.names[i + 1 :]),
        moved[edges],
        int(moved[instance.source]),
        int(moved[instance.target]),
        instance.notes,
    )
    return rest, f"The node {_name(instance, i)} was removed."


def harder(instance: GraphInstance) -> tuple[GraphInstance, str]:
    """A new node behind the target is the target: one hop more, and the answer stays."""
    added, _ = add_node(instance, instance.target)
    return replace(added, target=instance.n_nodes), f"The target is now {added.names[-1]}, one hop farther."


def easier(instance: GraphInstance) -> tuple[GraphInstance, str]:
    """The target moves one hop back along its longest open or shortest closed way; the answer stays."""
    before = instance.edges[instance.edges[:, 1] == instance.target, 0]
    before = before[before != instance.source] if instance.label else before
    if instance.label:
        nearer = before[instance.distance[before] == instance.distance[instance.target] - 1]
    else:
        depth = [int(hop_distances(instance.n_nodes, instance.edges[:, ::-1], int(i)).max()) for i in before]
        nearer = before[np.array(depth, dtype=np.int64) < instance.target_ancestor_depth]
    if not len(nearer):
        raise InputError("this graph cannot be made easier: the target has nothing before it to move to")
    target = int(nearer[0])
    return replace(instance, target=target), f"The target is now {_name(instance, target)}, one hop nearer."


def free_name(names: tuple[str, ...]) -> str:
    """A letter that no node has; a number where all are taken."""
    taken = set(names)
    return next(name for name in (*LETTERS, *map(str, range(1, len(names) + 2))) if name not in taken)


def _with(edges: np.ndarray, a: int, b: int) -> np.ndarray:
    return np.concatenate([edges, np.array([[a, b]], dtype=edges.dtype)])


def _name(instance: GraphInstance, i: int) -> str:
    return instance.names[i][:40]


EDITS = {"edge": toggle_edge, "add": add_node, "remove": remove_node, "harder": harder, "easier": easier}
