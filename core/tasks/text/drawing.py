"""What figures draw and say of a text: its sentences as lines, links between mentions of a person, and the chain."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np

from depthscope.core.encoding import MAX_OFFSET, Encoding
from depthscope.core.tasks.spec import Drawing, Tool
from depthscope.core.tasks.text.instance import OFFSET_OF, RELATIONS, TextInstance, relation_word
from depthscope.core.tasks.wording import clipped, number_of


def lines(encoding: Encoding) -> list[list[int]]:
    """Nodes of each sentence in the order of the text, the question first; a [CLS] stands before the question."""
    mentions = np.flatnonzero(encoding.instance_node >= 0).reshape(-1, 2)  # every sentence names two people
    lines, end = [], 0
    for first, last in mentions[:-1].tolist():
        end = last + 2 if encoding.interface == "tokens" else last + 1  # a full stop
        lines.append(list(range(first, end)))
    before = list(range(int(mentions[0, 0]))) if lines else []
    return [[*before, *range(end, encoding.n_nodes)], *lines]


def links(instance: TextInstance, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """What joins mentions: the facts, and equal names; away from the question's first person.

    Mentions of a person are linked one after the other. The decisive links and facts are those of all shortest chains
    of facts between the two who are asked about.

    Returns:
        (2, E) pairs (from, to) of nodes, and which are decisive, (E,).
    """
    mentions = np.flatnonzero(encoding.instance_node >= 0).reshape(-1, 2)
    person = encoding.instance_node
    near = instance.distance
    source, asked, target = instance.query
    far = replace(instance, query=(target, -asked, source)).distance
    pairs: list[tuple[int, int, bool]] = []
    level = np.full(encoding.n_nodes, -1)  # place on the chain of the mentions that are on it
    level[mentions[-1, 0]], level[mentions[-1, 1]] = 0, 2 * len(mentions) + 2
    for a, b in mentions[:-1].tolist():
        if near[person[a]] > near[person[b]]:
            a, b = b, a
        u, v = int(person[a]), int(person[b])
        on = bool(near[u] >= 0 and far[v] >= 0 and near[u] + 1 + far[v] == near[target])
        pairs.append((a, b, on))
        if on:
            level[a], level[b] = 2 * near[u] + 2, 2 * near[u] + 3
    on_chain = near[target] > 0
    by_person: dict[int, list[int]] = defaultdict(list)
    for node in mentions.ravel().tolist():
        by_person[int(person[node])].append(node)
    for nodes in by_person.values():
        chain = sorted((i for i in nodes if on_chain and level[i] >= 0), key=lambda i: level[i])
        linked = list(pairwise(chain))
        pairs += [(i, j, True) for i, j in linked]
        pairs += [(i, j, False) for i, j in pairwise(nodes) if not {(i, j), (j, i)} & set(linked)]
    edges = np.array([pair[:2] for pair in pairs], dtype=np.int64).reshape(-1, 2).T
    return edges, np.array([pair[2] for pair in pairs], dtype=bool)


def labels(instance: TextInstance, encoding: Encoding) -> list[str]:
    """Labels; where a text is read by its facts alone, the words around a relation are written out."""
    if encoding.interface == "tokens":
        return list(encoding.labels)
    return [
        f"is the {label} of" if person < 0 and label in OFFSET_OF else label
        for person, label in zip(encoding.instance_node, encoding.labels, strict=True)
    ]


def meanings(instance: TextInstance, encoding: Encoding) -> list[str | None]:
    """What the offset of each person says of the one asked about; None where no facts say it."""
    first = instance.query[0]
    texts: list[str | None] = []
    for i, person in enumerate(encoding.instance_node):
        offset = int(encoding.value[i])
        if person < 0 or instance.distance[person] < 0:
            texts.append(None)
        elif person == first:
            texts.append("offset 0, the one asked about")
        else:
            word = relation_word(offset) if abs(offset) <= MAX_OFFSET else f"{abs(offset)} generations away"
            asked = ", as asked" if offset == encoding.asked else ""
            texts.append(f"offset {offset:+d}, {instance.names[first][:40]} is the {word}{asked}".replace("+0", "0"))
    return texts


def problem(instance: TextInstance, decidable: int | None) -> str:
    """The question and its answer, without a full stop."""
    first, asked, second = instance.query
    a, b = clipped(instance.names[first]), clipped(instance.names[second])
    question = f"Is {a} the {relation_word(asked)} of {b}?"
    if instance.difficulty is None:
        return f"{question} No facts join them"
    if first == second:
        return f"{question} They are one person"
    offset = int(instance.offset[second])
    word = relation_word(offset)
    other = f"the {word}" if word in RELATIONS else f"{abs(offset)} generations away"
    answer = "Yes" if instance.label else f"No, {other}"
    return f"{question} {answer}, {number_of(instance.difficulty, 'fact')} away"


def path(instance: TextInstance) -> tuple[str, str]:
    """What the path is called, and what its links are among."""
    return "the chain of facts", "facts and names"


def size(instance: TextInstance, encoding: Encoding) -> str:
    """How large it is."""
    read = "words" if encoding.interface == "tokens" else "mentions and relations"
    facts = number_of(len(instance.facts), "fact")
    return f"{facts} about {instance.n_names:,} people, read as {encoding.n_nodes:,} {read}"


DRAWING = Drawing(
    "lines",
    links,
    lines,
    labels=labels,
    meanings=meanings,
    legend=("at the asked offset", "at another offset", "not joined yet", "no facts join them"),
    problem=problem,
    path=path,
    size=size,
    tools=(
        Tool("turn", "other relation", "x", "The next of parent, child, sibling; of all relations in the question"),
        Tool("remove", "remove the fact", "Delete", "This sentence"),
    ),
    tools_hint="Choose a name in a sentence to change what it says.",
    edits_lines=True,
)
