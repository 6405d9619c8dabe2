"""Traces and frontiers as files and as JSON objects: the same names on the command line and in the page's downloads."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.files import buffers
from depthscope.core.files.atomic import replacing
from depthscope.core.frontier import NO_DIFFICULTY, Frontier, t75
from depthscope.core.trace import VERSION, Trace

WRITTEN_AT_ONCE = 32 << 20
ARRAYS = ("hidden", "attention", "edge_index", "gate", "readout", "logits", "truth", "known")
"""Arrays of a trace; those it does not have are left out of the file."""


def write_npz(trace: Trace, file: IO[bytes]) -> None:
    """Writes the arrays of a trace as they load with `allow_pickle=False`.

    Beside them `tokens` (n,), `concept`, the value `asked`, the name `checkpoint` and the `version` of the format.
    """
    arrays = {name: getattr(trace, name) for name in ARRAYS if getattr(trace, name) is not None}
    if not trace.hidden.shape[-1]:
        del arrays["hidden"]  # they were not kept
    arrays["tokens"] = np.array(trace.encoding.labels, dtype=np.str_)
    arrays["concept"] = np.array(tasks.get(trace.instance.task).concept.name, dtype=np.str_)
    arrays["asked"] = np.array(trace.encoding.asked)
    arrays["checkpoint"] = np.array(trace.checkpoint, dtype=np.str_)
    arrays["version"] = np.array(VERSION)
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                _write_array(member, array)


def _write_array(file: IO[bytes], array: np.ndarray) -> None:
    """Writes an array as npy, some rows at a time: one that lies on disk is never in memory as a whole."""
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_2_0(file, header)
    rows = array.reshape(1) if array.ndim == 0 else array
    at_once = max(1, WRITTEN_AT_ONCE * len(rows) // max(1, array.nbytes))
    for start in range(0, len(rows), at_once):
        file.write(np.ascontiguousarray(rows[start : start + at_once]).tobytes())
        buffers.forget(array)


def save_npz(trace: Trace, path: Path) -> None:
    """Writes a trace as `write_npz` does into a file, whole or not at all.

    Raises:
        InputError: If it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        write_npz(trace, file)


def answer_object(checkpoint: str, instance: Any, logits: np.ndarray, notes: Iterable[str] = ()) -> dict[str, Any]:
    """What `trace --json` prints for one instance.

    Args:
        checkpoint: Name of the checkpoint.
        instance: What it ran on.
        logits: (T+1,) logit of the answer, index = step.
        notes: Sentences about what was rewritten or assumed.
    """
    return {
        "checkpoint": checkpoint,
        "task": instance.task,
        **tasks.get(instance.task).asks(instance),
        "label": instance.label,
        "answer": int(logits[-1] > 0),
        "logits": [round(float(logit), 6) for logit in logits],
        "steps": len(logits) - 1,
        "notes": list(notes),
    }


def frontier_object(frontier: Frontier, **about: Any) -> dict[str, Any]:
    """What `frontier --json` prints; what does not exist is null.

    Args:
        frontier: What was measured.
        about: Further entries: the checkpoint, the instances.
    """
    arrival = t75(frontier)
    return {
        **vars(frontier),
        "difficulty": [None if d == NO_DIFFICULTY else int(d) for d in frontier.difficulty],
        "t75": [None if t < 0 else int(t) for t in arrival.steps],
        "t75_fit": {name: getattr(arrival, name) for name in ("intercept", "slope", "r2", "n")},
        **about,
    }
