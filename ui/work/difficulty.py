"""A range of difficulties as a person types it."""

from __future__ import annotations

import argparse

from depthscope.core.commands import arguments
from depthscope.core.errors import InputError


def difficulties(text: str) -> list[int]:
    """Difficulties such as `1-12,20`, from the least.

    Raises:
        InputError: If the text is no such range.
    """
    try:
        return sorted(arguments.difficulties(text.replace(" ", "").replace("–", "-")))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"The range of difficulty cannot be read: {error}.") from None
