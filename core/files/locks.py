"""Locks on files that the system lets go of when their holder dies, however it dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from depthscope.core.files import atomic

FOREVER, PAUSE = 1e9, 0.1
"""Seconds; filelock takes a wait without end for a mistake where the holder is this thread."""
ALONE = ".lock"


@contextmanager
def held(path: Path, give_up: Callable[[], bool] = lambda: True) -> Iterator[bool]:
    """Holds the lock on a file for the block; yields whether it was had.

    Args:
        path: The file; made if it is not there, and left there.
        give_up: Asked while another holds the lock; true stops the waiting.

    Raises:
        InputError: If the file cannot be made.
    """
    lock = FileLock(path)
    with atomic.written(path), suppress(Timeout):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(FOREVER, PAUSE, cancel_check=give_up)
    try:
        yield lock.is_locked
    finally:
        lock.release()


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Holds the lock on a folder for the block, by a file in it that is gone afterwards; yields whether it was had.

    Raises:
        InputError: If the folder cannot be made or written.
    """
    path = folder / ALONE
    with held(path) as had:
        try:
            yield had
        finally:
            if had:
                with suppress(OSError):  # some systems keep a file while it is open
                    path.unlink()


def is_held(path: Path) -> bool:
    """Whether the lock on a file is held; true where the file may not be written, so that this cannot be known."""
    if not path.exists():
        return False
    try:
        with FileLock(path).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True
