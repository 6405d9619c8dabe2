"""Pieces of sentences: names cut to fit, numbers with what they count. Plain text, to be escaped where it is drawn."""

from __future__ import annotations

import re

LONGEST_NAME = 24
PATH = re.compile(r"[\w./:\\-]*\w[./:\\][\w./:\\-]*")


def clipped(name: str, longest: int = LONGEST_NAME) -> str:
    """A label cut to a length that fits a line, control characters as spaces; a stand-in for an empty one.

    A path such as `package.module` keeps its end, which tells it from its neighbours.
    """
    text = "".join(c if c.isprintable() else " " for c in name[:400]).strip() or "(no name)"
    if len(text) <= longest:
        return text
    return "…" + text[1 - longest :] if PATH.fullmatch(text) else text[: longest - 1] + "…"


def number_of(number: int, noun: str) -> str:
    """A number with what it counts: 1 step, 2 steps."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
