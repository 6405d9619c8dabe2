"""Edits of a formula: an atom flipped, an operator exchanged, a negation, a subformula grown or folded to its value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks.logic.instance import AND, BINARY, NOT, OR, VOCABULARY, XOR, F, LogicInstance, T

NEXT = {T: F, F: T, AND: OR, OR: XOR, XOR: AND}


@dataclass
class _Node:
    """A subformula while it is edited; `kind` is its index in the vocabulary."""

    kind: int
    children: list[_Node]


def turn(instance: LogicInstance, i: int) -> tuple[LogicInstance, str]:
    """Flips an atom, or exchanges an operator for the next of & | ^."""
    _check(instance, i)
    before = int(instance.kind[i])
    if before not in NEXT:
        raise InputError("a negation has nothing to be exchanged for; take it away instead")
    kind = instance.kind.copy()
    kind[i] = NEXT[before]
    said = f"{VOCABULARY[before]} became {VOCABULARY[NEXT[before]]} at token {int(instance.position[i]) + 1}."
    return replace(instance, kind=kind), said


def negate(instance: LogicInstance, i: int) -> tuple[LogicInstance, str]:
    """Puts a negation before a subformula, or takes it away where i is one."""
    _check(instance, i)
    nodes = _nodes(instance)
    if nodes[i].kind == NOT:
        _become(nodes[i], nodes[i].children[0])
        return _instance(nodes[instance.root]), "A negation was taken away."
    _become(nodes[i], _Node(NOT, [_Node(nodes[i].kind, nodes[i].children)]))
    return _instance(nodes[instance.root]), f"{VOCABULARY[int(instance.kind[i])]} was negated."


def grow(instance: LogicInstance, i: int) -> tuple[LogicInstance, str]:
    """Makes x into (x&T) where x is true and (x|F) where it is false: deeper, and all values stay."""
    _check(instance, i)
    nodes = _nodes(instance)
    operator, other = (AND, T) if instance.value[i] else (OR, F)
    _become(nodes[i], _Node(operator, [_Node(nodes[i].kind, nodes[i].children), _Node(other, [])]))
    return _instance(nodes[instance.root]), f"A subformula was joined with {VOCABULARY[operator]}{VOCABULARY[other]}."


def fold(instance: LogicInstance, i: int) -> tuple[LogicInstance, str]:
    """Puts its value in the place of a subformula."""
    _check(instance, i)
    if instance.left[i] < 0:
        raise InputError("this is a value already; choose an operator to fold")
    nodes, value = _nodes(instance), T if instance.value[i] else F
    _become(nodes[i], _Node(value, []))
    return _instance(nodes[instance.root]), f"A subformula was folded to {VOCABULARY[value]}."


def harder(instance: LogicInstance) -> tuple[LogicInstance, str]:
    """Grows a deepest atom: one level deeper, and the value stays."""
    grown, _ = grow(instance, _deepest(instance, instance.left < 0))
    return grown, f"One level deeper: nesting depth {grown.depth}."


def easier(instance: LogicInstance) -> tuple[LogicInstance, str]:
    """Folds the deepest operators until the nesting depth is one less; the value stays."""
    if instance.depth == 0:
        raise InputError("this formula cannot be made easier: it has no operator left to fold")
    goal = instance.depth - 1
    while instance.depth > goal:
        instance, _ = fold(instance, _deepest(instance, np.isin(instance.kind, BINARY)))
    return instance, f"One level less: nesting depth {goal}."


def _deepest(instance: LogicInstance, among: np.ndarray) -> int:
    """The first of the chosen subformulas with the most binary operators above it."""
    above = np.zeros(instance.n_subformulas, dtype=np.int64)
    for i in instance.bottom_up[::-1]:
        for child in (instance.left[i], instance.right[i]):
            if child >= 0:
                above[child] = above[i] + (int(instance.kind[i]) in BINARY)
    return int(np.argmax(np.where(among, above, -1)))


def _nodes(instance: LogicInstance) -> list[_Node]:
    nodes = [_Node(int(kind), []) for kind in instance.kind]
    for node, left, right in zip(nodes, instance.left.tolist(), instance.right.tolist(), strict=True):
        node.children = [nodes[child] for child in (left, right) if child >= 0]
    return nodes


def _become(node: _Node, other: _Node) -> None:
    node.kind, node.children = other.kind, other.children


def _instance(root: _Node) -> LogicInstance:
    """The formula in the order of its tokens; no recursion, so that depth has no limit of its own."""
    order: list[_Node] = []
    stack: list[tuple[_Node, bool]] = [(root, False)]
    while stack:
        node, seen = stack.pop()
        if seen or not node.children:
            order.append(node)
        elif len(node.children) == 1:  # ! stands before what it negates
            stack += [(node.children[0], False), (node, True)]
        else:
            stack += [(node.children[1], False), (node, True), (node.children[0], False)]
    place = {id(node): k for k, node in enumerate(order)}
    ends = [[place[id(child)] for child in node.children] for node in order]
    return LogicInstance(
        np.array([node.kind for node in order], dtype=np.int8),
        np.array([e[0] if e else -1 for e in ends], dtype=np.int32),
        np.array([e[1] if len(e) > 1 else -1 for e in ends], dtype=np.int32),
        place[id(root)],
    )


def _check(instance: LogicInstance, i: int) -> None:
    if not 0 <= i < instance.n_subformulas:
        raise InputError(f"there is no subformula number {i}; this formula has {instance.n_subformulas}")


EDITS = {"turn": turn, "negate": negate, "grow": grow, "fold": fold, "harder": harder, "easier": easier}
