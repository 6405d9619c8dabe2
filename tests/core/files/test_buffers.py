"""Memory of recordings: used again when free, never while somebody looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from depthscope.core.files import buffers

SHAPE = (3, 1 << 18)


@pytest.fixture(autouse=True)
def empty() -> None:
    buffers._blocks.clear()


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_what_is_free_is_taken_again() -> None:
    first = buffers.take(*SHAPE)
    where = address(first)
    del first
    again = buffers.take(SHAPE[1], SHAPE[0])  # the same size in another shape
    assert address(again) == where


def test_what_is_looked_at_is_not_taken() -> None:
    held = [
        buffers.take(*SHAPE)[1:, 5:],
        torch.from_numpy(buffers.take(*SHAPE))[0].numpy(),
        torch.from_numpy(buffers.take(*SHAPE)).unbind(0)[2],
    ]
    for i, part in enumerate(held):
        part[...] = i
    for _ in range(5):
        buffers.take(*SHAPE)[...] = 99
    for i, part in enumerate(held):
        assert bool((part == i).all())


def test_free_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "KEPT_BYTES", 8 << 20)
    for megabytes in range(1, 20):
        buffers.take(megabytes << 18)
        assert sum(block.nbytes for block in buffers._blocks) <= 8 << 20


def test_small_arrays_are_not_kept() -> None:
    buffers.take(10, 10)
    assert not buffers._blocks
