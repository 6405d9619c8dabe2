"""Rewrites a formula into what a smaller vocabulary can say."""

from __future__ import annotations

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks.logic.instance import AND, NOT, OR, XOR, LogicInstance

MAX_REWRITTEN = 20_000


def without_xor(instance: LogicInstance) -> LogicInstance:
    """The same formula over & | ! alone: a ^ b becomes ((a & !b) | (!a & b)).

    Raises:
        InputError: If nested ^ would make it longer than MAX_REWRITTEN subformulas.
    """
    kind, left, right = [], [], []

    def add(k: int, a: int = -1, b: int = -1) -> int:
        if len(kind) >= MAX_REWRITTEN:
            raise InputError(
                f"without ^ this formula has more than {MAX_REWRITTEN} parts; use a checkpoint that knows ^"
            )
        kind.append(k)
        left.append(a)
        right.append(b)
        return len(kind) - 1

    def copy(i: int) -> int:
        """A fresh copy of the subtree that ends at node i of the new lists."""
        done: dict[int, int] = {}
        stack = [i]
        while stack:
            j = stack[-1]
            todo = [c for c in (left[j], right[j]) if c >= 0 and c not in done]
            if todo:
                stack.extend(todo)
                continue
            done[stack.pop()] = add(kind[j], done.get(left[j], -1), done.get(right[j], -1))
        return done[i]

    new: dict[int, int] = {}
    for i in instance.bottom_up.tolist():
        k, a, b = int(instance.kind[i]), new.get(int(instance.left[i]), -1), new.get(int(instance.right[i]), -1)
        if k == XOR:
            one = add(AND, a, add(NOT, b))
            two = add(AND, add(NOT, copy(a)), copy(b))
            new[i] = add(OR, one, two)
        else:
            new[i] = add(k, a, b)
    return in_token_order(np.array(kind), np.array(left), np.array(right), new[instance.root], instance.notes)


def in_token_order(
    kind: np.ndarray, left: np.ndarray, right: np.ndarray, root: int, notes: tuple[str, ...] = ()
) -> LogicInstance:
    """A formula from a tree in any order: subformulas are renumbered by the place of their operator or atom."""
    order: list[int] = []
    stack = [(root, False)]
    while stack:
        i, opened = stack.pop()
        if opened or left[i] < 0:
            order.append(i)
        elif right[i] < 0:  # `!` stands before what it negates
            order.append(i)
            stack.append((int(left[i]), False))
        else:
            stack += [(int(right[i]), False), (i, True), (int(left[i]), False)]
    rank = np.full(len(kind) + 1, -1, dtype=np.int32)
    rank[order] = np.arange(len(order))
    keep = np.array(order)
    return LogicInstance(kind[keep].astype(np.int8), rank[left[keep]], rank[right[keep]], int(rank[root]), notes)


def as_given(instance: LogicInstance, config: ModelConfig) -> LogicInstance:
    """The formula that a model is in fact given: without ^ where it does not know it."""
    return without_xor(instance) if config.vocabulary <= XOR and (instance.kind == XOR).any() else instance


def encoded(instance: LogicInstance, encoding: Encoding) -> LogicInstance:
    """The formula that an encoding's nodes speak of: the instance, or what its ^ was rewritten into."""
    count = len(np.unique(encoding.instance_node[encoding.instance_node >= 0]))
    return instance if count == instance.n_subformulas else without_xor(instance)
