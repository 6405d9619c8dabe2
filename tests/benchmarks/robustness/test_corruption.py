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
    trials = corruption.trials(70, 1, tmp_path)
    assert len(trials) > 50
    assert [trial for trial in trials if trial.outcome not in ("noticed", "harmless")] == []
    assert sum(trial.outcome == "noticed" for trial in trials) > 0.9 * len(trials)


@pytest.mark.slow
def test_the_shipped_ones_are_whole() -> None:
    for path in sorted(CHECKPOINTS.glob("*/config.json")):
        assert corruption.read(path.parent)
