"""One parser to be fuzzed: how it reads, valid files of its format, and what is made of those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from benchmarks.robustness.fuzz.damage import text


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes:
        name: What it is called.
        read: Takes bytes; returns, or raises an InputError.
        samples: Returns bytes that it takes.
        damage: From samples to the inputs that fuzz it.
    """

    name: str
    read: Callable[[bytes], object]
    samples: Callable[[], Sequence[bytes]]
    damage: Callable[[Sequence[bytes]], st.SearchStrategy[bytes]] = text

    @property
    def inputs(self) -> st.SearchStrategy[bytes]:
        """Bytes to give it."""
        return self.damage(self.samples())


def solved(instance: Any) -> object:
    """What every page reads of an instance."""
    return instance.label, instance.difficulty, instance.default_steps, instance.first_decidable_step()
