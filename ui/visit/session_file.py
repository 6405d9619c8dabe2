"""A session file: what a link says, with the instance itself where it is too long for a link. JSON, bounded."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, TypeGuard

from depthscope.core.errors import InputError
from depthscope.ui.visit.selection import Origin, Own, Selection, from_query, to_query

MARK = "depthscope-session"
VERSION = 1
MAX_BYTES = 64 << 20


def dump(selection: Selection) -> str:
    """The selection as a session file."""
    contents = {
        own.digest: base64.b64encode(own.content).decode("ascii")
        for own in (selection.origin, selection.beside)
        if isinstance(own, Own)
    }
    return json.dumps({MARK: VERSION, "query": to_query(selection), "contents": contents}, indent=1)


def load(content: bytes, default_of: Callable[[str], Origin]) -> Selection:
    """The selection of a session file.

    Args:
        content: Of the file.
        default_of: Instance shown first for a checkpoint, as `from_query` takes it.

    Raises:
        InputError: If it is no session file, or damaged.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"A session file has at most {MAX_BYTES >> 20} MB.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError("This is no session file; one is written by “Session file” under About this trace.") from None
    if not isinstance(found, dict) or found.get(MARK) != VERSION:
        raise InputError("This is no session file, or one of a later version.")
    query, contents = found.get("query"), found.get("contents")
    if not (_texts(query) and _texts(contents) and "checkpoint" in query):
        raise InputError("This session file is damaged; write it again.")

    def find(digest: str) -> bytes | None:
        try:
            kept = base64.b64decode(contents[digest], validate=True) if digest in contents else None
        except (binascii.Error, ValueError):
            kept = None
        if kept is None or Own(kept).digest != digest:
            raise InputError("This session file is damaged: its instance is not the one it names.")
        return kept

    return from_query(query, Selection(query["checkpoint"], default_of(query["checkpoint"])), find, default_of)


def _texts(value: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
