"""Locks: one holder, gone with it, and nothing left in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from depthscope.core.errors import InputError
from depthscope.core.files import locks

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from pathlib import Path
from depthscope.core.files import locks
with locks.held(Path(sys.argv[1])) as had:
    print(had, flush=True)
    sys.stdin.read()
"""


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path, asked = tmp_path / "new" / "lock", []
    assert not locks.is_held(path)
    with locks.held(path) as had:
        assert had
        assert locks.is_held(path)
        with locks.held(path, lambda: len(asked) == 2 or asked.append(None)) as again:  # type: ignore[func-returns-value]
            assert not again
        assert len(asked) == 2
        assert locks.is_held(path)
    assert not locks.is_held(path)


def test_a_lock_goes_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert locks.is_held(path)
        holder.kill()
        holder.wait()
    with locks.held(path) as had:
        assert had


def test_nothing_is_left_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with locks.alone_in(folder) as alone, locks.alone_in(folder) as second:
        assert (alone, second) == (True, False)
    assert list(folder.iterdir()) == []
    with locks.alone_in(folder) as alone:
        assert alone


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), locks.alone_in(tmp_path / "file"):
        pass
