"""A session file: what a link says, with the instance itself where it is too long for a link. JSON, bounded."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, TypeGuard

from depthscope.core.errors import InputError
from depthscope.ui.visit.address import Address, UserInput, from_query, to_query

MARK = "depthscope-session"
VERSION = 1
MAX_BYTES = 64 << 20


def dump(address: Address) -> str:
    """The address as a session file."""
    contents = {
        origin.digest: base64.b64encode(origin.content).decode("ascii")
        for origin in (address.origin, address.beside)
        if isinstance(origin, UserInput)
    }
    return json.dumps({MARK: VERSION, "query": to_query(address), "contents": contents}, indent=1)


def load(content: bytes, default_of: Callable[[str | None], Address]) -> Address:
    """The address of a session file.

    Args:
        content: Of the file.
        default_of: What a page shows of a checkpoint by default, as `from_query` takes it.

    Raises:
        InputError: If it is no session file, or damaged.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"A session file has at most {MAX_BYTES >> 20} MB.")
    try:
        session = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError("This is no session file; one is written by “Session file” under About this trace.") from None
    if not isinstance(session, dict) or session.get(MARK) != VERSION:
        raise InputError("This is no session file, or one of a later version.")
    query, contents = session.get("query"), session.get("contents")
    if not (_texts(query) and _texts(contents) and "checkpoint" in query):
        raise InputError("This session file is damaged; write it again.")

    def find(digest: str) -> bytes | None:
        try:
            data = base64.b64decode(contents[digest], validate=True) if digest in contents else None
        except (binascii.Error, ValueError):
            data = None
        if data is None or UserInput(data).digest != digest:
            raise InputError("This session file is damaged: its instance is not the one it names.")
        return data

    return from_query(query, default_of, find)


def _texts(value: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
