"""What is true of a text, as `generate` prints it."""

from __future__ import annotations

from typing import Any

import numpy as np

from depthscope.core.encoding import NEVER
from depthscope.core.tasks.text.instance import TextInstance


def oracle(instance: TextInstance) -> dict[str, Any]:
    """Facts and generations between the one asked about and every other person, and the first step that decides."""
    first = instance.first_decidable_step()
    return {
        "concept": instance.concept,
        "from": instance.names[instance.query[0]],
        "facts": _by_name(instance, instance.distance),
        "offset": _by_name(instance, instance.offset),
        "first_decidable_step": None if first == NEVER else first,
    }


def _by_name(instance: TextInstance, values: np.ndarray) -> dict[str, int | None]:
    """Name to value; None for those whom nothing joins to the question."""
    joined = instance.distance >= 0
    return {name: int(v) if has else None for name, v, has in zip(instance.names, values, joined, strict=True)}


def oracle_words(known: dict[str, Any]) -> str:
    """The same as a sentence."""
    steps = [known["facts"][name] for name in known["offset"]]
    far = ", ".join(
        f"{name} -" if step is None else f"{name} {step} {offset:+d}".replace("+0", "0")
        for (name, offset), step in zip(known["offset"].items(), steps, strict=True)
    )
    return f"facts and generations from {known['from']}: {far}; decidable from step {known['first_decidable_step']}"
