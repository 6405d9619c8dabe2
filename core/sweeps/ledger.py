"""The records of a sweep: one SQLite file that its workers write and anyone may read while it grows.

Transactions are short and every one opens its own connection, so that a process that dies holds nothing up. With a
write-ahead log readers never wait; where workers are on other machines its shared memory cannot work, and the file is
opened with an ordinary journal instead.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from depthscope.core.errors import InputError
from depthscope.core.files import atomic, locks
from depthscope.core.files.strict_json import dumps

FILE = "sweep.sqlite"
LOCKS = ".locks"
LOCK = f"{LOCKS}/sweep"
"""Held by the sweep at work in a folder; beside it each run that is being made has one of its own."""
BUSY_SECONDS = 60.0
VERSION = 1

Status = Literal["queued", "running", "done", "failed"]

SCHEMA = """
CREATE TABLE runs (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL,
    task TEXT NOT NULL, recipe TEXT NOT NULL, variant TEXT NOT NULL, seed INTEGER NOT NULL,
    overrides TEXT NOT NULL, settings TEXT NOT NULL, measure TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'done', 'failed')), error TEXT,
    batch INTEGER NOT NULL DEFAULT 0, batches INTEGER NOT NULL, seconds REAL NOT NULL DEFAULT 0,
    validation TEXT NOT NULL DEFAULT '[]', sha256 TEXT, parameters INTEGER
);
CREATE TABLE measurements (
    name TEXT NOT NULL REFERENCES runs (name), difficulty INTEGER NOT NULL, steps INTEGER NOT NULL,
    accuracy REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, n INTEGER NOT NULL, "distinct" INTEGER NOT NULL,
    PRIMARY KEY (name, difficulty)
);
CREATE TABLE session (id TEXT NOT NULL, stop INTEGER NOT NULL);
"""
"""`session` has one row: the sweep at work, and whether it is to stop."""

JSON = ("overrides", "settings", "measure", "validation")
MEASURED = ("difficulty", "steps", "accuracy", "low", "high", "n", "distinct")


class Ledger:
    """The records of one sweep, for its writers.

    Args:
        folder: Of the sweep.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, kept if the block ends well."""
        with _opened(self.path, "rwc") as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def create(self, journal: Literal["wal", "delete"]) -> None:
        """Makes the tables if they are not there yet."""
        with atomic.written(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(self.path, "rwc", versioned=False) as connection:
            connection.execute(f"PRAGMA journal_mode = {journal}")
            connection.execute("BEGIN IMMEDIATE")
            if not connection.execute("SELECT name FROM sqlite_master WHERE name = 'runs'").fetchone():
                for statement in SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")

    def begin(
        self, session: str, rows: Sequence[Mapping[str, Any]], due: Sequence[str], fresh: Sequence[str] = ()
    ) -> None:
        """Enters the runs of a plan and makes this the sweep at work.

        Args:
            session: The sweep.
            rows: Columns of each run.
            due: Names of those that are to be made.
            fresh: Names of those whose measurements are struck out.
        """
        with self._writing() as connection:
            connection.execute("DELETE FROM session")
            connection.execute("INSERT INTO session VALUES (?, 0)", [session])
            connection.execute("UPDATE runs SET status = 'queued' WHERE status = 'running'")  # of a sweep that died
            for row in rows:
                held = {k: dumps(v) if k in JSON else v for k, v in row.items()}
                names, marks = ", ".join(held), ", ".join("?" * len(held))
                update = ", ".join(f"{k} = excluded.{k}" for k in held if k != "name")
                connection.execute(
                    f"INSERT INTO runs ({names}) VALUES ({marks}) ON CONFLICT (name) DO UPDATE SET {update}",
                    list(held.values()),
                )
            for name in due:
                connection.execute("UPDATE runs SET status = 'queued', error = NULL WHERE name = ?", [name])
            for name in fresh:
                connection.execute("DELETE FROM measurements WHERE name = ?", [name])

    def stop(self, session: str) -> None:
        """Asks the workers of a sweep to stop after their batch."""
        with self._writing() as connection:
            connection.execute("UPDATE session SET stop = 1 WHERE id = ?", [session])

    def is_over(self, session: str) -> bool:
        """Whether a sweep was asked to stop, or another has taken its place."""
        with _opened(self.path, "ro") as connection:
            return connection.execute("SELECT id, stop FROM session").fetchone() != (session, 0)

    def note(self, name: str, **values: Any) -> None:
        """Sets columns of a run."""
        held = {k: dumps(v) if k in JSON else v for k, v in values.items()}
        columns = ", ".join(f"{k} = ?" for k in held)
        with self._writing() as connection:
            connection.execute(f"UPDATE runs SET {columns} WHERE name = ?", [*held.values(), name])

    def note_measured(self, name: str, measured: Mapping[str, float]) -> None:
        """Enters what was measured at one difficulty."""
        marks = ", ".join("?" * len(MEASURED))
        with self._writing() as connection:
            values = [name, *(measured[k] for k in MEASURED)]
            connection.execute(f"INSERT OR REPLACE INTO measurements VALUES (?, {marks})", values)

    def forget_measured(self, name: str) -> None:
        """Strikes out what was measured of a run."""
        with self._writing() as connection:
            connection.execute("DELETE FROM measurements WHERE name = ?", [name])

    def settle(self) -> None:
        """Makes the file an ordinary one again, that can be read from any place, unless someone reads it just now."""
        with _opened(self.path, "rwc") as connection, suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA busy_timeout = 1000")
            connection.execute("PRAGMA journal_mode = delete")

    def record(self, name: str) -> dict[str, Any]:
        """One run, as in `records`."""
        return next(found for found in records(self.path) if found["name"] == name)


def records(path: Path | str) -> list[dict[str, Any]]:
    """The runs of a sweep, in the order of its plan; opened read-only, at any time.

    Args:
        path: Folder of the sweep, or its SQLite file.

    Returns:
        One object a run: name, task, recipe, variant, seed, overrides, settings, measure, status ("queued", "running",
        "done", "failed"), error, batch, batches, seconds, validation, sha256, parameters, and, as far as they are
        measured, lists by difficulty: difficulty, steps, accuracy, low, high, n, distinct.

    Raises:
        InputError: If there is no sweep.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    with _opened(path, "ro") as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")  # both tables as they are at one moment
        rows = connection.execute("SELECT * FROM runs ORDER BY position, name").fetchall()
        measured = connection.execute("SELECT * FROM measurements ORDER BY name, difficulty").fetchall()
    alive = locks.is_held(path.parent / LOCK)
    found = {row["name"]: {k: json.loads(row[k]) if k in JSON else row[k] for k in row.keys()} for row in rows}  # noqa: SIM118
    for record in found.values():
        del record["position"]
        if record["status"] == "running" and not alive:  # it was killed, and waits for the next sweep
            record["status"] = "queued"
        record |= {k: [] for k in MEASURED}
    for row in measured:
        for k in MEASURED:
            found[row["name"]][k].append(row[k])
    return list(found.values())


def line(record: dict[str, Any]) -> str:
    """A run in one line: how it stands, and accuracy by difficulty."""
    shown = " ".join(f"{d}:{a:.3f}" for d, a in zip(record["difficulty"], record["accuracy"], strict=True))
    if record["status"] == "failed":
        shown = str(record["error"]).strip().splitlines()[-1]
    return (
        f"{record['status']:8} {record['name']} {record['batch']}/{record['batches']} {record['seconds']:.0f}s {shown}"
    )


@contextmanager
def _opened(path: Path, mode: Literal["ro", "rwc"], versioned: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection for one block; what SQLite cannot do with the file is one sentence."""
    if mode == "ro" and not path.is_file():
        raise InputError(f"there is no sweep at {path}")
    try:
        uri = f"{path.resolve().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            if versioned and connection.execute("PRAGMA user_version").fetchone() != (VERSION,):
                raise InputError(f"{path} is no sweep that this version reads")
            yield connection
        finally:
            connection.close()  # what was not committed is undone
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path}: {error}") from None
