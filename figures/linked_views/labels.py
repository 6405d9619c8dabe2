"""What drawn nodes are called, and what the oracle's value at them means. Plain text; whoever draws it escapes it."""

from __future__ import annotations

import numpy as np

from depthscope.core.encoding import MAX_OFFSET
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.tasks.logic.instance import VOCABULARY, LogicInstance
from depthscope.core.tasks.text.instance import OFFSET_OF, TextInstance, relation_word
from depthscope.core.trace import Trace
from depthscope.figures.linked_views.layout import encoded_formula

MAX_LABEL = 200


def labels(trace: Trace, nodes: np.ndarray) -> list[str]:
    """Labels of nodes; where a text is read by its facts alone, the words around a relation are written out."""
    encoding = trace.encoding
    found = [encoding.labels[i][:MAX_LABEL] for i in nodes]
    if not isinstance(trace.instance, TextInstance) or encoding.interface == "tokens":
        return found
    return [
        f"is the {label} of" if encoding.subformula[i] < 0 and label in OFFSET_OF else label
        for i, label in zip(nodes, found, strict=True)
    ]


def names(trace: Trace, nodes: np.ndarray) -> list[str | None] | None:
    """What a node stands for where its label does not say it: the text of its subformula."""
    if not isinstance(trace.instance, LogicInstance):
        return None
    instance = encoded_formula(trace.instance, trace.encoding)
    text = [""] * instance.n_subformulas
    for i in instance.bottom_up:
        symbol, left, right = VOCABULARY[instance.kind[i]], int(instance.left[i]), int(instance.right[i])
        if left >= 0:
            symbol = symbol + text[left] if right < 0 else f"({text[left]}{symbol}{text[right]})"
        text[i] = symbol if len(symbol) <= MAX_LABEL else symbol[: MAX_LABEL - 1] + "…"
    return [text[sub] if sub >= 0 else None for sub in trace.encoding.subformula[nodes]]


def meanings(trace: Trace, nodes: np.ndarray) -> list[str | None] | None:
    """What the offset of each person says of the one asked about; None where no facts say it. Texts alone have any."""
    instance, encoding = trace.instance, trace.encoding
    if not isinstance(instance, TextInstance):
        return None
    first = instance.query[0]
    said: list[str | None] = []
    for i, person in zip(nodes, encoding.subformula[nodes], strict=True):
        offset = int(encoding.value[i])
        if person < 0 or instance.distance[person] < 0:
            said.append(None)
        elif person == first:
            said.append("offset 0, the one asked about")
        else:
            word = relation_word(offset) if abs(offset) <= MAX_OFFSET else f"{abs(offset)} generations away"
            asked = ", as asked" if offset == encoding.asked else ""
            said.append(f"offset {offset:+d}, {instance.names[first][:40]} is the {word}{asked}".replace("+0", "0"))
    return said


def ghosts(trace: Trace, nodes: np.ndarray, subformula: np.ndarray) -> dict[str, object]:
    """What ghosts stand for: names, mentions among the drawn nodes, hops from the source, and which are the ends."""
    instance, of = trace.instance, trace.encoding.subformula[nodes]
    assert isinstance(instance, GraphInstance)
    return {
        "labels": [instance.names[k][:MAX_LABEL] for k in subformula],
        "mentions": [np.flatnonzero(of == k).tolist() for k in subformula],
        "hops": instance.distance[subformula].tolist(),
        "ends": np.searchsorted(subformula, [instance.source, instance.target]).tolist(),
    }
