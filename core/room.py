"""Memory for recordings, taken again from those that nobody holds any more.

The system hands out fresh pages one by one and zeroes each, which costs a recording of 64 instances more than all that
it writes. Here a block is used again once the last array that looks at it is gone, which CPython's reference count
tells.
"""

from __future__ import annotations

import math
import sys
import threading

import numpy as np

KEPT_BYTES = 256 << 20
"""Free blocks are kept up to this much in all."""

SMALLEST_BYTES = 1 << 18
"""Smaller arrays cost nothing worth keeping."""

_blocks: list[np.ndarray] = []
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
    held = sum(_blocks[i].nbytes for i in free) + coming
    for i in free:
        if held <= KEPT_BYTES:
            break
        held -= _blocks[i].nbytes
        _blocks[i] = np.empty(0, dtype=np.float32)
    _blocks[:] = [block for block in _blocks if block.size]
