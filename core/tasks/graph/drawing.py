"""What figures draw and say of a graph."""

from __future__ import annotations

import numpy as np

from depthscope.core.encoding import Encoding
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.tasks.graph.paths import shortest
from depthscope.core.tasks.spec import Drawing, Tool
from depthscope.core.tasks.wording import clipped, number_of


def links(instance: GraphInstance, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """Edges among model nodes, (2, E), and which are decisive, (E,)."""
    sub, (edges, on) = encoding.instance_node, shortest(instance)
    if encoding.one_node_each:
        node_of = np.full(instance.n_nodes, -1)
        node_of[sub] = np.arange(encoding.n_nodes)
        has = (node_of[edges] >= 0).all(axis=0)
        return node_of[edges[:, has]], on[has]
    number = lambda pairs: pairs[0].astype(np.int64) * instance.n_nodes + pairs[1]  # noqa: E731
    tail = np.arange(2, encoding.n_nodes - 1, 2)  # the two tokens of an edge follow each other
    ends = np.stack([tail, tail + 1])
    return ends, np.isin(number(sub[ends]), number(edges)[on])


def lines(encoding: Encoding) -> list[list[int]]:
    """The two ends asked about, and the tokens of each edge; none where every node stands for itself."""
    return [] if encoding.one_node_each else [[i, i + 1] for i in range(0, encoding.n_nodes - 1, 2)]


def problem(instance: GraphInstance, decidable: int | None) -> str:
    """Who is asked about, and how far apart they are."""
    source, target = clipped(instance.names[instance.source]), clipped(instance.names[instance.target])
    if instance.source == instance.target:
        return f"{source} is both the source and the target"
    if instance.difficulty is not None:
        return f"{target} is {number_of(instance.difficulty, 'hop')} from {source}"
    return f"There is no path from {source} to {target}; that is decidable after {number_of(decidable or 0, 'step')}"


def path(instance: GraphInstance) -> tuple[str, str]:
    """What the path is called, and what its links are among."""
    source, target = clipped(instance.names[instance.source]), clipped(instance.names[instance.target])
    return f"the path from {source} to {target}", "the edges"


def size(instance: GraphInstance, encoding: Encoding) -> str:
    """How large it is."""
    return f"{instance.n_nodes:,} nodes, {len(instance.edges):,} edges"


DRAWING = Drawing(
    "layered",
    links,
    lines,
    whole=shortest,
    legend=("reached by this step", "not reached", "not decidable yet", "not decidable"),
    problem=problem,
    path=path,
    size=size,
    tools=(
        Tool("edge", "edge to …", "e", "Then click the node it leads to; an edge that is there is removed"),
        Tool("add", "add node", "n", "A new node after this one"),
        Tool("remove", "remove", "Delete", "This node and its edges"),
    ),
    tools_hint="Choose a node, then what to do; shift-click adds or removes an edge to another.",
)
