"""What a checkpoint says of itself without its weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from depthscope.core import checkpoint
from depthscope.core.errors import InputError
from depthscope.core.exchange.about import about, reached
from depthscope.core.files.digests import sealed

SHIPPED = [entry["name"] for entry in checkpoint.available()]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_checkpoint_says_what_the_list_says_and_what_it_reached(name: str) -> None:
    said = about(checkpoint.CHECKPOINTS / name)
    assert said.entry in checkpoint.available()
    assert said.accuracy
    assert list(said.accuracy) == sorted(said.accuracy)
    assert said.card.startswith(f"# {name}")
    assert said.settings["supervision"] in ("node", "answer")
    assert "model" not in said.settings


@pytest.mark.parametrize(
    "metrics",
    [{}, {"validation": []}, {"validation": 3}, {"validation": [{"accuracy": {"a": 1}}]}, {"validation": [[1]]}],
)
def test_metrics_that_say_nothing(metrics: dict[str, Any]) -> None:
    assert reached(metrics) == {}


def test_the_last_validation_counts_and_shares_are_shares() -> None:
    log = [{"accuracy": {"1": 0.5}}, {"accuracy": {"10": 0.75, "2": 1.0, "3": 7.0, "4": float("nan")}}]
    assert reached({"validation": log}) == {2: 1.0, 10: 0.75}


@pytest.mark.parametrize("span", ["1-5", [1], [5, 1], [1, 5, 9], [1.5, 2], [True, False], {"low": 1}, [-3, 4]])
def test_a_range_that_is_none_is_named(saved: dict[str, Path], tmp_path: Path, span: Any) -> None:
    folder = shutil.copytree(saved["graph"], tmp_path / "copy")
    settings = json.loads((folder / "config.json").read_text())
    settings["training"]["difficulty"] = span
    (folder / "config.json").write_text(json.dumps(sealed(settings, {})))
    with pytest.raises(InputError, match=r"training\.difficulty should be two whole numbers"):
        about(folder)
