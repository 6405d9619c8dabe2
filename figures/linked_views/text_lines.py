"""A text as it is drawn: its sentences as lines, links between mentions of a person, and the decisive chain."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np

from depthscope.core.encoding import Encoding
from depthscope.core.tasks.text.instance import TextInstance


def text_lines(encoding: Encoding) -> list[list[int]]:
    """Nodes of each sentence in the order of the text, the question first; a [CLS] stands before the question."""
    mentions = np.flatnonzero(encoding.subformula >= 0).reshape(-1, 2)  # every sentence names two people
    lines, end = [], 0
    for first, last in mentions[:-1].tolist():
        end = last + 2 if encoding.interface == "tokens" else last + 1  # a full stop
        lines.append(list(range(first, end)))
    before = list(range(int(mentions[0, 0]))) if lines else []
    return [[*before, *range(end, encoding.n_nodes)], *lines]


def text_edges(instance: TextInstance, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """What joins mentions: the facts, and equal names; away from the question's first person.

    Mentions of a person are linked one after the other. The decisive links and facts are those of all shortest chains
    of facts between the two who are asked about.

    Returns:
        (2, E) pairs (from, to) of nodes, and which are decisive, (E,).
    """
    mentions = np.flatnonzero(encoding.subformula >= 0).reshape(-1, 2)
    person = encoding.subformula
    near = instance.distance
    source, asked, target = instance.query
    far = replace(instance, query=(target, -asked, source)).distance
    found: list[tuple[int, int, bool]] = []
    level = np.full(encoding.n_nodes, -1)  # place on the chain of the mentions that are on it
    level[mentions[-1, 0]], level[mentions[-1, 1]] = 0, 2 * len(mentions) + 2
    for a, b in mentions[:-1].tolist():
        if near[person[a]] > near[person[b]]:
            a, b = b, a
        u, v = int(person[a]), int(person[b])
        on = bool(near[u] >= 0 and far[v] >= 0 and near[u] + 1 + far[v] == near[target])
        found.append((a, b, on))
        if on:
            level[a], level[b] = 2 * near[u] + 2, 2 * near[u] + 3
    on_chain = near[target] > 0
    by_person: dict[int, list[int]] = defaultdict(list)
    for node in mentions.ravel().tolist():
        by_person[int(person[node])].append(node)
    for nodes in by_person.values():
        chain = sorted((i for i in nodes if on_chain and level[i] >= 0), key=lambda i: level[i])
        linked = list(pairwise(chain))
        found += [(i, j, True) for i, j in linked]
        found += [(i, j, False) for i, j in pairwise(nodes) if not {(i, j), (j, i)} & set(linked)]
    edges = np.array([pair[:2] for pair in found], dtype=np.int64).reshape(-1, 2).T
    return edges, np.array([pair[2] for pair in found], dtype=bool)
