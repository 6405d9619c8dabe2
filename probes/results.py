"""What all instruments need: how many steps, whether it fits in memory, and results as arrays in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import atomic, trace
from core.checkpoint import Checkpoint
from core.errors import InputError
from core.trace import MAX_STEPS

Progress = Callable[[int, int], None]

MAX_BYTES = 4 << 30
"""An instrument that needs more memory than this is refused."""


def steps_for(checkpoint: Checkpoint, instances: Sequence[Any], steps: int | None) -> int:
    """T of a run over several instances: what is asked for, or else the most that one of them is given by default.

    Raises:
        InputError: If there is no instance, or T is out of range.
    """
    if not instances:
        raise InputError("there is no instance to look at")
    if steps is None:
        return min(MAX_STEPS, max(trace.default_steps(checkpoint, instance) for instance in instances))
    if not 1 <= steps <= MAX_STEPS:
        raise InputError(f"steps should be from 1 to {MAX_STEPS} (got {steps})")
    return steps


def part(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of a part of the work that begins after some of it is done."""
    return None if progress is None else lambda done, _: progress(before + done, total)


def shown(steps: int, most: int = 17) -> list[int]:
    """Steps that a table has a row for: all of 0..T, or so many of them evenly."""
    return np.unique(np.linspace(0, steps, min(most, steps + 1)).round().astype(int)).tolist()


def refuse_over(size: float, what: str, remedy: str, limit: int = MAX_BYTES) -> None:
    """Refuses work that would need too much memory.

    Args:
        size: Bytes it would take.
        what: That would take it.
        remedy: What makes it smaller.
        limit: Bytes allowed.

    Raises:
        InputError: If the size is over the limit.
    """
    if size > limit:
        raise InputError(f"{what} would take {size / 2**30:.1f} GiB, over the limit of {limit / 2**30:.0f}; {remedy}")


def arrays(result: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """The arrays, numbers and texts of a result by dotted name; what is None is left out."""
    rows = vars(result) if is_dataclass(result) else result
    found: dict[str, np.ndarray] = {}
    for name, value in rows.items():
        if value is None:
            continue
        if is_dataclass(value) or isinstance(value, Mapping):
            found |= arrays(value, f"{prefix}{name}.")
        elif isinstance(value, tuple | list) and value and is_dataclass(value[0]):
            for i, one in enumerate(value):
                found |= arrays(one, f"{prefix}{name}.{i}.")
        else:
            array = np.asarray(value)
            if array.dtype.kind == "O":
                raise ValueError(f"{prefix}{name} is no array of numbers or texts")
            found[prefix + name] = array
    return found


def save_npz(result: Any, path: Path) -> None:
    """Writes a result's arrays, readable with `numpy.load(path, allow_pickle=False)`; whole or not at all."""
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays(result))
