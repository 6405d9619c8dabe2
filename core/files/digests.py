"""Digests by which damage to the files of a checkpoint is noticed.

A checkpoint's config.json is its index: "sha256" is that of the weights, "files" those of the other files, and "digest"
that of what config.json itself says, without "digest", as JSON in one canonical form. A file is compared with the index
when it is read. Checkpoints without an index (written by others, or by earlier versions) are taken as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from depthscope.core.errors import InputError

FILES, DIGEST = "files", "digest"
KNOWN = {"version", "name", "kind", "config", "recipe", "training", "sha256", "parameters", FILES, DIGEST}
"""What config.json says; with an index, anything else is a name that was damaged."""


def of(content: bytes) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def of_values(values: Mapping[str, Any]) -> str:
    """SHA-256 of JSON values, whatever the order and spacing in which they were written."""
    return of(json.dumps(values, sort_keys=True, separators=(",", ":")).encode())


def sealed(settings: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """What config.json says, with the digests of other files and its own.

    Args:
        settings: Without an index, or with an earlier one.
        files: Content by name, of all files that the index is to cover.
    """
    return indexed(settings, {name: of(content) for name, content in files.items()})


def indexed(settings: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """The same by the digests of the other files."""
    content = {k: v for k, v in settings.items() if k not in (FILES, DIGEST)} | {FILES: dict(sorted(files.items()))}
    return {**content, DIGEST: of_values(content)}


def check_settings(settings: Mapping[str, Any], path: Path) -> None:
    """Compares what a config.json says with its digest.

    Raises:
        InputError: If it was changed since it was written.
    """
    if not {FILES, DIGEST} & settings.keys():
        if "sha256" in settings and (unknown := sorted(settings.keys() - KNOWN)):
            raise InputError(f"{path}: unknown field {unknown[0]!r:.80}; {_ways(path)}")
        return
    content = {k: v for k, v in settings.items() if k != DIGEST}
    files = settings.get(FILES)
    whole = isinstance(files, dict) and all(isinstance(v, str) for v in files.values())
    if not whole or settings.get(DIGEST) != of_values(content):
        raise InputError(f"{path} was changed since it was written; {_ways(path)}")


def check(settings: Mapping[str, Any], path: Path, content: bytes | None) -> None:
    """Compares a file with the index of its checkpoint.

    Args:
        settings: What its config.json says.
        path: Of the file.
        content: Of the file; None if it is not there.

    Raises:
        InputError: If the index has another digest for it, or it is gone.
    """
    expected = settings.get(FILES, {}).get(path.name)
    if expected is None:
        return
    if content is None:
        raise InputError(f"{path.parent} is not a whole checkpoint: {path.name} is missing; {_ways(path)}")
    if of(content) != expected:
        raise InputError(f"{path} was changed since it was written; {_ways(path)}")


def _ways(path: Path) -> str:
    return f"restore it, or if the change is yours, accept it with: depthscope seal {path.parent}"
