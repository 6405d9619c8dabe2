"""Text of unknown origin, made safe to draw as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LINKED = re.compile(r"(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
"""Where a bare address is broken: Markdown makes a link of it, escaped or not."""

JOINER = "\N{WORD JOINER}"
"""Has no width, and no line breaks at it."""


def plain(text: str, longest: int = 600) -> str:
    """Text that Streamlit's Markdown draws as it stands: one line, clipped, nothing in it is markup or a link."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", LINKED.sub(JOINER, line))


def whole(sentence: str) -> str:
    """A message as a sentence of its own: a capital first, a full stop last."""
    text = sentence.strip()
    text = text[:1].upper() + text[1:] if re.match(r"[a-z]+(?:\s|'|,)", text) else text
    return text if text.endswith((".", "!", "?")) else text + "."


def setting(value: Any, none: str = "–") -> str:
    """The value of a setting in words; a pair is a range."""
    if value is None:
        return none
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in list(value.items())[:12])
    if isinstance(value, list | tuple):
        return (" to " if len(value) == 2 else ", ").join(map(str, value[:12]))
    return f"{value:,}" if isinstance(value, int) else str(value)
