"""The records of a sweep: many writers, readers at any time, and nothing lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from depthscope.core.errors import InputError
from depthscope.core.files import locks
from depthscope.core.sweeps.ledger import FILE, LOCK, Ledger, line, records

ROOT = Path(__file__).parents[3]

WRITER = """
import sys
from pathlib import Path
from depthscope.core.sweeps.ledger import Ledger
ledger, name = Ledger(Path(sys.argv[1])), sys.argv[2]
for i in range(1, 151):
    ledger.note(name, batch=i, validation=[{"batch": i}])
    ledger.note_measured(name, dict(difficulty=i, steps=i, accuracy=.5, low=0, high=1, n=2, distinct=2))
"""


def row(name: str, position: int = 0) -> dict[str, Any]:
    about = {"task": "graph", "recipe": "house", "variant": "full", "seed": 0}
    return {"name": name, "position": position, **about, "overrides": {}, "settings": {}, "measure": None, "batches": 9}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path)
    made.create("wal")
    made.begin("one", [row("b", 0), row("a", 1)], ["a", "b"])
    return made


def test_two_processes_write_while_a_third_reads(ledger: Ledger) -> None:
    folder = str(ledger.path.parent)
    running = [subprocess.Popen([sys.executable, "-c", WRITER, folder, name], cwd=ROOT) for name in "ab"]
    seen = []
    while any(process.poll() is None for process in running):
        for record in records(folder):
            assert record["difficulty"] == list(range(1, len(record["difficulty"]) + 1))
            assert record["batch"] - len(record["difficulty"]) in (0, 1)
            seen.append(record["batch"])
    assert [process.returncode for process in running] == [0, 0]
    assert [(r["name"], r["batch"], len(r["accuracy"])) for r in records(folder)] == [("b", 150, 150), ("a", 150, 150)]
    assert len(set(seen)) > 2


def test_what_a_record_holds(ledger: Ledger) -> None:
    ledger.note("a", status="failed", error="Traceback\n  ...\nValueError: no\n", batch=3, seconds=1.5)
    found = ledger.record("a")
    assert (found["status"], found["batch"], found["batches"], found["measure"]) == ("failed", 3, 9, None)
    assert (found["validation"], found["accuracy"]) == ([], [])
    assert line(found) == "failed   a 3/9 2s ValueError: no"


def test_a_run_of_a_dead_sweep_is_queued(ledger: Ledger) -> None:
    ledger.note("a", status="running")
    assert ledger.record("a")["status"] == "queued"
    with locks.held(ledger.path.parent / LOCK, lambda: True) as had:
        assert had
        assert ledger.record("a")["status"] == "running"
        with locks.held(ledger.path.parent / LOCK, lambda: True) as again:
            assert not again


def test_a_session_ends_when_asked_or_replaced(ledger: Ledger) -> None:
    assert not ledger.is_over("one")
    ledger.stop("another")
    assert not ledger.is_over("one")
    ledger.stop("one")
    assert ledger.is_over("one")
    ledger.begin("two", [row("a")], [], ["a"])
    assert ledger.is_over("one")
    assert not ledger.is_over("two")
    assert len(records(ledger.path)) == 2


def test_a_transaction_that_breaks_off_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="CHECK"):
        ledger.note("a", batch=5, status="lost")
    assert ledger.record("a")["batch"] == 0


def test_settled_it_is_one_ordinary_file(ledger: Ledger) -> None:
    folder = ledger.path.parent
    ledger.settle()
    assert [path.name for path in folder.iterdir() if path.is_file()] == [FILE]
    assert len(records(folder)) == 2
    assert [path.name for path in folder.iterdir() if path.is_file()] == [FILE]
    ledger.create("wal")
    with closing(sqlite3.connect(ledger.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM runs").fetchall()
        ledger.settle()  # someone reads: it stays as it is
    assert len(records(folder)) == 2


def test_what_is_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sweep at"):
        records(tmp_path)
    with pytest.raises(InputError, match="no sweep at"):
        records(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("no database, but long enough to be one" * 100)
    with pytest.raises(InputError, match="not a database"):
        records(tmp_path / "text.sqlite")
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("CREATE TABLE runs (x)")
    with pytest.raises(InputError, match="no sweep that this version reads"):
        records(tmp_path)
