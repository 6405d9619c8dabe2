"""What can be said of a checkpoint without opening its weights: its entry in the list, architecture, training, card."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthscope.core.checkpoint import CARD, entry as entry_of, is_original, read_metrics, read_settings
from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError

MAX_CARD = 200_000
"""Bytes of a card that are read."""


@dataclass(frozen=True)
class About:
    """What a checkpoint says of itself.

    Attributes:
        entry: As `depthscope list --json` prints it.
        config: Its architecture.
        training: What it was trained on.
        accuracy: Accuracy by difficulty in the last validation of its training; empty where it does not say.
        card: Its README.md.
        card_is_original: Whether that is as it was written with the weights; true where that is unknown.
    """

    entry: dict[str, Any]
    config: ModelConfig
    training: dict[str, Any]
    accuracy: dict[int, float]
    card: str
    card_is_original: bool = True

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the recipe it was trained with, its model left out; empty where it does not say."""
        recipe = self.training.get("recipe")
        return {k: v for k, v in recipe.items() if k != "model"} if isinstance(recipe, dict) else {}


def about(folder: Path) -> About:
    """Reads all that a checkpoint says of itself.

    Raises:
        InputError: If config.json or metrics.json cannot be read, or a range is none.
    """
    settings, config = read_settings(folder)
    training = settings.get("training", {})
    entry = entry_of(folder)
    for name in ("difficulty", "steps"):
        if not _is_range(entry[name]):
            raise InputError(
                f"{folder / 'config.json'}: training.{name} should be two whole numbers as in [1, 5] "
                f"(got {entry[name]!r:.60})"
            )
    for name in ("name", "recipe"):
        if not isinstance(entry[name], str):
            raise InputError(f"{folder / 'config.json'}: {name} should be a text (got {entry[name]!r:.60})")
    return About(
        entry,
        config,
        training,
        reached(read_metrics(folder, settings)),
        _card(folder / CARD),
        is_original(folder, CARD, settings),
    )


def reached(metrics: dict[str, Any]) -> dict[int, float]:
    """Accuracy by difficulty in the last validation of a training, in order; empty where the metrics have none."""
    try:
        accuracy = {int(k): float(v) for k, v in metrics["validation"][-1]["accuracy"].items()}
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError):
        return {}
    return {k: accuracy[k] for k in sorted(accuracy) if math.isfinite(accuracy[k]) and 0 <= accuracy[k] <= 1}


def _is_range(value: Any) -> bool:
    if value is None:
        return True
    whole = isinstance(value, list) and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
    return whole and len(value) == 2 and 0 <= value[0] <= value[1] <= 10**6


def _card(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_CARD).decode("utf-8", "replace")
    except OSError:
        return ""
