"""What all instruments need: how many steps, whether it fits in memory, and results as arrays in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from depthscope.core import trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import SPARSE_ABOVE, Encoding
from depthscope.core.errors import InputError
from depthscope.core.files import atomic
from depthscope.core.files.strict_json import dumps
from depthscope.core.protocol import RecurrentModel
from depthscope.core.trace import MAX_STEPS
from depthscope.probes.measuring.estimate import Estimate

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Result:
    """What an instrument measured: numbers, arrays, texts and Estimates, each with its control beside it.

    Attributes:
        checkpoint: Name of the checkpoint.
        sha256: Of its weights.
        steps: T.
        seed: Of everything random.
    """

    checkpoint: str
    sha256: str
    steps: int
    seed: int

    def table(self) -> str:
        """What the command prints; one row an estimate, where an instrument has no table of its own."""
        rows = [f"{row['name']:<32}{row['index']:>8}  {row['text']}" for row in estimates(self)]
        return "\n".join([f"{self.checkpoint}: T = {self.steps}", "", *rows])

    def to_json(self, indent: int | None = None) -> str:
        """Strict JSON; what is not defined is null."""
        return dumps(self, indent=indent)


def named_estimates(result: Any, prefix: str = "") -> dict[str, Estimate]:
    """Every estimate of a result by dotted name, those of its parts too."""
    named: dict[str, Estimate] = {}
    for name, value in (vars(result) if is_dataclass(result) else result).items():
        if isinstance(value, Estimate):
            named[prefix + name] = value
        elif is_dataclass(value) or isinstance(value, Mapping):
            named |= named_estimates(value, f"{prefix}{name}.")
        elif isinstance(value, tuple | list) and value and is_dataclass(value[0]):
            for i, part in enumerate(value):
                named |= named_estimates(part, f"{prefix}{name}.{i}.")
    return named


def estimates(result: Any) -> list[dict[str, Any]]:
    """Every estimate as rows: name, index ("" for a single number), value, low, high, n, and all of it as text."""
    rows = []
    for name, of in named_estimates(result).items():
        for index in np.ndindex(of.shape):
            one = of[index]
            numbers = {key: getattr(one, key).item() for key in ("value", "low", "high", "n")}
            rows.append({"name": name, "index": ",".join(map(str, index)), **numbers, "text": f"{one}"})
    return rows


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


def shown(steps: int, most: int = 17) -> list[int]:
    """Steps that a table has a row for: all of 0..T, or so many of them evenly."""
    return np.unique(np.linspace(0, steps, min(most, steps + 1)).round().astype(int)).tolist()


def refuse_over(size: float, what: str, remedy: str, limit: int | None = None) -> None:
    """Refuses work that would need too much memory.

    Args:
        size: Bytes it would take.
        what: That would take it.
        remedy: What makes it smaller.
        limit: Bytes allowed; None takes MAX_BYTES.

    Raises:
        InputError: If the size is over the limit.
    """
    limit = MAX_BYTES if limit is None else limit
    if size > limit:
        raise InputError(f"{what} would take {size / 2**30:.1f} GiB, over the limit of {limit / 2**30:.0f}; {remedy}")


def held_by_runs(model: RecurrentModel, encodings: Sequence[Encoding]) -> float:
    """Bytes of instances as nodes, and of one step of the largest of them; what a batch may hold is bounded else."""
    arrays = (x.nbytes for e in encodings for x in vars(e).values() if isinstance(x, np.ndarray))
    steps, shapes = [0], model.shapes
    for e in encodings:
        edges = 0 if e.edge_index is None else e.edge_index.shape[1]
        pairs = edges + e.n_nodes if e.edge_index is not None and e.n_nodes > SPARSE_ABOVE else e.n_nodes**2
        steps.append(4 * (12 * e.n_nodes * shapes.width + 3 * max(1, shapes.heads) * pairs))
    return float(sum(arrays) + max(steps))


def arrays(result: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """The arrays, numbers and texts of a result by dotted name; what is None is left out, among numbers NaN."""
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
            array = np.asarray(
                [np.nan if x is None else x for x in value] if isinstance(value, tuple | list) else value
            )
            if array.dtype.kind == "O":
                raise ValueError(f"{prefix}{name} is no array of numbers or texts")
            found[prefix + name] = array
    return found


def save_npz(result: Any, path: Path) -> None:
    """Writes a result's arrays, readable with `numpy.load(path, allow_pickle=False)`; whole or not at all."""
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays(result))
