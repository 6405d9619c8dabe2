"""What a page shows as one frozen value, and its one codec.

An address names a checkpoint, where its instances come from, their ends, the steps and what else a page shows of them.
The URL is `to_query` and `from_query`; the session file (`ui.visit.session_file`) and the lines to copy
(`ui.widgets.copy_instance`) are made from the same value. Opening it is `ui.visit.view`'s.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

from depthscope.core.errors import InputError

MAX_URL_CHARS = 1800
"""Longest text of an instance, and of a list of edits, in the URL; browsers and chats cut longer links."""

MAX_UNPACKED = 256 * 1024
MAX_NAME = 200
MAX_STEPS = 100_000
MAX_INSTANCES = 100_000
MAX_SEED = 2**31 - 1
MAX_EDITS_CHARS = 20_000
BOUNDS = {
    "steps": (1, MAX_STEPS), "difficulty": (1, 100_000), "instances": (1, MAX_INSTANCES), "seed": (0, MAX_SEED),
    "answer": (0, 1),
}  # fmt: skip
"""Least and greatest of the numbers in a URL."""

OF_ORIGIN = ("example", "difficulty", "instances", "data", "seed", "answer", "text", "content", "file", "format")
NAMES = ("source", "target", "against")
BESIDE = "beside-"
IN_PLACE = ("edits", "section")
"""Parameters whose changes Back passes over."""

PARAMETERS = (
    "checkpoint", *NAMES, *OF_ORIGIN, "steps", "beside", *(BESIDE + name for name in OF_ORIGIN), *IN_PLACE,
)  # fmt: skip
"""Parameters of the URL that Python writes; those of `CURSOR` belong to the linked views."""

CURSOR = ("step", "node", "head", "reading", "playing", "speed")

TWIN, TEXT = "twin", "text"
NO_EDITS = "none"
"""In the URL, for a list of edits that was emptied; without the parameter a page shows its first example."""


@dataclass(frozen=True)
class Example:
    """One of the named examples."""

    name: str


@dataclass(frozen=True)
class Generated:
    """One instance from the task's generator.

    Attributes:
        difficulty: Hops, nesting depth, chain length.
        data: "audited" or "paper".
        seed: Of the generator.
        answer: Label, 0 or 1; in audited data the two are twins.
    """

    difficulty: int
    data: str = "audited"
    seed: int = 0
    answer: int = 1


@dataclass(frozen=True)
class Sample:
    """Instances from the task's generator at several difficulties, as the Frontier page measures them.

    Attributes:
        difficulty: Range, as the command line takes it: "1-12,20".
        instances: For each difficulty.
        data: "audited" or "paper".
        seed: Of the generator.
    """

    difficulty: str
    instances: int = 200
    data: str = "audited"
    seed: int = 0


@dataclass(frozen=True)
class UserInput:
    """Something a person typed or uploaded.

    Attributes:
        content: Its bytes.
        file: Name of the uploaded file, only ever shown and read for its extension; None if it was typed.
        format: Name of a graph format; None to go by the extension.
    """

    content: bytes
    file: str | None = None
    format: str | None = None

    @cached_property
    def digest(self) -> str:
        """Name of the content, by which the app keeps what is too long for a URL."""
        return blake2b(self.content, digest_size=16).hexdigest()

    @cached_property
    def packed(self) -> str | None:
        """The content as URL text, None if that is too long."""
        return pack(self.content)


Origin = Example | Generated | Sample | UserInput


def identity(origin: Origin) -> Any:
    """What tells an origin from others, for digests; content by its own digest, which is computed once."""
    return (origin.digest, origin.file, origin.format) if isinstance(origin, UserInput) else origin


@dataclass(frozen=True)
class Address:
    """What a page shows.

    Attributes:
        checkpoint: Name of the checkpoint.
        origin: Where the instance comes from, or the instances.
        source: Name of the source node where it is not the instance's own (graphs).
        target: The same for the target.
        steps: T; None for the instance's default.
        against: Name of the second checkpoint of a comparison; None for the first other one.
        beside: What one checkpoint is compared on in place of a second checkpoint: TWIN or another instance.
        edits: The interventions, one a line; None for the first example.
    """

    checkpoint: str
    origin: Origin
    source: str | None = None
    target: str | None = None
    steps: int | None = None
    against: str | None = None
    beside: Origin | str | None = None
    edits: str | None = None


def to_query(address: Address) -> dict[str, str]:
    """The address as parameters of a URL; long content by its digest alone, a long list of edits not at all."""
    query = {"checkpoint": address.checkpoint} | _origin_query(address.origin)
    query |= {name: value for name in NAMES if (value := getattr(address, name)) is not None}
    if isinstance(address.beside, str):
        query["beside"] = TWIN
    elif address.beside is not None:
        query |= {BESIDE + name: value for name, value in _origin_query(address.beside).items()}
    if address.steps is not None:
        query["steps"] = str(address.steps)
    if address.edits is not None and edits_fit(address.edits):
        query["edits"] = _without_blanks(address.edits) or NO_EDITS
    return query


def from_query(
    query: Mapping[str, str], default_of: Callable[[str | None], Address], find: Callable[[str], bytes | None]
) -> Address:
    """The address that the parameters of a URL make.

    Args:
        query: The parameters.
        default_of: What a page shows of a checkpoint by default, and of None where the URL names no checkpoint. The
            kind of its origin decides what `difficulty` is: a Sample takes a range.
        find: Content by digest, None if it is not kept here.

    Raises:
        InputError: If a parameter makes no sense, or its content is not kept here.
    """
    name = query.get("checkpoint")
    default = default_of(name and name[:MAX_NAME])
    second = {name: query[BESIDE + name] for name in OF_ORIGIN if BESIDE + name in query}
    edits = query.get("edits")
    return Address(
        default.checkpoint,
        _origin(query, find, default.origin) or default.origin,
        query.get("source"),
        query.get("target"),
        _number(query, "steps") if "steps" in query else default.steps,
        query.get("against"),
        TWIN if "beside" in query else _origin(second, find),
        "" if edits == NO_EDITS else edits and edits[:MAX_EDITS_CHARS],
    )


def edits_fit(edits: str) -> bool:
    """Whether a list of edits is short enough for a URL."""
    return len(_without_blanks(edits)) <= MAX_URL_CHARS


def _without_blanks(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _origin_query(origin: Origin) -> dict[str, str]:
    if isinstance(origin, Example):
        return {"example": origin.name}
    if isinstance(origin, UserInput):
        query = {"content": origin.digest} if origin.packed is None else {TEXT: origin.packed}
        return query | {k: v for k, v in (("file", origin.file), ("format", origin.format)) if v}
    return {field.name: str(getattr(origin, field.name)) for field in fields(origin)}


def _origin(
    query: Mapping[str, str], find: Callable[[str], bytes | None], default: Origin | None = None
) -> Origin | None:
    """The origin that parameters name, None if they name none."""
    has_content = TEXT in query or "content" in query
    if isinstance(default, Sample) and not has_content:
        return replace(default, **_fields(Sample, query))
    if "example" in query:
        return Example(query["example"][:MAX_NAME])
    if "difficulty" in query and not isinstance(default, Sample):
        return Generated(**_fields(Generated, query))
    if not has_content:
        return None
    content = unpack(query[TEXT]) if TEXT in query else find(query["content"])
    if content is None:
        raise InputError(
            "This link points to a file that was too long for a link and is no longer open here; upload it again."
        )
    file, format_ = query.get("file"), query.get("format")
    return UserInput(content, file and file[:MAX_NAME], format_ and format_[:MAX_NAME])


def _fields(kind: type[Generated | Sample], query: Mapping[str, str]) -> dict[str, Any]:
    """The fields of an origin that a query names."""
    there = [field for field in fields(kind) if field.name in query]
    return {
        field.name: query[field.name][:MAX_NAME] if field.type == "str" else _number(query, field.name)
        for field in there
    }


def _number(query: Mapping[str, str], name: str) -> int:
    text, (low, high) = query[name], BOUNDS[name]
    if not re.fullmatch(r"\d{1,10}", text) or not low <= int(text) <= high:
        raise InputError(f"In this link {name} should be a whole number from {low} to {high} (got {text[:40]!r}).")
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
