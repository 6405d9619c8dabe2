from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.tables import ablations, baselines, grids
from benchmarks.tables.table import KEPT, placed
from depthscope.core import checkpoint, frontier
from depthscope.core.files.strict_json import dumps


def record(recipe: str, variant: str, seed: int, accuracy: float) -> dict[str, Any]:
    return {
        "name": f"{recipe}-{variant}-{seed}", "task": "graph", "recipe": recipe, "variant": variant, "seed": seed,
        "status": "done", "batches": 9, "difficulty": [1, 12], "accuracy": [1.0, accuracy],
    }  # fmt: skip


def test_a_row_is_kept_until_as_many_seeds_are_run_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [record("house", "full", seed, 0.9 + seed / 100) for seed in range(3)]
    monkeypatch.setattr(ablations, "records", lambda _: found)
    monkeypatch.setattr(ablations, "_gradient", lambda folder: (0.5, 0.25))
    monkeypatch.setattr(ablations, "KEPT", tmp_path)
    first = ablations.make(tmp_path)
    assert [(row["seeds"], row["12"], row["gradient, trained"]) for row in first.rows] == [
        (3, ".910 (.900-.920)", ".250")
    ]
    (tmp_path / "ablations.json").write_text(dumps(first))
    found[:] = [record("house", "full", 0, 0.1), record("house", "no gate", 0, 0.7), record("paper", "full", 0, 0.6)]
    second = ablations.make(tmp_path)
    rows = {(row["recipe"], row["variant"]): (row["seeds"], row["12"]) for row in second.rows}
    assert rows == {
        ("graph house", "full"): (3, ".910 (.900-.920)"),
        ("graph house", "no gate"): (1, ".700"),
        ("graph paper", "full"): (1, ".600"),
    }
    found[:] = [record("house", "full", seed, 0.2) for seed in range(3)]
    assert ablations.make(tmp_path).rows[-1]["12"] == ".200"


def test_rules_are_scored_anew_beside_the_rows_that_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [record("house", "full", 0, 0.9)]
    monkeypatch.setattr(ablations, "records", lambda _: found)
    monkeypatch.setattr(ablations, "KEPT", tmp_path)
    monkeypatch.setattr(baselines, "RULES", {"graph-house": (1,)})
    first = baselines.make(tmp_path, 20, 0)
    assert [row["variant"] for row in first.rows] == ["full", "rule: degree"]
    (tmp_path / "baselines.json").write_text(dumps(first))
    found[:] = [record("act", "full", 0, 0.5)]
    rows = baselines.make(tmp_path, 20, 0).rows
    assert [(row["recipe"], row["variant"], row["12"]) for row in rows] == [
        ("graph house", "full", ".900"),
        ("graph act", "full", ".500"),
        ("graph", "rule: degree", None),
    ]


def test_a_table_takes_its_place_on_the_page() -> None:
    page = placed("# Results\n", "x", "one")
    assert placed(page, "x", "two") == page.replace("one", "two")
    assert (KEPT / "ablations.json").exists()


def test_the_best_number_of_steps_is_read_from_the_run_of_the_fixed_one() -> None:
    opened = checkpoint.load("graph-house")
    fixed, best = grids.both(opened, 4, 20, "paper", seed=0)
    assert (fixed.steps, fixed.accuracy) == (12, 1.0)
    assert best.steps is not None
    found = frontier.run(opened, [4], 12, 20, "paper", 0)
    assert best.accuracy == found.accuracy.max()
    assert best.steps == found.steps[found.accuracy[0].argmax()] < 12
