"""Checkpoints of a visit: uploaded, fetched or trained here, beside those in the folder.

They lie in a temporary folder of the server, which goes when it stops. Each is named after itself and a digest of its
files: a visit sees its own, and another one that knows the whole name, from a link, sees it too. What no visit has any
more is deleted.
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

MAX_STORE_BYTES = 2 << 30
"""Of all visits together, on disk."""

DIGITS = 12
"""Of the digest in a name."""


@dataclass
class Upload:
    """One checkpoint of a visit's own.

    Attributes:
        name: What it is called in every page, with the digest of its files at the end.
        entry: Its entry in the list.
        folder: Where its files lie.
        source: Where it is from: "uploaded", "trained here", ...
        size: Bytes of its files.
        visitors: Visits that see it.
    """

    name: str
    entry: dict[str, Any]
    folder: Path
    source: str
    size: int
    visitors: set[str] = field(default_factory=set)


class UploadStore:
    """Checkpoints by name, the oldest in front.

    Args:
        root: Folder that they lie in; None for a temporary one, made for the first of them.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root, self._uploads, self._lock = root, dict[str, Upload](), threading.Lock()

    def add(self, files: Mapping[str, bytes], title: str, source: str, visitor: str) -> Upload:
        """Takes in a checkpoint, once it has been opened and has run.

        Args:
            files: Its files by name.
            title: Its name before the digest.
            source: Where it is from.
            visitor: The visit.

        Raises:
            InputError: If it is not whole, cannot run, or there is no room; the message names the file and the field.
        """
        digest = fingerprint(*(part for name in sorted(files) for part in (name, files[name])))[:DIGITS]
        name = f"{bundle.sanitised(title)}-{digest}"
        size = sum(map(len, files.values()))
        with self._lock:
            if name not in self._uploads:
                self._make_room(size)
                self._uploads[name] = self._open(files, name, source, size)
            self._uploads[name].visitors.add(visitor)
            return self._uploads[name]

    def _open(self, files: Mapping[str, bytes], name: str, source: str, size: int) -> Upload:
        folder = self._folder() / name
        bundle.write(files, folder)
        try:
            info, opened = about(folder), checkpoint.load(folder)
            _try_out(opened)
        except InputError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise InputError(str(error).replace(f"{folder}/", "").replace(str(folder), "the checkpoint")) from None
        entry = {**info.entry, "name": name, "parameters": opened.n_parameters, "sha256": opened.sha256}
        return Upload(name, entry, folder, source, size)

    def _folder(self) -> Path:
        """Where they lie; it goes when the server stops."""
        if self._root is None:
            with atomic.written("the server's folder for checkpoints"):
                self._root = Path(tempfile.mkdtemp(prefix="depthscope-"))
            atexit.register(shutil.rmtree, self._root, ignore_errors=True)
        return self._root

    def _make_room(self, size: int) -> None:
        for upload in list(self._uploads.values()):
            if self._total() + size > MAX_STORE_BYTES and not any(map(_is_here, upload.visitors)):
                self._delete(upload.name)
        if self._total() + size > MAX_STORE_BYTES:
            raise InputError(f"the server holds {MAX_STORE_BYTES >> 30} GiB of uploaded checkpoints; remove one first")

    def _total(self) -> int:
        return sum(upload.size for upload in self._uploads.values())

    def _delete(self, name: str) -> None:
        shutil.rmtree(self._uploads.pop(name).folder, ignore_errors=True)

    def find(self, name: str, visitor: str | None) -> Upload | None:
        """The checkpoint of this whole name, which the visit then holds as well; None if there is none."""
        with self._lock:
            upload = self._uploads.get(name)
            if upload is not None and visitor is not None:
                upload.visitors.add(visitor)
            return upload

    def of(self, visitor: str | None) -> list[Upload]:
        """What a visit sees."""
        with self._lock:
            return [upload for upload in self._uploads.values() if visitor in upload.visitors]

    def release(self, name: str, visitor: str) -> None:
        """Takes a checkpoint from a visit; it is deleted once no visit has it."""
        with self._lock:
            upload = self._uploads.get(name)
            if upload is not None:
                upload.visitors.discard(visitor)
                if not upload.visitors:
                    self._delete(name)


def _try_out(opened: Checkpoint) -> None:
    """Runs it on one small instance: weights can fit a config that describes no model of the task."""
    task = opened.config.task
    try:
        record(opened, tasks.get(task).generate(2, 1)[0], 2)
    except InputError as error:
        raise InputError(f"its weights fit its config.json, but it cannot read a {task}: {error}") from None
    except Exception as error:  # whatever a model that does not fit its task raises
        reason = str(error).partition("\n")[0][:120] or type(error).__name__
        raise InputError(f"its weights fit its config.json, but it cannot run on a {task}: {reason}") from None


def _is_here(visitor: str) -> bool:
    return exists() and get_instance().is_active_session(visitor)


@st.cache_resource(show_spinner=False)
def store() -> UploadStore:
    """The server's one store."""
    return UploadStore()


def visitor() -> str | None:
    """Name of this visit, None outside of one."""
    run = get_script_run_ctx(suppress_warning=True)
    return None if run is None else run.session_id


def mine() -> list[Upload]:
    """The checkpoints that this visit uploaded, trained or opened by a link."""
    return store().of(visitor())


def find(name: str) -> Upload | None:
    """A visit's own checkpoint by its whole name, from whichever visit."""
    return store().find(name, visitor())


def add(files: Mapping[str, bytes], title: str, source: str) -> Upload:
    """Takes in a checkpoint for this visit.

    Raises:
        InputError: As `UploadStore.add`.
    """
    return store().add(files, title, source, visitor() or "")
