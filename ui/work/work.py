"""Work that a page is asked for: started by a button, watched with progress, its result kept by digest.

The threads are `ui.work.job`'s; every page runs what takes long this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from depthscope.ui.visit.cache import Recent, recent
from depthscope.ui.visit.visit import visit
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import job as jobs
from depthscope.ui.work.job import Job

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Work:
    """One piece of work.

    Attributes:
        kind: Which section it is for; each has one piece of work at a time.
        key: Digest of all that the result depends on.
        run: Called with a function of what is done and in all; yields results.
        unit: What the progress counts.
    """

    kind: str
    key: str
    run: Callable[[Progress], Iterator[Any]] = field(compare=False)
    unit: str = "parts"


def kept() -> Recent:
    """Results by the key of their work, for every visit."""
    return recent("results", 640 << 20)


def result(work: Work) -> Any | None:
    """The result of a piece of work, None if there is none yet."""
    job = job_of(work)
    return kept().get(work.key) or (job.results[0] if job is not None and job.results else None)


def job_of(work: Work) -> Job | None:
    """The job under way or ended for a piece of work."""
    key, job = visit().jobs.get(work.kind, ("", None))
    return job if key == work.key else None


def start(work: Work) -> None:
    """Starts a piece of work and stops this visit's earlier work of the same kind; for callbacks."""
    forget(work.kind)

    def run(progress: Callable[[int], None]) -> Iterator[Any]:
        def report(done: int, total: int) -> None:
            job.total = total
            progress(done)

        progress(0)
        for made in work.run(report):
            kept().put(work.key, made)
            yield made

    job = Job(run, 1, work.unit)
    visit().jobs[work.kind] = work.key, job.start()


def result_or_run(work: Work, is_short: bool) -> Any | None:
    """The result of a piece of work, run here and now if it is short."""
    made = result(work)
    if made is None and is_short:
        made = next(work.run(lambda done, total: None))
        kept().put(work.key, made)
    return made


def forget(kind: str) -> None:
    """Stops this visit's work of a kind, if there is any, and forgets how it ended."""
    _, before = visit().jobs.pop(kind, ("", None))
    if before is not None:
        before.cancel()


def under_way(work: Work, n_shown: int = 0) -> bool:
    """Shows the progress of a piece of work that runs, or says how it ended early.

    Args:
        work: The work.
        n_shown: How many of its results the page shows; it runs again once there are more.

    Returns:
        Whether it runs.
    """
    job = job_of(work)
    if job is None:
        return False
    if job.running:
        jobs.watch(job, n_shown, f"{work.kind} cancel")
        return True
    if job.error:
        st.error(plain(whole(job.error)))
    elif job.cancelled:
        st.info("Stopped before it was done; nothing was kept.")
    return False


def offer(work: Work, label: str, note: str = "", **button: Any) -> None:
    """The button that starts a piece of work with a note beside it, or the progress of that work.

    Args:
        work: The work.
        label: Of the button.
        note: Plain text.
        button: Further settings of the button.
    """
    if under_way(work):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(label, on_click=start, args=(work,), **{"key": f"start {work.kind}", **button})
        if note:
            st.caption(plain(note))
