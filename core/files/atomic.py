"""Files that are there whole or not at all: written beside their place, then moved into it.

What the system refuses meanwhile (a full disk, a read-only folder) is one sentence, an InputError.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from depthscope.core.errors import InputError

FULL, CLOSED = "the disk is full; free some space, or choose another place", "choose a place where you may write"
REASONS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: "no file may become so large here; choose another place",
    errno.EROFS: f"it is read-only there; {CLOSED}",
    errno.EACCES: f"it is read-only there; {CLOSED}",
    errno.EPERM: f"it is read-only there; {CLOSED}",
    errno.EISDIR: "there is a folder of that name; choose another",
    errno.EEXIST: "a part of this path is a file, not a folder; choose another place",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another place",
}
"""Why something cannot be written, and what to do, by the system's number."""

TEMPORARY = re.compile(r"[a-z0-9_]{8}\.tmp")
"""How the name of a temporary folder goes on, as tempfile chooses it."""


@contextmanager
def written(what: Path | str) -> Iterator[None]:
    """Turns what the system refuses in the block into one sentence.

    Args:
        what: What is written there, as the sentence calls it.

    Raises:
        InputError: In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{what} cannot be written: {reason(error)}") from error


def reason(error: OSError) -> str:
    """Why it was refused, and what to do where that is known."""
    return REASONS.get(error.errno or 0) or error.strerror or str(error)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path in the same folder, which becomes `path` if the block ends well.

    The temporary file ends as `path` does, since some writers go by the extension. After an error, or Ctrl-C, what was
    at `path` is untouched and nothing is left beside it. It reaches the disk before it takes the place of `path`.

    Raises:
        InputError: If it cannot be written; the block raises it as well.
    """
    with written(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=f".tmp{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _settle(temporary)
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)  # mkstemp makes it private
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _settle(file: Path) -> None:
    """Waits until a file is on the disk; some disks say only then that they are full."""
    with file.open("r+b") as opened:  # Windows settles only what is open for writing
        os.fsync(opened.fileno())


@contextmanager
def folder(path: Path, called: str | None = None) -> Iterator[Path]:
    """Gives a temporary folder beside `path`, whose files become those of `path` if the block ends well.

    A new folder appears in one move. In one that is there already each file is moved over its predecessor, in the order
    in which they were written, and other files stay. After an error nothing is left beside it.

    Args:
        path: The folder.
        called: What messages call it; None for its path.

    Raises:
        InputError: If it cannot be written; the block raises it as well.
    """
    with written(called or path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_beside(path), suffix=".tmp", dir=path.parent))
        try:
            yield temporary
            files = sorted(temporary.iterdir(), key=lambda file: file.stat().st_mtime_ns)
            for file in files:
                _settle(file)
            if path.is_dir():
                for file in files:
                    file.replace(path / file.name)
            else:
                temporary.chmod(0o755)  # mkdtemp makes it private
                temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _beside(path: Path) -> str:
    """How the names of temporary folders of `path` begin."""
    return f".{path.name.encode(errors='ignore')[:100].decode(errors='ignore')}."  # a name may have 255 bytes


def sweep(path: Path) -> None:
    """Takes away what `folder` left beside `path` when its process was killed; nobody else may write it meanwhile."""
    for litter in path.parent.glob(f"{glob.escape(_beside(path))}*.tmp"):
        if TEMPORARY.fullmatch(litter.name, len(_beside(path))):
            shutil.rmtree(litter, ignore_errors=True)


def write(path: Path, content: str | bytes) -> None:
    """Writes a file whole or not at all.

    Raises:
        InputError: If it cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
