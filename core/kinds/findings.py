"""What `check` finds of a user's own code: one thing after another, each whole or wrong with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        presentation: What it was tried on; "" for the thing itself.
        name: What was looked at.
        ok: Whether it is as it should be.
        says: What is wrong; "" if nothing is.
    """

    presentation: str
    name: str
    ok: bool
    says: str = ""


class Wrong(Exception):  # noqa: N818
    """Something is not as it should be; the message says what."""


def by_docstring(*tests: Callable[[Any], None]) -> dict[str, Callable[[Any], None]]:
    """Tests by the first line of their docstrings, which findings call them by."""
    lines = [str(test.__doc__).partition("\n")[0].rstrip(".") for test in tests]
    return {line[0].lower() + line[1:]: test for line, test in zip(lines, tests, strict=True)}


def first_line(error: BaseException) -> str:
    """The first line of a message, or the kind of error where it has none."""
    return str(error).partition("\n")[0] or type(error).__name__


def of_error(presentation: str, name: str, error: BaseException) -> Finding:
    """What an error says of the thing that was looked at."""
    says = first_line(error)
    return Finding(presentation, name, False, says if isinstance(error, Wrong) else f"{type(error).__name__}: {says}")


def tried(presentation: str, name: str, test: Callable[[], None]) -> Finding:
    """Runs one test, whatever it raises."""
    try:
        with torch.inference_mode():
            test()
    except Exception as error:  # it is the user's code that is run
        return of_error(presentation, name, error)
    return Finding(presentation, name, True)
