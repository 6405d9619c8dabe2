"""The live log of a training run: one JSON object a line beside its state, only ever appended to.

A run writes it and never reads it, so that it has no part in what is trained. A run that was killed and goes on from an
earlier save writes some batches again; for the reader the later lines count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from depthscope.core.files import atomic
from depthscope.core.files.strict_json import dumps

LOG = "training.jsonl"
POINTS = 400
"""Batches that are logged in the whole of a run, about."""

MAX_BYTES, MAX_COUNT = 16 << 20, 10**9


class Writer:
    """Appends to the log of one run.

    Args:
        folder: Of the run; made if it is not there.
        batches: In all.

    Raises:
        InputError: If it cannot be written, now or later.
    """

    def __init__(self, folder: Path, batches: int) -> None:
        self._path, self._batches, self._every = folder / LOG, batches, max(1, batches // POINTS)
        with atomic.written(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and not self._path.read_bytes().endswith(b"\n"):
            self._append("\n")  # the last line was cut off

    def batch(self, batch: int, seconds: float, loss: float, accuracy: float, level: int) -> None:
        """Logs a batch, if it is one of those that are."""
        if batch % self._every == 0 or batch in (1, self._batches):
            entry = {"batch": batch, "seconds": round(seconds, 2), "loss": loss, "accuracy": accuracy, "level": level}
            self._append(dumps(entry) + "\n")

    def validation(self, entry: Mapping[str, Any]) -> None:
        """Logs a validation: batch, seconds, accuracy by difficulty."""
        self._append(dumps({"batch": entry["batch"], "validation": entry["accuracy"]}) + "\n")

    def _append(self, text: str) -> None:
        with atomic.written(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(text)


@dataclass(frozen=True)
class Log:
    """What a run has logged so far.

    Attributes:
        batch: (k,) batches that were logged, rising.
        seconds: (k,) of training until then, restarts included.
        loss: (k,) of the batch.
        accuracy: (k,) share of right answers in the batch.
        level: (k,) greatest difficulty at the time.
        validation: Batch and accuracy by difficulty of each validation, rising.
    """

    batch: np.ndarray
    seconds: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray
    level: np.ndarray
    validation: tuple[tuple[int, dict[int, float]], ...]

    @property
    def last(self) -> int:
        """The last batch that was logged, 0 before the first."""
        return int(self.batch[-1]) if len(self.batch) else 0


def read(folder: Path) -> Log:
    """The log of a run, empty where there is none; lines that are cut off or damaged are skipped."""
    rows: list[tuple[float, ...]] = []
    checks: list[tuple[int, dict[int, float]]] = []
    for line in _lines(folder / LOG):
        try:
            entry = json.loads(line)
            batch = int(entry["batch"])
            if not 0 <= batch <= MAX_COUNT:
                continue
            if "validation" in entry:
                check = (batch, {int(k): float(v) for k, v in entry["validation"].items()})
                checks = [*(c for c in checks if c[0] < batch), check]
            else:
                row = (batch, *(float(entry[k]) for k in ("seconds", "loss", "accuracy", "level")))
                if not 0 <= row[-1] <= MAX_COUNT:
                    continue
                while rows and rows[-1][0] >= batch:  # it went on from an earlier save
                    rows.pop()
                checks = [c for c in checks if c[0] < batch]
                rows.append(row)
        except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    columns = np.array(rows, dtype=float).reshape(-1, 5).T
    batch, seconds, loss, accuracy, level = columns
    return Log(batch.astype(int), seconds, loss, accuracy, level.astype(int), tuple(checks))


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
