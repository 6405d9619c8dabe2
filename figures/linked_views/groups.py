"""Groups of a graph's nodes, for a graph too large to draw one by one: by hops from the source, or by community.

Owns who belongs together and what a group is called. Communities are found by label propagation in a bounded number of
rounds, each a sort of the edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from depthscope.core.tasks.wording import clipped
from depthscope.core.trace import Trace
from depthscope.figures.linked_views.drawn import MAX_NODES, drawing_of
from depthscope.figures.linked_views.layout import graph_layers

By = Literal["layers", "communities"]
WAYS: tuple[By, ...] = get_args(By)

MAX_LAYERS, MAX_COMMUNITIES = 20, 32
ROUNDS = 12
LONGEST_NAME = 28


@dataclass(frozen=True)
class Grouping:
    """Which group each node is in.

    Attributes:
        by: How they were grouped.
        names: Of the groups, g of them.
        labels: The same, short.
        of: (n,) group of each node of the model.
        place: (g,) column in which a group stands, from left to right: hops from the source.
        stranded: Whether the groups of the last column have no path from the source.
    """

    by: By
    names: tuple[str, ...]
    labels: tuple[str, ...]
    of: np.ndarray
    place: np.ndarray
    stranded: bool

    def __post_init__(self) -> None:
        if self.place.shape != (len(self.names),):
            raise ValueError(f"place has shape {self.place.shape}, but there are {len(self.names)} names")


def applies(trace: Trace) -> bool:
    """Whether a trace is drawn in groups: a graph, a node each, too large to be drawn as it is."""
    return trace.n_nodes > MAX_NODES and drawing_of(trace).is_layered(trace.encoding)


def grouping(trace: Trace, by: By) -> Grouping:
    """Groups of a trace's nodes, at most MAX_LAYERS or MAX_COMMUNITIES.

    Args:
        trace: One to which groups apply.
        by: "layers" of hops from the source, neighbouring ones together where they are many, or "communities".
    """
    return _layers(trace) if by == "layers" else _communities(trace)


def _layers(trace: Trace) -> Grouping:
    layer = graph_layers(trace.instance)[trace.encoding.instance_node]
    stranded = bool((trace.instance.distance < 0).any())
    last = int(layer.max())
    reached = last if stranded else last + 1  # layers 0..reached-1 hold the nodes with a path
    wide = -(-reached // (MAX_LAYERS - 1))
    of = np.minimum(layer, reached) // wide
    count = -(-reached // wide)
    if stranded:
        of[layer == last] = count
    names = []
    for k in range(count):
        first, end = k * wide, min(reached, (k + 1) * wide) - 1
        hops = "hop" if first == end == 1 else "hops"
        names.append(f"{first} {hops}" if first == end else f"{first}–{end} hops")
    names += ["no path"] if stranded else []
    return Grouping("layers", tuple(names), tuple(names), of, np.arange(len(names)), stranded)


def _communities(trace: Trace) -> Grouping:
    instance, sub = trace.instance, trace.encoding.instance_node
    label = _propagated(instance.n_nodes, instance.edges)
    _, label, size = np.unique(label, return_inverse=True, return_counts=True)
    rank = np.empty(len(size), dtype=np.int64)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    of = np.minimum(rank[label], MAX_COMMUNITIES - 1)  # the smaller ones together
    n_groups = int(of.max()) + 1
    degree = np.bincount(instance.edges.ravel(), minlength=instance.n_nodes)
    names = []
    for k in range(n_groups):
        members = np.flatnonzero(of == k)
        names.append(clipped(instance.names[members[degree[members].argmax()]], LONGEST_NAME))
    titles = [f"around {name}" for name in names]
    if len(size) > MAX_COMMUNITIES:
        names[-1], titles[-1] = "others", f"{len(size) - MAX_COMMUNITIES + 1:,} smaller communities"
    hops, reached = instance.distance, instance.distance >= 0
    near = np.bincount(of[reached], minlength=n_groups)
    total = np.bincount(of[reached], hops[reached], minlength=n_groups)
    place = np.where(near > 0, np.round(total / np.maximum(near, 1)), hops.max() + 1).astype(np.int64)
    return Grouping("communities", tuple(titles), tuple(names), of[sub], place, bool((near == 0).any()))


def _propagated(n: int, edges: np.ndarray) -> np.ndarray:
    """A label for each node, the same within a community, (n,).

    Every round each node takes the label that most of its neighbours have, whichever way the edges go; half of the
    nodes at a time, so that two sides do not swap their labels for ever.

    Source:
        Raghavan, Albert and Kumara (2007), Near linear time algorithm to detect community structures.
    """
    rng = np.random.default_rng(0)
    node, other = np.concatenate([edges, edges[:, ::-1]]).T
    label, tie = rng.permutation(n), rng.permutation(n)
    for turn in range(2 * ROUNDS):
        mine = rng.random(n) < 0.5 if turn < 2 * ROUNDS - 2 else np.arange(n) % 2 == turn % 2
        part = mine[node]
        vote, count = np.unique(node[part] * n + label[other[part]], return_counts=True)
        voter, choice = np.divmod(vote, n)
        # the most votes last, among equals the own label, then one that no node prefers by its number
        order = np.lexsort((tie[choice], choice == label[voter], count, voter))
        last = np.flatnonzero(np.diff(voter[order], append=n) != 0)
        changed = label.copy()
        changed[voter[order][last]] = choice[order][last]
        if turn > 2 and np.array_equal(changed, label):
            break
        label = changed
    return label
