"""A checkpoint as loose files or one zip: read within bounds from any sender, and given out as it is.

Owns which files a checkpoint has and what a zip of them may look like. No path that a file carries is ever opened:
members are known by their last name, and written under names of ours. Whether they fit is `core.checkpoint`'s business.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from depthscope.core import checkpoint
from depthscope.core.checkpoint import CARD, CONFIG, METRICS, PROBES, WEIGHTS
from depthscope.core.errors import InputError
from depthscope.core.files import atomic, digests
from depthscope.core.files.strict_json import plain
from depthscope.core.training.log import LOG

FILES = (CONFIG, WEIGHTS, METRICS, CARD, *PROBES, LOG)
"""All that a checkpoint may hold, under these names."""

DUE = (CONFIG, WEIGHTS)

MAX_BYTES = 256 << 20
"""Of all files together."""

MAX_UNPACKED = 128 << 20
"""Of all members of a zip; twice what may be uploaded, and weights hardly shrink."""

MAX_MEMBERS = 64
MAX_DIRECTORY = 64 << 10
"""Bytes of a zip's table of contents."""

MAX_NAME = 40
LEFT_BEHIND = "training.safetensors"
"""Where a training that is not done goes on from; it lies beside the checkpoint and is no part of it."""

LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", ".gitattributes", ".gitignore")
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x07"


def gather(files: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """The files of one checkpoint by the names that they have in it.

    Args:
        files: Name and content of each; weights may have any name that ends in .safetensors.

    Raises:
        InputError: If a file is none of a checkpoint's, is there twice, is too large together, or one is missing.
    """
    result: dict[str, bytes] = {}
    for given, content in files:
        name = given.replace("\\", "/").rpartition("/")[2]
        if name == LEFT_BEHIND:
            continue
        if name not in FILES and name.endswith(".safetensors"):
            name = WEIGHTS
        if name not in FILES:
            raise InputError(f"{given!r:.80} is no file of a checkpoint; those are {', '.join(FILES)}")
        if name in result:
            raise InputError(f"there are two files {name}; open one checkpoint at a time")
        result[name] = content
    if sum(map(len, result.values())) > MAX_BYTES:
        raise InputError(f"a checkpoint here may have {MAX_BYTES >> 20} MB, and this has more")
    for name in DUE:
        if name not in result:
            raise InputError(f"{name} is missing; a checkpoint has at least {' and '.join(DUE)}")
    return result


def unpack(content: bytes) -> dict[str, bytes]:
    """The files of the one checkpoint in a zip, by their names.

    Raises:
        InputError: If it is no such zip: damaged, encrypted, too large or with too many members, a path that leads out
            of it, or something other than one checkpoint.
    """
    _check_directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return gather(_members(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the zip is damaged and cannot be unpacked ({str(error) or 'cut off'})") from None


def _check_directory(content: bytes) -> None:
    """Looks at the table of contents before anything reads it, since its length is the sender's choice."""
    at = content.rfind(_END, max(0, len(content) - 65_557))
    if at < 0 or len(content) < at + 22:
        raise InputError("this is no zip, or its end is cut off")
    entries, size = struct.unpack("<HI", content[at + 10 : at + 16])
    if entries > MAX_MEMBERS or size > MAX_DIRECTORY or content[max(0, at - 20) :][:4] == _END_64:
        raise InputError(f"the zip has too many members; a checkpoint has at most {len(FILES)} files")


def _members(archive: zipfile.ZipFile) -> Iterable[tuple[str, bytes]]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_MEMBERS:
        raise InputError(f"the zip has too many members; a checkpoint has at most {len(FILES)} files")
    left = MAX_UNPACKED
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
            raise InputError(f"the zip has a member that leads out of it: {entry.filename!r:.80}")
        if any(part in LITTER for part in path.parts):
            continue
        if path.name == "data.pkl":
            raise InputError("this zip was written by torch.save; give it the ending .pt and say its task")
        if entry.flag_bits & 1:
            raise InputError(f"the zip is encrypted ({path.name:.80})")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{path.name:.80} is packed in a way that is not read here; take plain zip (deflate)")
        if entry.file_size > left:  # no more than this is ever unpacked, and where it lies the checksum differs
            raise InputError(f"the zip unpacks to more than {MAX_UNPACKED >> 20} MB")
        with archive.open(entry) as file:
            member = file.read(entry.file_size)
        left -= len(member)
        yield path.name, member


def read(folder: Path) -> dict[str, bytes]:
    """The files of a checkpoint in a folder, as they are.

    Raises:
        InputError: If they are too large to be handed around.
    """
    there = [folder / name for name in FILES if (folder / name).is_file()]
    if sum(path.stat().st_size for path in there) > MAX_BYTES:
        raise InputError(f"a checkpoint here may have {MAX_BYTES >> 20} MB, and this has more")
    return {path.name: path.read_bytes() for path in there}


def pack(folder: Path, name: str) -> bytes:
    """A zip with a checkpoint's files as they are, in one folder of the given name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in read(folder).items():
            archive.writestr(f"{sanitised(name)}/{file}", content)
    return out.getvalue()


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes the files of a checkpoint into a new folder, which appears whole or not at all.

    Raises:
        InputError: If there is something at its place, or it cannot be written.
        ValueError: If a name is not one of a checkpoint's files.
    """
    if unknown := set(files) - set(FILES):
        raise ValueError(f"no files of a checkpoint: {sorted(unknown)}")
    with atomic.folder(folder, folder.name) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        if folder.exists():
            raise InputError(f"there is a checkpoint {folder.name} already; choose another name")


def keep(folder: Path, name: str, root: Path | None = None) -> Path:
    """Copies a checkpoint to those that are found by name; its config.json then says that name.

    Args:
        folder: Where it lies.
        name: What it is to be called; letters, digits, dots, dashes and underscores.
        root: Where it is kept; None for the last of `checkpoint.roots`.

    Raises:
        InputError: If it is not whole, the name is not allowed, or there is a checkpoint of that name already.
    """
    if sanitised(name) != name:
        raise InputError(
            f"a checkpoint is named by up to {MAX_NAME} letters, digits, dots, dashes and underscores, a letter or "
            f"digit first and last (got {name!r:.60}); {sanitised(name)} would do"
        )
    opened, files = checkpoint.load(folder), read(folder)
    settings, _ = checkpoint.read_settings(folder)
    whole = {
        "name": name,
        "kind": opened.kind,
        "config": settings["config"],
        "recipe": opened.recipe,
        "training": opened.training,
        "parameters": opened.n_parameters,
        "sha256": opened.sha256,
    }
    beside = {name: content for name, content in files.items() if name not in (CONFIG, WEIGHTS, LOG)}
    files[CONFIG] = checkpoint.written(digests.sealed(plain({**settings, **whole}), beside))
    place = (root or checkpoint.roots()[-1]) / name
    if root is None and checkpoint.folder_of(name).exists():
        raise InputError(f"there is a checkpoint {name} already; choose another name")
    write(files, place)
    return place


def sanitised(name: str) -> str:
    """A name that is safe as that of a folder, as near to the given one as can be."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    plain = re.sub(r"\.{2,}", ".", plain)[:MAX_NAME].strip("-._")
    stem = plain.partition(".")[0].upper()
    reserved = stem in ("CON", "PRN", "AUX", "NUL") or bool(re.fullmatch(r"(COM|LPT)\d", stem))
    return f"my-{plain}"[:MAX_NAME] if reserved else plain or "checkpoint"


def name_in(files: Mapping[str, bytes]) -> str | None:
    """The name that a checkpoint's config.json says, None if it says none."""
    try:
        name = json.loads(files[CONFIG]).get("name")
    except (KeyError, ValueError, AttributeError, RecursionError):
        return None
    return name if isinstance(name, str) and name else None
