"""Where the answer has to come along: the links of an instance as an interface shows them, and those on the path.

Graph: edges on a shortest path from source to target. Logic: an operator and the child whose value decides. Text: the
facts of the chain between the two people, and mentions of one name on it. Over tokens a link joins the tokens that
stand for its two ends. Owns which pairs these are; what attention or influence does with them is the instruments'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import networkx as nx
import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.tasks.graph.instance import GraphInstance, hop_distances
from depthscope.core.tasks.logic.instance import XOR, LogicInstance
from depthscope.core.tasks.logic.rewrite import without_xor
from depthscope.core.tasks.logic.twin import decides
from depthscope.core.tasks.text import encode as text_encoding
from depthscope.core.tasks.text.instance import FIRST_RELATION, RELATIONS, TextInstance
from depthscope.core.tasks.text.twin import chain


@dataclass(frozen=True)
class Routes:
    """The links of one instance, and which lie on the answer's path.

    A unit is what the task calls one: an edge of the graph, a child in the tree, a fact of the text.

    Attributes:
        pairs: (2, P) links (query, key), without those of a node to itself.
        from_step: (P,) step from which a link can carry what the answer needs; NEVER off the path.
        hop: (U,) the same of each unit.
        span: (2, K) pairs through which a unit passes directly: cutting them cuts it.
        span_unit: (K,) unit of each.
        cuts: Sets of units; each alone parts the answer from what decides it. Empty where there is no path.
    """

    pairs: np.ndarray
    from_step: np.ndarray
    hop: np.ndarray
    span: np.ndarray
    span_unit: np.ndarray
    cuts: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        for pairs, with_it in (("pairs", "from_step"), ("span", "span_unit")):
            got, due = getattr(self, pairs).shape, (2, *getattr(self, with_it).shape)
            if got != due:
                raise ValueError(f"{pairs} has shape {got}, but {with_it} makes it {due}")

    def nodes(self, n_nodes: int) -> np.ndarray:
        """Whether a node is the end of a link on the path, (n,) bool."""
        on = np.zeros(n_nodes, dtype=bool)
        on[self.pairs[:, self.from_step != NEVER]] = True
        return on

    def cut_pairs(self, units: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Pairs (query, key) that part some units from the rest, as an edit takes them."""
        mine = self.span[:, np.isin(self.span_unit, units)]
        return tuple((int(q), int(k)) for q, k in mine.T)


def routes(instance: Any, encoding: Encoding, config: ModelConfig) -> Routes:
    """The links of an instance as a model with this config is shown it, and those on the path."""
    if instance.task == "graph":
        return _graph(instance, encoding)
    if instance.task == "text":
        return _text(instance, encoding)
    rewritten = config.vocabulary <= XOR and bool((instance.kind == XOR).any())
    return _logic(without_xor(instance) if rewritten else instance, encoding)


def _graph(instance: GraphInstance, encoding: Encoding) -> Routes:
    n, edges = instance.n_nodes, instance.edges
    ahead = hop_distances(n, edges[:, ::-1], instance.target)  # to the target
    tail, head = edges.T
    behind, length = instance.distance, instance.distance[instance.target]
    on = (length >= 0) & (behind[tail] >= 0) & (ahead[head] >= 0) & (behind[tail] + 1 + ahead[head] == length)
    hop = np.where(on, behind[head], NEVER)
    cuts = _graph_cuts(instance, np.flatnonzero(on))
    if encoding.edge_index is not None:
        pairs = edges[:, ::-1].T
        return Routes(pairs, hop, hop, pairs, np.arange(len(edges)), cuts)
    # over tokens: the two ends of an edge, and the tokens of one node (an edge comes in from the one it follows)
    node = encoding.subformula
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


def _graph_cuts(instance: GraphInstance, on: np.ndarray) -> tuple[tuple[int, ...], ...]:
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


def _logic(instance: LogicInstance, encoding: Encoding) -> Routes:
    m, deciding, known = instance.n_subformulas, decides(instance), instance.decided_from
    parent = np.full(m, -1)
    for child in (instance.left, instance.right):
        parent[child[child >= 0]] = np.flatnonzero(child >= 0)
    below = np.flatnonzero(parent >= 0)
    hop = np.where(deciding, known + 1, NEVER)  # a child's value can be passed on one step after it is known
    hop[instance.root] = NEVER
    cuts = tuple((int(i),) for i in below[deciding[below]])
    if encoding.edge_index is not None:
        pairs = np.stack([parent[below], below])
        return Routes(pairs, hop[below], hop, pairs, below, cuts)
    place = instance.position + 1
    pairs = np.stack([place[parent[below]], place[below]])
    cls = np.array([[encoding.answer], [place[instance.root]]])
    first, last = _spans(instance)
    spans = [
        np.stack([np.full(last[i] - first[i] + 1, place[parent[i]]), np.arange(first[i], last[i] + 1)])
        for i in below.tolist()
    ]
    return Routes(
        np.concatenate([pairs, cls], axis=1),
        np.append(hop[below], known[instance.root] + 1),
        hop,
        np.concatenate(spans, axis=1) if spans else np.zeros((2, 0), dtype=np.int64),
        np.repeat(below, [s.shape[1] for s in spans]) if spans else np.zeros(0, dtype=np.int64),
        cuts,
    )


def _spans(instance: LogicInstance) -> tuple[np.ndarray, np.ndarray]:
    """First and last token of each subformula among [CLS] and the tokens, (m,) each."""
    first, last = instance.position + 1, instance.position + 1
    for i in instance.bottom_up.tolist():
        a, b = int(instance.left[i]), int(instance.right[i])
        if b >= 0:  # in brackets
            first[i], last[i] = first[a] - 1, last[b] + 1
        elif a >= 0:
            last[i] = last[a]
    return first, last


def _text(instance: TextInstance, encoding: Encoding) -> Routes:
    f = len(instance.facts)
    words = encoding.edge_index is None
    plain = np.zeros((1, instance.n_names), dtype=np.int64)
    layout = text_encoding.lay(instance.facts[None], np.array([f]), np.array([instance.query]), plain, words=words)
    sentence, person = layout.sentence[0], layout.person[0]
    distance, on = instance.distance, np.zeros(f + 1, dtype=bool)
    if instance.label is not None:
        on[chain(instance)] = True
    hop = np.where(on[:f], distance[instance.facts[:, [0, 2]]].max(1), NEVER)
    relation = np.isin(encoding.token_ids, np.arange(FIRST_RELATION, FIRST_RELATION + len(RELATIONS)))
    content = (person >= 0) | relation
    same = (sentence[:, None] == sentence[None]) & (sentence >= 0)[:, None] & ~np.eye(len(sentence), dtype=bool)
    same &= (sentence < f)[:, None]
    inside = np.stack(np.nonzero(same & content[:, None] & content[None]))
    equal = (person[:, None] == person[None]) & (person >= 0)[:, None] & ~np.eye(len(person), dtype=bool)
    equal &= ~same
    joint = np.stack(np.nonzero(equal))
    on[f] = on.any()  # the question's own two mentions are the ends of the chain
    walked = np.zeros(instance.n_names, dtype=bool)
    walked[instance.facts[on[:f]][:, [0, 2]]] = True
    both = on[sentence[joint]].all(0) & walked[person[joint[0]]]
    span = np.stack(np.nonzero(same))
    return Routes(
        np.concatenate([inside, joint], axis=1),
        np.concatenate([hop[sentence[inside[0]]], np.where(both, np.maximum(distance[person[joint[0]]], 1), NEVER)]),
        hop,
        span,
        sentence[span[0]],
        _text_cuts(instance, np.flatnonzero(on[:f])),
    )


def _text_cuts(instance: TextInstance, on: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Each fact of the chain without which nothing joins the two people; none where there is another way round."""
    found = []
    for row in on.tolist():
        without = replace(instance, facts=np.delete(instance.facts, row, axis=0))
        if without.distance[instance.query[2]] < 0:
            found.append((row,))
    return tuple(found)
