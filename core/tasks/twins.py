"""Twins: the minimally different instance with the other answer, found for any instance by search.

What is least is the task's business: two edges swapped (graph), one atom flipped (logic), one fact changed (text).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from depthscope.core.tasks.graph import twin as graph_twin
from depthscope.core.tasks.logic import twin as logic_twin
from depthscope.core.tasks.text import twin as text_twin

SEARCH = {"graph": graph_twin.twin, "logic": logic_twin.twin, "text": text_twin.twin}


@dataclass(frozen=True)
class Twin:
    """An instance with the other answer.

    Attributes:
        instance: The twin.
        change: A sentence on what differs.
    """

    instance: Any
    change: str


def find(instance: Any, seed: int = 0) -> Twin:
    """The twin of an instance; the same for the same seed.

    Raises:
        InputError: If there is none, with the reason.
    """
    return Twin(*SEARCH[instance.task](instance, seed))
