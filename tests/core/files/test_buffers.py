"""Memory of recordings: used again when free, never while somebody looks."""

from __future__ import annotations

import mmap
import os
from typing import Any

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


@pytest.mark.parametrize("lacking", [[], [(os, "posix_fallocate"), (mmap, "MADV_DONTNEED")]], ids=["posix", "plain"])
def test_an_array_on_disk_without_what_posix_has(
    monkeypatch: pytest.MonkeyPatch, lacking: list[tuple[Any, str]]
) -> None:
    for module, name in lacking:
        monkeypatch.delattr(module, name)
    monkeypatch.setattr(buffers, "WRITTEN_AT_ONCE", 1000)
    array = buffers.on_disk(3, 7, 100)
    assert not array.any()
    array[...] = np.arange(2100).reshape(3, 7, 100)
    buffers.forget(array)
    assert array.sum() == 2099 * 2100 // 2
    assert buffers.free_on_disk() > 0
