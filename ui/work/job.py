"""Work that outlasts a run of the page: on a thread of its own, with results as they come, progress and a way to stop.

One piece of work runs at a time, since two would share the same cores; what nobody has looked at for a while stops.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from depthscope.core.errors import InputError

LOG = logging.getLogger(__name__)

UNWATCHED_SECONDS = 300
"""A closed tab must not keep the cores for hours."""

EXIT_SECONDS = 10
POLL_SECONDS = 0.7

_turn = threading.Lock()
_all: weakref.WeakSet[Job] = weakref.WeakSet()


class _StoppedError(Exception):
    """Raised inside the work, between two batches."""


class Job:
    """One piece of work.

    Args:
        work: Called with a function that takes the amount done so far; yields results.
        total: Amount in all.
        unit: What is counted.
    """

    def __init__(
        self, work: Callable[[Callable[[int], None]], Iterator[Any]], total: int, unit: str = "instances"
    ) -> None:
        self.results: list[Any] = []
        self.done, self.total, self.unit = 0, total, unit
        self.error: str | None = None
        self.waiting = True
        self._work, self._cancelled, self._looked = work, threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Job:
        """Starts the thread."""
        _all.add(self)
        self._thread.start()
        return self

    def end(self) -> None:
        """Stops it and waits for the batch that is running."""
        self.cancel()
        self._thread.join(EXIT_SECONDS)

    @property
    def running(self) -> bool:
        """Whether there is more to come; looking at it keeps it alive."""
        self._looked = time.monotonic()
        return self._thread.is_alive()

    @property
    def cancelled(self) -> bool:
        """Whether it was told to stop."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Stops it after the batch that is running; what came before stays."""
        self._cancelled.set()

    def _progress(self, done: int) -> None:
        self.done = done
        if time.monotonic() - self._looked > UNWATCHED_SECONDS:
            self.cancel()
        if self.cancelled:
            raise _StoppedError

    def _run(self) -> None:
        try:
            while not _turn.acquire(timeout=0.2):
                self._progress(0)
            try:
                self.waiting = False
                for result in self._work(self._progress):
                    self.results.append(result)
            finally:
                _turn.release()
        except _StoppedError:
            pass
        except InputError as error:
            self.error = str(error)
        except (MemoryError, RuntimeError) as error:
            LOG.exception("work failed")
            short = isinstance(error, MemoryError) or "memory" in str(error).lower()
            self.error = "There is not enough memory for this; ask for less." if short else _BUG
        except Exception:
            LOG.exception("work failed")
            self.error = _BUG


@atexit.register
def _end_all() -> None:
    """A thread inside torch must not be cut off when the server stops: that ends in an abort."""
    for job in list(_all):
        job.end()


_BUG = "This stopped (an internal error); the server's log has the details."


def watch(job: Job, shown: int, key: str) -> None:
    """The progress of a job with the button that stops it; runs the page again once there is more than it shows.

    Args:
        job: Work that is running.
        shown: How many of its results the page shows.
        key: Of the button.
    """
    st.fragment(_watch, run_every=POLL_SECONDS)(job, shown, key)


def _watch(job: Job, shown: int, key: str) -> None:
    if not job.running or len(job.results) > shown:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        count = f"{job.done:,} of {job.total:,} {job.unit}" if job.done else "Getting ready …"
        st.progress(min(job.done / max(1, job.total), 1.0), "Waiting for another measurement" if job.waiting else count)
        st.button("Cancel", on_click=job.cancel, key=key, disabled=job.cancelled)
