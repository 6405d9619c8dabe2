"""The two sides of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from depthscope.ui.visit.view import View

Kind = Literal["checkpoint", "twin", "instance"]
GAP = "difference of the two"
"""Name of the reading that fills the nodes with it."""


@dataclass(frozen=True)
class Pair:
    """Two sides that are open.

    Attributes:
        kind: What the other side is.
        first: The open view.
        second: The other side.
        titles: What the sides are called.
        note: What makes the second another instance, where that can be said.
    """

    kind: Kind
    first: View
    second: View
    titles: tuple[str, str]
    note: str = ""
