"""What the system does not let be written is one sentence, and leaves what was there; output included.

`python -m benchmarks.robustness.full_disk` does it on real disks, with every command and page that writes.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from depthscope.core.errors import InputError
from depthscope.core.files import atomic

ROOT = Path(__file__).parents[3]


def refuse(number: int) -> object:
    def refused(*_args: object, **_named: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "read-only"), (errno.EIO, "error")],
)
@pytest.mark.parametrize("where", ["mkdir", "write_bytes", "replace", "open"])
def test_a_refusal_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str, where: str
) -> None:
    (tmp_path / "old").write_bytes(b"from before")
    with monkeypatch.context() as patched:
        patched.setattr(Path, where, refuse(number))
        with pytest.raises(InputError, match=rf"old cannot be written: .*{says}"):
            atomic.write(tmp_path / "old", "new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"old": b"from before"}


@pytest.mark.parametrize("where", ["mkdir", "write_bytes", "replace", "open"])
def test_a_folder_comes_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def make() -> None:
        with atomic.folder(tmp_path / "new", "it") as temporary:
            (temporary / "a").write_bytes(b"1")
            (temporary / "b").write_bytes(b"2")

    with monkeypatch.context() as patched:
        patched.setattr(Path, where, refuse(errno.ENOSPC))
        with pytest.raises(InputError, match="it cannot be written: the disk is full"):
            make()
    assert not list(tmp_path.iterdir())
    make()
    (tmp_path / "new" / "kept").write_bytes(b"3")
    make()
    assert {p.name: p.read_bytes() for p in (tmp_path / "new").iterdir()} == {"a": b"1", "b": b"2", "kept": b"3"}
    assert [p.name for p in tmp_path.iterdir()] == ["new"]


def ended(words: list[str], **streams: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", *words]
    return subprocess.run(command, text=True, cwd=ROOT, check=False, **streams)  # type: ignore[call-overload]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_nobody_can_keep() -> None:
    listing = ["from depthscope.core.cli import main; raise SystemExit(main(['list']))"]
    wrong = [
        "from depthscope.core.cli import main; raise SystemExit(main(['generate', 'nothing', '--difficulty', '1']))"
    ]
    with Path("/dev/full").open("w") as full:
        done = ended(listing, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("error: the output cannot be written: the disk is full")
        done = ended(wrong, stdout=subprocess.PIPE, stderr=full)
        assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.slow
def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A real refusal, on the way: the system lets files have 1,000 bytes."""
    path = tmp_path / "t.npz"
    path.write_bytes(b"from before")
    script = (
        "import resource, sys; from depthscope.core.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        f"sys.exit(main(['trace', 'graph-house', '-', '--out', {str(path)!r}]))"
    )
    done = ended([script], input="a b\nb c\n", capture_output=True)
    assert done.returncode == 2
    assert done.stderr == f"error: {path} cannot be written: no file may become so large here; choose another place\n"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"t.npz": b"from before"}


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    for name in ("ü" * 127, "a" * 255, "[a]*?", "\udcff"):
        path = beside = tmp_path / name
        for _ in range(2):
            with atomic.folder(path) as temporary:
                beside = temporary
                (temporary / "file").write_bytes(b"1")
                atomic.sweep(tmp_path / "other")
                assert temporary.is_dir()
        beside.mkdir()  # as if it had been killed
        atomic.sweep(path)
        assert not beside.exists()
        assert (path / "file").read_bytes() == b"1"
