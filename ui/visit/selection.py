"""What is looked at: the one value behind a page, and its form in the URL.

Owns the codec and nothing of Streamlit. A selection names a checkpoint, where the instance comes from, its ends and the
steps; opening it is the business of `ui.visit.session`.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from depthscope.core.errors import InputError

MAX_URL_CHARS = 1800
"""Longest text of an instance in the URL; browsers and chats cut longer links."""

MAX_UNPACKED = 256 * 1024
MAX_NAME = 200
MAX_STEPS = 100_000

OF_ORIGIN = ("example", "difficulty", "data", "seed", "answer", "text", "content", "file", "format")
BESIDE = "beside-"
PARAMETERS = (
    "checkpoint", "against", *OF_ORIGIN, "source", "target", "steps", "beside", *(BESIDE + name for name in OF_ORIGIN),
)  # fmt: skip
"""Parameters of the URL that are the selection's; the others (the cursor) belong to the linked views."""

TWIN = "twin"


@dataclass(frozen=True)
class Example:
    """One of the named examples."""

    name: str


@dataclass(frozen=True)
class Generated:
    """An instance drawn by the task's generator.

    Attributes:
        difficulty: Hops, nesting depth, chain length.
        data: "audited" or "paper".
        seed: Of the generator.
        answer: Wanted label, 0 or 1; in audited data the two are twins.
    """

    difficulty: int
    data: str = "audited"
    seed: int = 0
    answer: int = 1


@dataclass(frozen=True)
class Own:
    """Something a person typed or uploaded.

    Attributes:
        content: What it held, byte by byte.
        file: Name of the uploaded file, only ever shown and read for its extension; None if it was typed.
        format: Name of a graph format; None to go by the extension.
    """

    content: bytes
    file: str | None = None
    format: str | None = None

    @property
    def digest(self) -> str:
        """Name of the content, by which the app keeps what is too long for a URL."""
        return blake2b(self.content, digest_size=16).hexdigest()


Origin = Example | Generated | Own


@dataclass(frozen=True)
class Selection:
    """What a page shows.

    Attributes:
        checkpoint: Name of the checkpoint.
        origin: Where the instance comes from.
        source: Name of the source node where it is not the instance's own (graphs).
        target: The same for the target.
        steps: T; None for the instance's default.
        against: Name of the second checkpoint of a comparison; None for the first other one.
        beside: What one checkpoint is compared on in place of a second checkpoint: TWIN or another instance.
    """

    checkpoint: str
    origin: Origin
    source: str | None = None
    target: str | None = None
    steps: int | None = None
    against: str | None = None
    beside: Origin | str | None = None


def to_query(selection: Selection) -> dict[str, str]:
    """The selection as parameters of a URL; long content by its digest alone."""
    query = {"checkpoint": selection.checkpoint} | _of_origin(selection.origin)
    ends = {"source": selection.source, "target": selection.target, "against": selection.against}
    query |= {k: v for k, v in ends.items() if v is not None}
    if isinstance(selection.beside, str):
        query["beside"] = TWIN
    elif selection.beside is not None:
        query |= {BESIDE + name: value for name, value in _of_origin(selection.beside).items()}
    return query if selection.steps is None else query | {"steps": str(selection.steps)}


def from_query(
    query: Mapping[str, str],
    default: Selection,
    find: Callable[[str], bytes | None],
    default_of: Callable[[str], Origin],
) -> Selection:
    """The selection that a URL asks for.

    Args:
        query: Parameters of the URL.
        default: What is shown when the URL asks for nothing.
        find: Content by digest, None if it is not kept here.
        default_of: Instance shown first for a checkpoint.

    Raises:
        InputError: If a parameter makes no sense, or its content is not kept here.
    """
    checkpoint = query.get("checkpoint", default.checkpoint)[:MAX_NAME]
    origin = _origin(query, find)
    if origin is None:
        origin = default.origin if checkpoint == default.checkpoint else default_of(checkpoint)
    second = {name: query[BESIDE + name] for name in OF_ORIGIN if BESIDE + name in query}
    return Selection(
        checkpoint,
        origin,
        query.get("source"),
        query.get("target"),
        number(query, "steps", 1, MAX_STEPS) if "steps" in query else None,
        query.get("against"),
        TWIN if "beside" in query else _origin(second, find),
    )


def _of_origin(origin: Origin) -> dict[str, str]:
    """An origin as parameters."""
    if isinstance(origin, Example):
        return {"example": origin.name}
    if isinstance(origin, Generated):
        asked = {"difficulty": str(origin.difficulty), "data": origin.data}
        return asked | {"seed": str(origin.seed), "answer": str(origin.answer)}
    packed = pack(origin.content)
    query = {"content": origin.digest} if packed is None else {"text": packed}
    return query | {k: v for k, v in (("file", origin.file), ("format", origin.format)) if v}


def _origin(query: Mapping[str, str], find: Callable[[str], bytes | None]) -> Origin | None:
    """The origin that parameters name, None if they name none."""
    if "example" in query:
        return Example(query["example"][:MAX_NAME])
    if "difficulty" in query:
        return Generated(
            number(query, "difficulty", 1, 100_000),
            query.get("data", "audited")[:MAX_NAME],
            number(query, "seed", 0, 2**31 - 1, 0),
            number(query, "answer", 0, 1, 1),
        )
    if "text" not in query and "content" not in query:
        return None
    content = unpack(query["text"]) if "text" in query else find(query["content"])
    if content is None:
        raise InputError(
            "This link points to a file that was too long for a link and is no longer open here; upload it again."
        )
    file, format_ = query.get("file"), query.get("format")
    return Own(content, file and file[:MAX_NAME], format_ and format_[:MAX_NAME])


def number(query: Mapping[str, str], name: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number among the parameters of a URL.

    Raises:
        InputError: If it is none, or out of range.
    """
    text = query.get(name)
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch(r"\d{1,10}", text) or not low <= int(text) <= high:
        raise InputError(f"In this link {name} should be a whole number from {low} to {high} (got {str(text)[:40]!r}).")
    return int(text)


def pack(content: bytes) -> str | None:
    """Bytes as URL text; None if that is too long."""
    if len(content) > MAX_UNPACKED:
        return None
    text = base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")
    return text if len(text) <= MAX_URL_CHARS else None


def unpack(text: str) -> bytes:
    """The inverse of `pack`, bounded whatever the text.

    Raises:
        InputError: If the text was not made by `pack`.
    """
    damaged = InputError("The instance in this link is damaged; copy the whole link again.")
    if len(text) > MAX_URL_CHARS:
        raise damaged
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        stream = zlib.decompressobj()
        content = stream.decompress(packed, MAX_UNPACKED)
    except (binascii.Error, ValueError, zlib.error):
        raise damaged from None
    if not stream.eof or stream.unused_data:
        raise damaged
    return content
