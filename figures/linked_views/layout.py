"""Where nodes stand: graphs in layers of hops from the source, formulas as a tree over their tokens.

Owns positions, in units of about one node's room, x to the right and y down; how large a unit is drawn is the canvas's
business, and so are words in lines, since it knows how wide they are. Every layout costs O(nodes + edges) a sweep and
is the same for the same instance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from depthscope.core.encoding import Encoding
from depthscope.core.tasks.spec import Drawing

LAYERS_A_ROW = 26
"""A graph with more layers than this is laid in serpentine rows."""

ROOM = 22
"""A layer with more nodes than this is split into several columns."""

FEW_STRANDED = 4
"""Fewer nodes without a path than this stand in one column whatever joins them."""

N_SWEEPS = 10


def _rank_in_layer(layer: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Rank of each node among those of its layer by a key, ties by index, centred on 0, (n,)."""
    order = np.lexsort((np.arange(len(layer)), key, layer))
    size = np.bincount(layer)
    start = np.cumsum(size) - size
    rank = np.empty(len(layer))
    rank[order] = np.arange(len(layer)) - start[layer[order]]
    return rank - (size[layer] - 1) / 2


def _untangled(layer: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Rank of each node in its layer, centred on 0, after barycentre sweeps over neighbours in other layers, (n,).

    A sweep goes through the layers one after the other, away from the source and back, and puts each node at the mean
    place of its neighbours on the side it comes from; the sweep with the shortest edges is kept.
    """
    a, b = edges[layer[edges[:, 0]] != layer[edges[:, 1]]].T
    low, high = np.where(layer[a] < layer[b], a, b), np.where(layer[a] < layer[b], b, a)
    near = 1.0 / (layer[high] - layer[low]) ** 2  # a neighbour in the next layer pulls more than one far away
    size = np.bincount(layer)
    nodes_of = np.split(np.argsort(layer, kind="stable"), np.cumsum(size)[:-1])
    sides = []
    for to, of in ((high, low), (low, high)):
        order = np.argsort(layer[to], kind="stable")
        cuts = np.searchsorted(layer[to][order], np.arange(1, len(size)))
        sides.append([(to[k], of[k], near[k]) for k in np.split(order, cuts)])
    rank = _rank_in_layer(layer, np.zeros(len(layer)))
    best, least = rank.copy(), np.inf
    place = np.empty(len(layer), dtype=np.int64)
    for nodes in nodes_of:
        place[nodes] = np.arange(len(nodes))
    for sweep in range(N_SWEEPS):
        order = range(1, len(size)) if sweep % 2 == 0 else range(len(size) - 2, -1, -1)
        for k in order:
            nodes, (to, of, weight) = nodes_of[k], sides[sweep % 2][k]
            if len(nodes) < 2 or not len(to):
                continue
            total = np.bincount(place[to], weight, minlength=len(nodes))
            pull = np.bincount(place[to], weight * rank[of] / size[layer[of]], minlength=len(nodes))
            key = np.where(total > 0, pull / np.maximum(total, 1e-12), rank[nodes] / len(nodes))
            rank[nodes[np.lexsort((rank[nodes], key))]] = np.arange(len(nodes)) - (len(nodes) - 1) / 2
        length = float((near * np.abs(rank[low] / size[layer[low]] - rank[high] / size[layer[high]])).sum())
        if length < least:
            best, least = rank.copy(), length
    return best


def graph_layers(instance: Any) -> np.ndarray:
    """Layer of each node: its hops from the source; nodes without a path share the layer after the last, (n,)."""
    distance = instance.distance
    return np.where(distance >= 0, distance, distance.max() + 1).astype(np.int64)


def _towards_target(instance: Any, layer: np.ndarray) -> np.ndarray:
    """Layers in which nodes without a path stand by how far they are from a target that has none either.

    So a path that is cut stays a path, with a gap where it is cut, and does not fall on one heap.

    Args:
        instance: The graph.
        layer: Its layers, the last of them that of the nodes without a path, (n,).

    Returns:
        (n,) layers; the given ones where the target has a path, or there would be too many for one row.
    """
    stranded = instance.distance < 0
    if not stranded[instance.target] or stranded.sum() < FEW_STRANDED:
        return layer
    into = instance.edges[stranded[instance.edges].all(axis=1)]
    far = np.full(len(layer), -1)
    far[instance.target], front, hops = 0, np.array([instance.target]), 0
    while len(front) and hops < LAYERS_A_ROW:
        hops += 1
        front = np.unique(into[np.isin(into[:, 1], front), 0])
        front = front[far[front] < 0]
        far[front] = hops
    deepest = int(far.max())
    if layer.max() + deepest >= LAYERS_A_ROW:
        return layer
    off_path = np.where(far < 0, 0, deepest - far)  # what leads nowhere stands in the first of them
    return np.where(stranded, layer.max() + off_path, layer)


def layered_layout(layer: np.ndarray, edges: np.ndarray, stranded: bool | int) -> np.ndarray:
    """Positions of nodes in given layers, from left to right, or in serpentine rows where there are many layers.

    Args:
        layer: Layer of each node, (n,); the numbers need not be consecutive.
        edges: (E, 2) pairs of nodes.
        stranded: How many of the last layers hold the nodes without a path, which stand after a gap.

    Returns:
        (n, 2) float64.
    """
    layer = np.unique(layer, return_inverse=True)[1]
    rank = _untangled(layer, edges)
    size = np.bincount(layer)
    n_columns = np.maximum(1, -(-size // ROOM))
    index = (rank + (size[layer] - 1) / 2).round().astype(np.int64)
    column, place = index % n_columns[layer], index // n_columns[layer]
    in_column = (size[layer] - column + n_columns[layer] - 1) // n_columns[layer]
    tallest = int((-(-size // n_columns)).max())
    # Small layers spread a little, so that a chain through a wide graph does not look like a hair.
    gap = np.clip(tallest / in_column, 1.0, 1.6)
    stagger = np.where(n_columns[layer] > 1, (column % 2) * 0.5 - 0.25, 0.0)
    y = (place - (in_column - 1) / 2 + stagger) * gap

    width = 1.0 + 0.5 * (n_columns - 1)
    left = np.cumsum(width) - width
    if stranded:
        left[-int(stranded) :] += 0.6
    x = left[layer] + 0.5 * column
    if len(size) <= LAYERS_A_ROW:
        return np.stack([x, y], axis=1)

    row_width = max(LAYERS_A_ROW - 6.0, float(np.sqrt(left[-1] * 2.2 * min(tallest, 8))))
    row = (left // row_width).astype(np.int64)
    first = left[np.searchsorted(row, np.arange(row.max() + 1))]
    along = x - first[row[layer]]
    along = np.where(row[layer] % 2 == 0, along, np.ceil(row_width) - along)
    half = np.zeros(row.max() + 1)
    np.maximum.at(half, row[layer], np.abs(y))
    height = 2 * half + 1.6
    top = np.cumsum(height) - height
    return np.stack([along, top[row[layer]] + half[row[layer]] + y], axis=1)


def graph_layout(instance: Any) -> np.ndarray:
    """Positions of a graph's nodes in layers of hops from the source, from left to right.

    Nodes without a path from the source stand in layers of their own after a gap: in one, or by how far they are from a
    target that is among them. More than `LAYERS_A_ROW` layers run in serpentine rows, so that a chain of 200 hops stays
    legible.

    Returns:
        (n, 2) float64.
    """
    layer = _towards_target(instance, graph_layers(instance))
    return layered_layout(layer, instance.edges, len(np.unique(layer[instance.distance < 0])))


def formula_layout(instance: Any, encoding: Encoding) -> np.ndarray:
    """Positions of a formula's nodes as a tree over its row of tokens.

    A subformula stands above its operator or atom, one level down for each level of the tree. Tokens that are no
    subformula (brackets) stand in a row under the tree; [CLS], the token before the first, stands beside the root.

    Returns:
        (n, 2) float64, root at y = 0.
    """
    n = encoding.n_nodes
    sub = encoding.instance_node
    has = sub >= 0
    level = instance.level.astype(np.float64)
    x = np.zeros(n)
    y = np.full(n, level.max() + 1.2)
    x[has] = instance.position[sub[has]]
    y[has] = level[sub[has]]
    if not has.all() and has.any():
        first = int(np.flatnonzero(has)[0])
        offset = first - int(instance.position[sub[first]])  # index of the formula's first token among the nodes
        x[~has] = np.flatnonzero(~has) - offset
        before = ~has & (np.arange(n) < offset)
        x[before] -= 0.8
        y[before] = 0.0
    return np.stack([x, y], axis=1)


def positions(drawing: Drawing, instance: Any, encoding: Encoding) -> np.ndarray:
    """Positions of an encoding's nodes, by its task's layout, (n, 2); zeros for those that stand in lines."""
    if drawing.is_layered(encoding):
        return graph_layout(instance)[encoding.instance_node]
    if drawing.layout == "tree":
        return formula_layout(drawing.encoded(instance, encoding), encoding)
    return np.zeros((encoding.n_nodes, 2))
