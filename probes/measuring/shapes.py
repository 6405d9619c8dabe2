"""The check that the parts of a result fit together."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_shapes(result: Any, expected: tuple[int, ...], *names: str) -> None:
    """Refuses a result with a part of another shape; for `__post_init__`.

    Args:
        result: A dataclass.
        expected: Shape of every part named.
        names: Of arrays, estimates or tuples.

    Raises:
        ValueError: If one has another shape.
    """
    for name in names:
        if (shape := np.shape(getattr(result, name))) != expected:
            raise ValueError(f"{name} has shape {shape}, expected {expected}")
