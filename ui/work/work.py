"""Work that a page is asked for: started by a button, watched with progress, its result kept by digest.

The threads are `ui.work.job`'; the instruments of the Probes and Dynamics pages run this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from depthscope.probes.measuring import results
from depthscope.ui.visit.cache import Recent, recent
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import job as jobs
from depthscope.ui.work.job import Job

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Work:
    """One piece of work.

    Attributes:
        kind: Which section asks; each has one piece of work at a time.
        key: Digest of all that the result depends on.
        run: Called with a function of what is done and in all; yields the result.
        unit: What the progress counts.
    """

    kind: str
    key: str
    run: Callable[[Progress], Iterator[Any]] = field(compare=False)
    unit: str = "parts"


def kept() -> Recent:
    """Results by the key of their work."""
    return recent("results", 128 << 20)


def result(work: Work) -> Any | None:
    """The result of a piece of work, None if there is none yet."""
    job = job_of(work)
    return kept().get(work.key) or (job.results[0] if job is not None and job.results else None)


def job_of(work: Work) -> Job | None:
    """The job under way or ended for a piece of work."""
    key, job = st.session_state.get(f"{work.kind} job", (None, None))
    return job if key == work.key else None


def start(work: Work) -> None:
    """Starts a piece of work and stops this visit's earlier work of the same kind; for callbacks."""
    before = st.session_state.get(f"{work.kind} job", (None, None))[1]
    if before is not None:
        before.cancel()

    def run(progress: Callable[[int], None]) -> Iterator[Any]:
        def step(done: int, total: int) -> None:
            job.total = total
            progress(done)

        progress(0)
        for found in work.run(step):
            size = sum(array.nbytes for array in results.arrays(found).values())
            kept().put(work.key, found, size + 1000)
            yield found

    job = Job(run, 1, work.unit)
    st.session_state[f"{work.kind} job"] = (work.key, job.start())


def under_way(work: Work) -> bool:
    """Shows the progress of a piece of work that runs, or says how it ended early; whether it runs."""
    job = job_of(work)
    if job is None:
        return False
    if job.running:
        jobs.watch(job, 0, f"{work.kind} cancel")
        return True
    if job.error:
        st.error(plain(whole(job.error)))
    elif job.cancelled:
        st.info("Stopped before it was done; nothing was kept.")
    return False
