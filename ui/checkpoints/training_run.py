"""Trainings that pages start: one process at a time on this server, each run in a folder of its own.

The folders lie in `runs/app` of the checkout (once installed: of the user's own folder), so that a run that was stopped
goes on after the server has been started again. Owns the process and the folders; what a run is asked for is
`ui.checkpoints.training_request`'s, what it shows its log's.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from depthscope.core.checkpoint import CONFIG
from depthscope.core.cli import INTERRUPTED
from depthscope.core.errors import InputError
from depthscope.core.files import atomic, places
from depthscope.core.files.strict_json import dumps
from depthscope.core.training.train import STATE
from depthscope.ui.checkpoints import training_request
from depthscope.ui.checkpoints.training_request import Request
from depthscope.ui.shell import startup

LOG = logging.getLogger(__name__)

RUNS = places.home() / "runs" / "app"
REQUEST, ERRORS = "request.json", "stderr.txt"
MAX_RUNS = 50
UNKNOWN_ERROR = "it ended with an error that it could not write down; perhaps the disk is full"
ORDERLY = (0, INTERRUPTED, *(-getattr(signal, name, 0) for name in ("SIGTERM", "SIGINT", "SIGKILL")))
"""Exit statuses of a run that is done, or can go on from its last save."""

EXIT_SECONDS = 3.0
"""How long the end of the server waits; the process ends by itself soon after."""

State = Literal["running", "stopped", "done", "failed"]
Done = Callable[[Path, str], None]


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        name: Of its folder.
        folder: Where it lies.
        request: What it trains.
        state: "running"; "stopped": goes on when asked, from its last save; "done"; "failed": ended with an error.
        error: Why it failed, where it said so.
    """

    name: str
    folder: Path
    request: Request
    state: State
    error: str | None = None


class TrainingRuns:
    """The trainings of this server; one runs at a time.

    Args:
        root: Folder of the runs.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._lock = root, threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._name = ""
        self._refused: set[str] = set()
        self._waiting: threading.Thread | None = None

    @property
    def running(self) -> str | None:
        """Name of the run that is under way."""
        process = self._process
        return self._name if process is not None and process.poll() is None else None

    def start(self, request: Request, done: Done | None = None) -> str:
        """Starts a training in a new folder.

        Args:
            request: What is trained.
            done: Called with the folder and the run's name once it has ended well, on a thread of its own.

        Returns:
            Its name.

        Raises:
            InputError: If another one runs, the recipe cannot be varied so, or its folder cannot be written.
        """
        _ = request.varied
        _refuse_if_read_only()
        with self._lock:
            self._check_free()
            if len(self._folders()) >= MAX_RUNS:
                raise InputError(f"There are {MAX_RUNS} trainings in {self._root} already; remove some.")
            name, folder = self._new_folder(request.name)
            try:
                atomic.write(folder / REQUEST, dumps(request.as_json()) + "\n")
                self._launch(name, request, False, done)
            except InputError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return name

    def resume(self, name: str, done: Done | None = None) -> str:
        """Goes on with a run that was stopped; returns its name.

        Raises:
            InputError: If another one runs, or this one is not there.
        """
        _refuse_if_read_only()
        with self._lock:
            self._check_free()
            self._launch(name, self.run(name).request, True, done)
            return name

    def cancel(self) -> None:
        """Stops the run that is under way after the batch in hand; its state is kept."""
        if self.running and self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()  # which tells it, see `training_child`

    def runs(self) -> list[Run]:
        """All runs, the latest first; folders that are none are passed over."""
        runs = []
        for folder in self._folders():
            with suppress(InputError):
                runs.append(self.run(folder.name))
        return runs

    def run(self, name: str) -> Run:
        """One run by its name.

        Raises:
            InputError: If there is none.
        """
        folder = next((folder for folder in self._folders() if folder.name == name), None)
        if folder is None:
            raise InputError(f"There is no training {name[:60]!r} here.")
        try:
            request = training_request.from_json(json.loads((folder / REQUEST).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise error if isinstance(error, InputError) else InputError(f"{name} cannot be read.") from None
        if self.running == name:
            return Run(name, folder, request, "running")
        if (folder / CONFIG).exists() and not (folder / STATE).exists():
            return Run(name, folder, request, "done")
        error = _error_of(folder) or (UNKNOWN_ERROR if name in self._refused else None)
        return Run(name, folder, request, "failed" if error else "stopped", error)

    def remove(self, name: str) -> None:
        """Deletes a run's folder, unless it is under way.

        Raises:
            InputError: If there is none, or it is under way.
        """
        with self._lock:
            if self.running == name:
                raise InputError("This training is under way; cancel it first.")
            folder = self.run(name).folder
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():
                raise InputError(f"{name} cannot be removed: the server may not write in its folder.")

    def end(self) -> None:
        """Stops what is under way and waits a little."""
        self.cancel()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(EXIT_SECONDS)

    def wait(self) -> None:
        """Waits for the end of what is under way."""
        if self._waiting is not None:
            self._waiting.join()

    def _folders(self) -> list[Path]:
        folders = [path.parent for path in self._root.glob(f"*/{REQUEST}")]
        return sorted(folders, key=lambda folder: (folder / REQUEST).stat().st_mtime, reverse=True)

    def _check_free(self) -> None:
        if self.running:
            raise InputError(f"{self.running} is being trained; one training runs at a time.")

    def _new_folder(self, name: str) -> tuple[str, Path]:
        for i in range(1, MAX_RUNS + 2):
            unique = name if i == 1 else f"{name}-{i}"
            with atomic.written("the folder of the training"), suppress(FileExistsError):
                (self._root / unique).mkdir(parents=True)
                return unique, self._root / unique
        raise InputError(f"There are too many trainings called {name}; remove some.")

    def _launch(self, name: str, request: Request, resume: bool, done: Done | None) -> None:
        folder = self._root / name
        words = request.arguments(str(folder), resume)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        with atomic.written("the folder of the training"), (folder / ERRORS).open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "depthscope.ui.checkpoints.training_child", *words],
                cwd=places.IMPORTS,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self._process, self._name = process, name
        self._refused.discard(name)
        self._waiting = threading.Thread(target=self._wait, args=(process, name, done), daemon=True)
        self._waiting.start()

    def _wait(self, process: subprocess.Popen[bytes], name: str, done: Done | None) -> None:
        """Reaps the process; a run that has ended well is handed on."""
        with process:  # which closes its standard input as well
            if process.wait() not in ORDERLY:
                self._refused.add(name)
        if done is None:
            return
        try:
            run = self.run(name)
            if run.state == "done":
                done(run.folder, name)
        except Exception:
            LOG.exception("a finished training could not be taken in")


def _refuse_if_read_only() -> None:
    if startup.read_only():
        raise InputError("This server is read-only: nothing is trained on it.")


def _error_of(folder: Path) -> str | None:
    """Why a run ended, by what it wrote to stderr; None where it only says how far it came."""
    try:
        text = (folder / ERRORS).read_bytes()[-4000:].decode("utf-8", "replace")
    except OSError:
        return None
    lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else lines[-1] if "Traceback (most recent call last):" in lines else None


@st.cache_resource(show_spinner=False)
def trainings() -> TrainingRuns:
    """The server's one set of trainings; what runs is stopped when the server stops."""
    runs = TrainingRuns(RUNS)
    atexit.register(runs.end)
    return runs
