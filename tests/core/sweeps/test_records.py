"""The records of a sweep: written whole, readable at any time, and nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from depthscope.core.errors import InputError
from depthscope.core.files import locks
from depthscope.core.sweeps import records as ledger
from depthscope.core.sweeps.records import FOLDER, LOCK, line, records

ROOT = Path(__file__).parents[3]

WRITER = """
import sys
from pathlib import Path
from depthscope.core.sweeps import records
out, name = Path(sys.argv[1]), sys.argv[2]
record = records.read(out / records.FOLDER / f"{name}.json")
for i in range(1, 151):
    record |= {k: [*record[k], i] for k in records.MEASURED} | {"batch": i}
    records.write(out, record)
"""


def new(name: str, position: int = 0) -> dict[str, Any]:
    about = {"task": "graph", "recipe": "house", "variant": "full", "seed": 0}
    settings = {"name": name, "position": position, "overrides": {}, "settings": {}, "measure": None, "batches": 9}
    return ledger.new({**settings, **about})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    ledger.write(tmp_path, new("b", 0))
    ledger.write(tmp_path, new("a", 1))
    return tmp_path


@pytest.mark.slow
def test_two_processes_write_while_a_third_reads(out: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, out, name], cwd=ROOT) for name in "ab"]
    seen = []
    while any(process.poll() is None for process in running):
        for record in records(out):
            assert record["difficulty"] == list(range(1, record["batch"] + 1))
            seen.append(record["batch"])
    assert [process.returncode for process in running] == [0, 0]
    assert [(r["name"], r["batch"], len(r["accuracy"])) for r in records(out)] == [("b", 150, 150), ("a", 150, 150)]
    assert len(set(seen)) > 2


def test_what_a_record_holds(out: Path) -> None:
    error = "Traceback\n  ...\nValueError: no\n"
    ledger.write(out, new("a", 1) | {"status": "failed", "error": error, "batch": 3, "seconds": 1.5})
    result = records(out)[1]
    assert (result["status"], result["batch"], result["batches"], result["measure"]) == ("failed", 3, 9, None)
    assert (result["validation"], result["accuracy"]) == ([], [])
    assert not {"position", "version"} & result.keys()
    assert line(result) == "failed   a 3/9 2s ValueError: no"


def test_a_run_of_a_dead_sweep_is_queued(out: Path) -> None:
    ledger.write(out, new("b") | {"status": "running"})
    assert records(out)[0]["status"] == "queued"
    with locks.held(out / LOCK) as had:
        assert had
        assert records(out)[0]["status"] == "running"


def test_a_session_ends_when_asked_or_replaced_or_dead(out: Path) -> None:
    with locks.held(out / LOCK):
        first = ledger.begin(out)
        assert ledger.state(out, first) == "at work"
        ledger.stop(out, first)
        assert ledger.state(out, first) == "to stop"
        second = ledger.begin(out)
        assert ledger.state(out, first) == "gone"
        assert ledger.state(out, second) == "at work"
    assert ledger.state(out, second) == "gone"


def test_what_is_no_sweep(out: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(InputError, match="no sweep at"):
        records(tmp_path_factory.mktemp("empty"))
    with pytest.raises(InputError, match="no sweep at"):
        records(out / "none")
    for content in ("no record", "[]", "{}", "[" * 100_000, b"\xff"):
        (out / FOLDER / "a.json").write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(InputError, match=r"a\.json is no record of a sweep"):
            records(out)
    (out / FOLDER / "a.json").write_text(json.dumps({**new("a"), "version": 2}))
    with pytest.raises(InputError, match="version 2"):
        records(out)
