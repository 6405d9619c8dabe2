"""Results as tables: every number has a row, an estimate has its interval beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core.exchange.frame import frame_of


@dataclass(frozen=True)
class Interval:
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


@dataclass(frozen=True)
class Part:
    names: tuple[str, ...]
    scores: tuple[float | None, ...]


@dataclass(frozen=True)
class Found:
    checkpoint: str
    steps: int
    missing: None
    effect: Interval
    grid: np.ndarray
    parts: tuple[Part, ...]
    by_name: dict[str, Part]


def test_every_number_is_a_row() -> None:
    effect = Interval(np.array([0.5, 0.7]), np.array([0.4, 0.6]), np.array([0.6, 0.9]), np.array(8))
    part = Part(("a", "b"), (1.0, None))
    found = Found("mine", 9, None, effect, np.arange(4).reshape(2, 2), (part,), {"x": part})
    table: Any = frame_of(found)
    assert list(table.columns) == ["name", "index", "value", "low", "high", "n"]
    rows = [(name, index) for name, index in zip(table["name"], table["index"], strict=True)]
    assert rows == [
        ("steps", ""), ("effect", "0"), ("effect", "1"),
        *(("grid", index) for index in ("0,0", "0,1", "1,0", "1,1")),
        ("parts.0.scores", "0"), ("parts.0.scores", "1"), ("by_name.x.scores", "0"), ("by_name.x.scores", "1"),
    ]  # fmt: skip
    assert table.loc[2, ["value", "low", "high", "n"]].tolist() == [0.7, 0.6, 0.9, 8]
    assert table.loc[0, "value"] == 9
    assert table["low"].notna().sum() == 2
    assert table["value"].isna().sum() == 2
