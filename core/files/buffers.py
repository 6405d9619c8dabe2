"""Room for recordings: memory, reused once no array looks at it, and files for what is too large.

The system hands out fresh pages one by one and zeroes each, which costs a recording of 64 instances more than all that
it writes. Here a block is used again once the last array that looks at it is gone, which CPython's reference count
tells.

A file has no name from the moment it is mapped, so that the system takes it away with the last array that looks at it,
however the process ends. Its folder is the system's for temporary files (`TMPDIR`).
"""

from __future__ import annotations

import math
import mmap
import os
import shutil
import sys
import tempfile
import threading
import weakref
from typing import IO

import numpy as np

from depthscope.core.files import atomic

KEPT_BYTES = 256 << 20
"""Free blocks are kept up to this much in all."""

SMALLEST_BYTES = 1 << 18
"""Smaller arrays cost nothing worth keeping."""

FREE_BYTES = 1 << 30
"""So much of a disk is left free."""

WRITTEN_AT_ONCE = 1 << 20

CALLED = "a recording too large for memory, in the folder for temporary files,"
"""What a refusal calls a file."""

_blocks: list[np.ndarray] = []
_mapped: list[tuple[weakref.ref[mmap.mmap], int, int]] = []
_lock = threading.Lock()


def take(*shape: int) -> np.ndarray:
    """An uninitialised float32 array; large ones come in huge pages, as numpy allocates them."""
    count = math.prod(shape)
    if 4 * count < SMALLEST_BYTES:
        return np.empty(shape, dtype=np.float32)
    with _lock:
        for i in range(len(_blocks)):
            # two references: the list's and that of the call itself; every view adds one
            if _blocks[i].size == count and sys.getrefcount(_blocks[i]) == 2:
                return _blocks[i].reshape(shape)
        block = np.empty(count, dtype=np.float32)
        _forget(block.nbytes)
        if block.nbytes <= KEPT_BYTES:
            _blocks.append(block)
        return block.reshape(shape)


def _forget(coming: int) -> None:
    """Lets go of the oldest free blocks until what is coming fits; blocks in use cost nothing to list."""
    free = [i for i in range(len(_blocks)) if sys.getrefcount(_blocks[i]) == 2]
    total = sum(_blocks[i].nbytes for i in free) + coming
    for i in free:
        if total <= KEPT_BYTES:
            break
        total -= _blocks[i].nbytes
        _blocks[i] = np.empty(0, dtype=np.float32)
    _blocks[:] = [block for block in _blocks if block.size]


def on_disk(*shape: int) -> np.ndarray:
    """A float32 array of zeros in a file of its own, which goes with the last array that looks at it.

    Raises:
        InputError: If the disk has no room for it, or is read-only.
    """
    count = math.prod(shape)
    if not count:
        return np.empty(shape, dtype=np.float32)
    with atomic.written(CALLED), tempfile.TemporaryFile(prefix="depthscope-") as file:
        _fill(file, 4 * count)  # a map of a file that has no room yet could end the process
        mapped = mmap.mmap(file.fileno(), 4 * count)
    array = np.frombuffer(mapped, dtype=np.float32)
    with _lock:
        _mapped[:] = [entry for entry in _mapped if entry[0]() is not None]
        _mapped.append((weakref.ref(mapped), array.ctypes.data, array.nbytes))
    return array.reshape(shape)


def _fill(file: IO[bytes], size: int) -> None:
    """Gives a file its room on the disk, by writing it where the system has no shorter way."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    zeros = bytes(min(size, WRITTEN_AT_ONCE))
    for start in range(0, size, len(zeros)):
        file.write(zeros[: size - start])
    file.flush()


def forget(array: np.ndarray) -> None:
    """Gives back the memory behind an array that lies in a file, which is read again when it is looked at.

    Where the system cannot be told so, it finds out by itself when memory is short.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    where = array.ctypes.data
    for reference, start, size in _mapped:
        mapped = reference()
        if mapped is not None and start <= where < start + size:
            mapped.madvise(mmap.MADV_DONTNEED)


def free_on_disk() -> int:
    """Bytes that recordings may still take of the disk."""
    return max(0, shutil.disk_usage(tempfile.gettempdir()).free - FREE_BYTES)
