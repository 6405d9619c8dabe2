"""Locks on files that the system lets go of when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from depthscope.core.files import atomic

PAUSE = 0.1


@contextmanager
def held(path: Path, give_up: Callable[[], bool]) -> Iterator[bool]:
    """Holds the lock on a file for the block; yields whether it was had.

    Args:
        path: The file; made if it is not there, and left there.
        give_up: Asked while another holds the lock; true stops the waiting.

    Raises:
        InputError: If the file cannot be made.
    """
    with atomic.written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not (had := _taken(handle, fcntl.LOCK_EX)) and not give_up():
            time.sleep(PAUSE)
        yield had
    finally:
        os.close(handle)  # which lets go of the lock


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Holds the lock on a folder itself for the block, so that no file is left in it; yields whether it was had.

    Raises:
        InputError: If the folder cannot be made.
    """
    with atomic.written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        yield _taken(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether someone holds the lock on a file."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _taken(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _taken(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
