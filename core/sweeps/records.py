"""The records of a sweep: one JSON file a run, written whole by the one who makes it, read by anyone at any time.

Two files beside them say who is at work: LOCK is held by the sweep as long as it lives, SESSION tells it from an
earlier one and says whether it is to stop.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from depthscope.core.errors import InputError
from depthscope.core.files import atomic, locks
from depthscope.core.files.strict_json import dumps

FOLDER, LOCK, SESSION = "records", ".sweep.lock", ".sweep.json"
VERSION = 1
MEASURED = ("difficulty", "steps", "accuracy", "low", "high", "n", "distinct")
"""Lists by difficulty, as far as it is measured."""

State = Literal["at work", "to stop", "gone"]


def new(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run that was not begun yet.

    Args:
        settings: What the plan says: name, position, task, recipe, variant, seed, overrides, settings, measure and
            batches.
    """
    return {
        "version": VERSION, **settings, "status": "queued", "error": None, "batch": 0, "seconds": 0.0, "validation": [],
        "sha256": None, "parameters": None, **{k: [] for k in MEASURED},
    }  # fmt: skip


def write(out: Path, record: Mapping[str, Any]) -> None:
    """Writes a record whole or not at all."""
    atomic.write(out / FOLDER / f"{record['name']}.json", dumps(record) + "\n")


def read(path: Path) -> dict[str, Any]:
    """A record as it was written.

    Raises:
        InputError: If the file is none.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or "version" not in record:
        raise InputError(f"{path} is no record of a sweep")
    if record["version"] != VERSION:
        raise InputError(f"{path} is of version {record['version']!r:.20}, which this program does not read")
    return record


def read_all(out: Path) -> dict[str, dict[str, Any]]:
    """The records in a folder by name, in the order of the plan."""
    result = [read(path) for path in (out / FOLDER).glob("[!.]*.json")]
    return {record["name"]: record for record in sorted(result, key=lambda r: (r["position"], r["name"]))}


def records(path: Path | str) -> list[dict[str, Any]]:
    """The runs of a sweep, in the order of its plan, at any time.

    Args:
        path: Folder of the sweep.

    Returns:
        One object a run: name, task, recipe, variant, seed, overrides, settings, measure, status ("queued", "running",
        "done", "failed"), error, batch, batches, seconds, validation, sha256, parameters, and, as far as they are
        measured, lists by difficulty: difficulty, steps, accuracy, low, high, n, distinct.

    Raises:
        InputError: If there is no sweep.
    """
    out = Path(path)
    if not (out / FOLDER).is_dir():
        raise InputError(f"there is no sweep at {out}")
    return visible(out, read_all(out).values())


def visible(out: Path, result: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Records as `records` gives them."""
    alive = locks.is_held(out / LOCK)
    shown = [{k: v for k, v in record.items() if k not in ("version", "position")} for record in result]
    for record in shown:
        if record["status"] == "running" and not alive:  # it was killed, and waits for the next sweep
            record["status"] = "queued"
    return shown


def begin(out: Path) -> str:
    """Makes the holder of the lock the sweep at work; returns its name."""
    session = uuid.uuid4().hex
    atomic.write(out / SESSION, dumps({"id": session, "stop": False}))
    return session


def stop(out: Path, session: str) -> None:
    """Asks the workers of a sweep to stop after their batch."""
    atomic.write(out / SESSION, dumps({"id": session, "stop": True}))


def state(out: Path, session: str) -> State:
    """Whether a sweep is at work, or was asked to stop, or has ended or been followed by another."""
    current = json.loads((out / SESSION).read_text(encoding="utf-8"))
    if current["id"] != session or not locks.is_held(out / LOCK):
        return "gone"
    return "to stop" if current["stop"] else "at work"


def line(record: dict[str, Any]) -> str:
    """A run in one line: how it stands, and accuracy by difficulty."""
    shown = " ".join(f"{d}:{a:.3f}" for d, a in zip(record["difficulty"], record["accuracy"], strict=True))
    if record["status"] == "failed":
        shown = str(record["error"]).strip().splitlines()[-1]
    return (
        f"{record['status']:8} {record['name']} {record['batch']}/{record['batches']} {record['seconds']:.0f}s {shown}"
    )
