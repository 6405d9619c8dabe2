"""Work on a thread: results as they come, a stop between two batches, and every end said in a sentence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from depthscope.core.errors import InputError
from depthscope.ui.work import job as jobs
from depthscope.ui.work.job import Job


def wait(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def ended(job: Job) -> Job:
    wait(lambda: not job.running)
    return job


def test_results_come_one_by_one() -> None:
    gate = threading.Semaphore(0)

    def work(progress: Callable[[int], None]) -> Iterator[str]:
        for i, name in enumerate("abc", start=1):
            gate.acquire()
            progress(i)
            yield name

    job = Job(work, 3).start()
    gate.release()
    wait(lambda: job.results == ["a"])
    assert job.running
    assert job.done == 1
    gate.release()
    gate.release()
    assert ended(job).results == ["a", "b", "c"]
    assert job.error is None


def endless(progress: Callable[[int], None]) -> Iterator[int]:
    for i in range(1_000_000):
        progress(i)
        time.sleep(0.005)
        yield i


def test_cancel_keeps_what_is_done_and_lets_the_next_begin() -> None:
    first, second = Job(endless, 9).start(), Job(lambda _: iter([1]), 1)
    wait(lambda: len(first.results) > 2)
    second.start()
    time.sleep(0.05)
    assert second.waiting
    first.cancel()
    assert ended(first).cancelled
    assert first.error is None
    assert ended(second).results == [1]


def test_one_that_waits_can_be_cancelled() -> None:
    first, second = Job(endless, 9).start(), Job(endless, 9)
    wait(lambda: not first.waiting)
    second.start()
    second.cancel()
    assert ended(second).results == []
    first.end()
    assert not first.running


def test_what_nobody_looks_at_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "UNWATCHED_SECONDS", 0.1)
    job = Job(endless, 9).start()
    wait(lambda: job.cancelled)
    ended(job)


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (InputError("hops are at most 24"), "hops are at most 24"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("can't allocate memory"), "not enough memory"),
        (RuntimeError("shapes"), "an internal error"),
        (KeyError("x"), "an internal error"),
    ],
)
def test_every_end_is_a_sentence(raised: Exception, says: str) -> None:
    def work(_: Callable[[int], None]) -> Iterator[int]:
        yield 1
        raise raised

    job = ended(Job(work, 2).start())
    assert job.results == [1]
    assert job.error is not None
    assert says in job.error
