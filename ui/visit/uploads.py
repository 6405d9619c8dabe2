"""Checkpoints that a visit brought along: uploaded, fetched or trained here, beside those in the folder.

They lie in a temporary folder of the server, which goes when it stops. Each is named after itself and a digest of its
files: a visit sees its own, and another one that knows the whole name, from a link, sees it too. What no visit holds
any more is deleted.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from depthscope.core import checkpoint, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.core.exchange.about import about
from depthscope.core.files import atomic
from depthscope.core.trace import record
from depthscope.ui.visit.cache import fingerprint

MAX_HELD_BYTES = 2 << 30
"""Of all visits together, on disk."""

DIGITS = 12
"""Of the digest in a name."""


@dataclass
class Brought:
    """One checkpoint of a visit's own.

    Attributes:
        name: What it is called in every page, with the digest of its files at the end.
        entry: Its entry in the list.
        folder: Where its files lie.
        came: How it came here: "uploaded", "trained here", ...
        size: Bytes of its files.
        holders: Visits that see it.
    """

    name: str
    entry: dict[str, Any]
    folder: Path
    came: str
    size: int
    holders: set[str] = field(default_factory=set)


class Shelf:
    """Checkpoints by name, the oldest in front.

    Args:
        root: Folder that they lie in; None for a temporary one, made for the first of them.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root, self._held, self._lock = root, dict[str, Brought](), threading.Lock()

    def add(self, files: Mapping[str, bytes], called: str, came: str, holder: str) -> Brought:
        """Takes in a checkpoint, once it has been opened and has run.

        Args:
            files: Its files by name.
            called: What it goes by, before the digest.
            came: How it came here.
            holder: The visit.

        Raises:
            InputError: If it is not whole, cannot run, or there is no room; the message names the file and the field.
        """
        digest = fingerprint(*(part for name in sorted(files) for part in (name, files[name])))[:DIGITS]
        name = f"{bundle.sanitised(called)}-{digest}"
        size = sum(map(len, files.values()))
        with self._lock:
            if name not in self._held:
                self._make_room(size)
                self._held[name] = self._opened(files, name, came, size)
            self._held[name].holders.add(holder)
            return self._held[name]

    def _opened(self, files: Mapping[str, bytes], name: str, came: str, size: int) -> Brought:
        folder = self._folder() / name
        bundle.write(files, folder)
        try:
            said, opened = about(folder), checkpoint.load(folder)
            _try_out(opened)
        except InputError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise InputError(str(error).replace(f"{folder}/", "").replace(str(folder), "the checkpoint")) from None
        entry = {**said.entry, "name": name, "parameters": opened.n_parameters, "sha256": opened.sha256}
        return Brought(name, entry, folder, came, size)

    def _folder(self) -> Path:
        """Where they lie; it goes when the server stops."""
        if self._root is None:
            with atomic.written("the server's folder for checkpoints"):
                self._root = Path(tempfile.mkdtemp(prefix="depthscope-"))
            atexit.register(shutil.rmtree, self._root, ignore_errors=True)
        return self._root

    def _make_room(self, size: int) -> None:
        for held in list(self._held.values()):
            if self._total() + size > MAX_HELD_BYTES and not any(map(_is_here, held.holders)):
                self._delete(held.name)
        if self._total() + size > MAX_HELD_BYTES:
            raise InputError(f"the server holds {MAX_HELD_BYTES >> 30} GiB of uploaded checkpoints; remove one first")

    def _total(self) -> int:
        return sum(held.size for held in self._held.values())

    def _delete(self, name: str) -> None:
        shutil.rmtree(self._held.pop(name).folder, ignore_errors=True)

    def find(self, name: str, holder: str | None) -> Brought | None:
        """The checkpoint of this whole name, which the visit then holds as well; None if there is none."""
        with self._lock:
            held = self._held.get(name)
            if held is not None and holder is not None:
                held.holders.add(holder)
            return held

    def held_by(self, holder: str | None) -> list[Brought]:
        """What a visit sees."""
        with self._lock:
            return [held for held in self._held.values() if holder in held.holders]

    def let_go(self, name: str, holder: str) -> None:
        """Takes a checkpoint from a visit; it is deleted once no visit has it."""
        with self._lock:
            held = self._held.get(name)
            if held is not None:
                held.holders.discard(holder)
                if not held.holders:
                    self._delete(name)


def _try_out(opened: Checkpoint) -> None:
    """Runs it on one small instance: weights can fit a config that describes no model of the task."""
    task = opened.config.task
    try:
        record(opened, tasks.get(task).generate(2, 1)[0], 2)
    except InputError as error:
        raise InputError(f"its weights fit its config.json, but it cannot read a {task}: {error}") from None
    except Exception as error:  # whatever a model that does not fit its task raises
        says = str(error).partition("\n")[0][:120] or type(error).__name__
        raise InputError(f"its weights fit its config.json, but it cannot run on a {task}: {says}") from None


def _is_here(holder: str) -> bool:
    return exists() and get_instance().is_active_session(holder)


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """The server's one shelf."""
    return Shelf()


def visit() -> str | None:
    """Name of this visit, None outside of one."""
    run = get_script_run_ctx(suppress_warning=True)
    return None if run is None else run.session_id


def mine() -> list[Brought]:
    """What this visit brought along or came to by a link."""
    holder = visit()
    return [] if holder is None else shelf().held_by(holder)


def find(name: str) -> Brought | None:
    """A visit's own checkpoint by its whole name, from whichever visit."""
    return shelf().find(name, visit())


def add(files: Mapping[str, bytes], called: str, came: str) -> Brought:
    """Takes in a checkpoint for this visit.

    Raises:
        InputError: As `Shelf.add`.
    """
    return shelf().add(files, called, came, visit() or "")
