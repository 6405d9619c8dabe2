"""Putting a formula together from parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from depthscope.core.tasks.logic.instance import LogicInstance


class Builder:
    """A formula while it is put together, children before parents; a part that is used twice is written out twice.

    Attributes:
        size: Subformulas of each part, itself counted, written out.
        height: Levels of each part.
    """

    def __init__(self) -> None:
        self.parts: list[tuple[int, int, int]] = []
        self.size: list[int] = []
        self.height: list[int] = []

    def add(self, kind: int, left: int = -1, right: int = -1) -> int:
        """The number of a new part: an atom, `!` with one child or a binary operator with two."""
        self.parts.append((kind, left, right))
        children = [child for child in (left, right) if child >= 0]
        self.size.append(1 + sum(self.size[child] for child in children))
        self.height.append(1 + max((self.height[child] for child in children), default=0))
        return len(self.parts) - 1

    def formula(self, root: int, notes: tuple[str, ...] = ()) -> LogicInstance:
        """The formula with this root, in the order of its tokens; no recursion, so that depth has no limit."""
        m = self.size[root]
        kind, left, right = np.zeros(m, np.int8), np.full(m, -1, np.int32), np.full(m, -1, np.int32)
        stack = [(root, 0)]  # a part, and the first of its subformulas
        while stack:
            part, start = stack.pop()
            place = self._place(part, start)
            kind[place], a, b = self.parts[part]
            if a >= 0:
                first = start if b >= 0 else start + 1  # `!` stands before what it negates
                left[place] = self._place(a, first)
                stack.append((a, first))
            if b >= 0:
                right[place] = self._place(b, place + 1)
                stack.append((b, place + 1))
        return LogicInstance(kind, left, right, self._place(root, 0), notes)

    def _place(self, part: int, start: int) -> int:
        _, left, right = self.parts[part]
        return start + (self.size[left] if right >= 0 else 0)


def rebuilt(
    instance: LogicInstance, make: Callable[[Builder, int, int, int], int], notes: tuple[str, ...] = ()
) -> LogicInstance:
    """A formula made anew from the bottom up.

    Args:
        instance: The formula.
        make: (builder, subformula, left, right) -> the part that takes its place; left and right are what its children
            have become, -1 for none.
        notes: Of the new formula.
    """
    builder, new = Builder(), {-1: -1}
    for i in instance.bottom_up.tolist():
        new[i] = make(builder, i, new[int(instance.left[i])], new[int(instance.right[i])])
    return builder.formula(new[instance.root], notes)
