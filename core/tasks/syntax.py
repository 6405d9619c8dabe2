"""Reading typed text by a grammar: comments and line ends, the syntax tree, and errors with line and column."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from depthscope.core.errors import InputError
from depthscope.core.tasks.decode import decode

COMMENT = re.compile(r"#[^\n]*")


def cleaned(text: str | bytes, most: int, noun: str) -> str:
    """The text with plain line ends, and spaces for comments so that columns stay.

    Raises:
        InputError: If it has more than `most` characters, is empty, or is no text.
    """
    if len(text) > most:
        raise InputError(f"the {noun} is over {most:,} characters, which is the limit; take a part of it")
    text = decode(text).replace("\r\n", "\n").replace("\r", "\n")
    return COMMENT.sub(lambda match: " " * len(match[0]), text)


def tree(
    grammar: Lark, text: str, part_of: str, ends: str, wanted: Callable[[UnexpectedToken], str], advice: str = ""
) -> Any:
    """The syntax tree; a token alone where the grammar inlines its start.

    Args:
        grammar: Of LALR.
        text: What it reads.
        part_of: What a character that fits nowhere is no part of.
        ends: What ends too early: "the line".
        wanted: What is missing at an error, in words.
        advice: What to do about a token that stands in the wrong place.

    Raises:
        InputError: With line and column of what cannot be read.
    """
    try:
        return grammar.parse(text)
    except UnexpectedCharacters as error:
        what = f"{text[error.pos_in_stream]!r} is no part of {part_of}"
        raise error_at(text, error.pos_in_stream, what) from None
    except UnexpectedToken as error:
        token, needed, start = error.token, wanted(error), error.token.start_pos or 0
        if token.type in ("$END", "NL"):
            end = len(text[:start].rstrip()) if token.type == "NL" else len(text.rstrip())
            raise error_at(text, end, f"{ends} ends where {needed} should follow") from None
        raise error_at(text, start, f"{str(token)[:40]!r} stands where {needed} should{advice}") from None


def error_at(text: str, position: int, what: str) -> InputError:
    """An error with the line and column of a position in the text."""
    line = text.count("\n", 0, position) + 1
    return InputError(f"line {line}, column {position - text.rfind(chr(10), 0, position)}: {what}")
