"""Reads what a user gives as INPUT: a file, or standard input as `-`, never more than a bounded number of bytes."""

from __future__ import annotations

import sys
from pathlib import Path

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats import MAX_BYTES

STDIN = "-"


def read(name: str) -> bytes:
    """The content of a file, or of standard input.

    Raises:
        InputError: If it is too large; a file's size is looked at before it is read.
        OSError: If it cannot be read.
    """
    if name == STDIN:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(_too_large("standard input", None))
        return content
    file_at = path(name)
    size = file_at.stat().st_size
    if size > MAX_BYTES:
        raise InputError(_too_large(f"{name!r}", size))
    with file_at.open("rb") as file:  # a pipe has no size: read no more than is allowed all the same
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(_too_large(f"{name!r}", None))
    return content


def path(name: str) -> Path:
    """The path of a file.

    Raises:
        InputError: If no file can have this name.
    """
    if "\0" in name:
        raise InputError(f"{name!r:.80} is not the name of a file")
    return Path(name)


def decode(content: bytes, name: str) -> str:
    """UTF-8 text, with or without a byte order mark.

    Raises:
        InputError: If it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name!r} is not UTF-8 text (byte {error.start + 1})") from None


def _too_large(what: str, size: int | None) -> str:
    got = "" if size is None else f" (got {size / 1e6:.0f} MB)"
    return f"{what} is too large: at most {MAX_BYTES // 1_000_000} MB are read{got}"
