"""What two checkpoints were made with, side by side where it differs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from depthscope.core.checkpoint import Checkpoint

CIRCUMSTANCES = ("seconds", "machine", "threads", "recipe")
"""Of a training, and no setting of it; the recipe is spread out."""


def differences(first: Checkpoint, second: Checkpoint) -> list[tuple[str, Any, Any]]:
    """Settings of architecture and training that are not the same, with both values; None where one has none.

    Args:
        first: A checkpoint.
        second: Another.

    Returns:
        Rows (dotted name, value of the first, value of the second), architecture first.
    """
    sides = [_settings(side) for side in (first, second)]
    names = dict.fromkeys((*sides[0], *sides[1]))
    rows = [(name, sides[0].get(name), sides[1].get(name)) for name in names]
    return [row for row in rows if row[1] != row[2]]


def _settings(side: Checkpoint) -> dict[str, Any]:
    settings: dict[str, Any] = {"kind": side.kind, "parameters": sum(p.numel() for p in side.model.parameters())}
    recipe = side.training.get("recipe")
    recipe = {k: v for k, v in recipe.items() if k not in ("model", "name", "task")} if isinstance(recipe, dict) else {}
    training = recipe | {k: v for k, v in side.training.items() if k not in CIRCUMSTANCES}
    for part, values in (("model", asdict(side.config)), ("training", training)):
        for name, value in values.items():
            settings[f"{part}.{name}"] = list(value) if isinstance(value, tuple) else value
    return settings
