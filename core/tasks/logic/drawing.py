"""What figures draw and say of a formula."""

from __future__ import annotations

import numpy as np

from depthscope.core.encoding import Encoding
from depthscope.core.tasks.logic.encode import encoded
from depthscope.core.tasks.logic.instance import CONTROLLING, VOCABULARY, LogicInstance
from depthscope.core.tasks.spec import Drawing, Tool
from depthscope.core.tasks.wording import clipped, number_of

MAX_LABEL, MAX_TEXT = 200, 160


def links(instance: LogicInstance, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """Each child with its operator, (2, E), and which the earliest decision rests on, (E,)."""
    instance, sub = encoded(instance, encoding), encoding.instance_node
    node_of = np.full(instance.n_subformulas, -1)
    has = np.flatnonzero(sub >= 0)
    node_of[sub[has]] = has
    parent = np.concatenate([np.arange(instance.n_subformulas)] * 2)
    child = np.concatenate([instance.left, instance.right])
    ok = (child >= 0) & (node_of[child] >= 0) & (node_of[parent] >= 0)
    rests = _decisive_subformulas(instance)
    return np.stack([node_of[child[ok]], node_of[parent[ok]]]), rests[child[ok]] & rests[parent[ok]]


def _decisive_subformulas(instance: LogicInstance) -> np.ndarray:
    """Which subformulas the earliest decision rests on, (m,) bool: one sure child where one decides, else all."""
    rests = np.zeros(instance.n_subformulas, dtype=bool)
    stack = [instance.root]
    while stack:
        i = stack.pop()
        rests[i] = True
        children = instance.children(i)
        if len(children) == 2:
            sure = [c for c in children if instance.decided_from[i] == instance.decided_from[c] + 1]
            deciding = [c for c in sure if instance.value[c] == CONTROLLING.get(int(instance.kind[i]))]
            children = deciding[:1] or children
        stack.extend(children)
    return rests


def names(instance: LogicInstance, encoding: Encoding) -> list[str | None]:
    """The text of each node's subformula; None for brackets."""
    instance = encoded(instance, encoding)
    text = [""] * instance.n_subformulas
    for i in instance.bottom_up:
        symbol, left, right = VOCABULARY[instance.kind[i]], int(instance.left[i]), int(instance.right[i])
        if left >= 0:
            symbol = symbol + text[left] if right < 0 else f"({text[left]}{symbol}{text[right]})"
        text[i] = symbol if len(symbol) <= MAX_LABEL else symbol[: MAX_LABEL - 1] + "…"
    return [text[sub] if sub >= 0 else None for sub in encoding.instance_node]


def decidable(instance: LogicInstance, encoding: Encoding) -> int:
    """First step at which the value is known as the model takes it in: by levels of the tree, or by tokens."""
    return int(encoding.known_from[encoding.answer])


def problem(instance: LogicInstance, decidable: int | None) -> str:
    """The formula and its value."""
    value = "true" if instance.label else "false"
    return f"The formula is {value}; decidable after {number_of(decidable or 0, 'step')}"


def path(instance: LogicInstance) -> tuple[str, str]:
    """What the path is called, and what its links are among."""
    return "the branches that decide", "the branches of the tree"


def size(instance: LogicInstance, encoding: Encoding) -> str:
    """How large it is, and its text."""
    return f"{instance.n_subformulas:,} subformulas, depth {instance.depth}: {clipped(instance.text, MAX_TEXT)}"


DRAWING = Drawing(
    "tree",
    links,
    encoded=encoded,
    names=names,
    problem=problem,
    path=path,
    size=size,
    tools=(
        Tool("turn", "flip", "x", "T for F, or the next operator of & | ^"),
        Tool("negate", "negate", "n", "Put ! before it, or take it away"),
        Tool("grow", "deepen", "+", "Join it with T or F so that its value stays"),
        Tool("fold", "fold", "Delete", "Put its value in its place"),
    ),
    tools_hint="Choose an atom or an operator to change it.",
)
