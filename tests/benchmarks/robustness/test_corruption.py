"""Damage anywhere in a checkpoint is noticed; `python -m benchmarks.robustness.corruption` tries it at large."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.robustness import corruption
from depthscope.core.checkpoint import CHECKPOINTS


@pytest.mark.slow
def test_damage_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(CHECKPOINTS / "graph-house", tmp_path / "graph-house")
    found = corruption.trial(60, 1, tmp_path)
    assert len(found) > 50
    assert [row for row in found if row[3] not in ("noticed", "harmless")] == []
    assert sum(row[3] == "noticed" for row in found) > 0.9 * len(found)


@pytest.mark.slow
def test_the_shipped_ones_are_whole() -> None:
    for path in sorted(CHECKPOINTS.glob("*/config.json")):
        assert corruption.read(path.parent)
