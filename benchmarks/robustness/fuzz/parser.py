"""One parser to be fuzzed: how it reads, what it takes, and what is made of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from benchmarks.robustness.fuzz.damage import damaged, documents, soup

Inputs = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes:
        name: What it is called.
        read: Takes bytes; returns, or raises an InputError.
        samples: Bytes that it takes; made when asked for.
        damaged: What is made of them to fuzz it.
    """

    name: str
    read: Callable[[bytes], object]
    samples: Callable[[], Sequence[bytes]]
    damaged: Callable[[Sequence[bytes]], Inputs]

    @property
    def inputs(self) -> Inputs:
        """Bytes to give it."""
        return self.damaged(self.samples())


def of_text(words: Sequence[str], keys: Sequence[str] = ()) -> Callable[[Sequence[bytes]], Inputs]:
    """What is made of samples: they with damage, words in any order, documents where the format is JSON, and noise."""
    spoken = [word.encode() for word in words]

    def inputs(samples: Sequence[bytes]) -> Inputs:
        parts = [damaged(samples, spoken), damaged(samples, spoken), soup(spoken)]
        parts += [documents(keys)] if keys else []
        return st.one_of(*parts, st.binary(max_size=200))

    return inputs


def solved(instance: Any) -> object:
    """What every page asks of an instance that was read."""
    return instance.label, instance.difficulty, instance.default_steps, instance.first_decidable_step()
