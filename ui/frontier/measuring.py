"""Measuring for a request: which instances, what is kept of earlier runs, and the work that is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from depthscope.core import answers, frontier, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.frontier import Frontier, Row
from depthscope.core.tasks import many as lines, read as inputs
from depthscope.probes.instruments import exit as exit_rules
from depthscope.probes.instruments.exit import ExitScores
from depthscope.ui.frontier.request import Request, difficulties
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.cache import Recent, fingerprint, recent
from depthscope.ui.work.job import Job


def rows_kept() -> Recent:
    """Rows by the digest of the weights, the instances and the steps they were measured with."""
    return recent("frontier rows", 64 << 20)


@dataclass(frozen=True)
class Subject:
    """What a request is measured on.

    Attributes:
        request: The request.
        checkpoint: The open checkpoint.
        own: A user's instances by difficulty; None where they are drawn.
        asked: The difficulties, in order.
        listed: A user's instances in the order of the file; None where they are drawn.
    """

    request: Request
    checkpoint: Checkpoint
    own: dict[int, list[Any]] | None
    asked: tuple[int, ...]
    listed: list[Any] | None = None

    @property
    def task(self) -> str:
        """Task of the checkpoint."""
        return self.checkpoint.config.task

    @property
    def key(self) -> str:
        """Digest of all that a figure depends on."""
        return fingerprint(self.checkpoint.sha256, self._instances, self.request.steps, self.asked)

    @property
    def _instances(self) -> tuple[Any, ...]:
        r = self.request
        return ("own", r.content) if self.own is not None else ("drawn", r.instances, r.data, r.seed)

    def row_key(self, difficulty: int) -> str:
        """Digest of all that one row depends on."""
        return fingerprint(self.checkpoint.sha256, self._instances, self.request.steps, difficulty)

    def groups(self, wanted: list[int]) -> Iterator[tuple[int, list[Any]]]:
        """The instances of some difficulties, one after another."""
        if self.own is not None:
            return ((d, self.own[d]) for d in wanted)
        r = self.request
        return frontier.drawn(self.checkpoint, wanted, r.instances, r.data, r.seed)

    def instances(self) -> list[Any]:
        """All instances, the user's in the order of the file."""
        if self.listed is not None:
            return list(self.listed)
        return [x for _, group in self.groups(list(self.asked)) for x in group]

    def count(self, wanted: list[int]) -> int:
        """How many instances these difficulties have."""
        own = self.own
        return len(wanted) * self.request.instances if own is None else sum(len(own[d]) for d in wanted)


def subject(request: Request) -> Subject:
    """Opens what a request names.

    Raises:
        InputError: If the checkpoint or the user's instances cannot be had; a bad line is named.
    """
    checkpoint = opening.opened(request.checkpoint)
    if request.content is None:
        return Subject(request, checkpoint, None, tuple(difficulties(request.difficulty)))
    content, name = opening.kept(request.content), request.file or "your instances"
    if content is None:
        raise InputError("This link points to instances that are no longer open here; upload the file again.")

    def read() -> list[Any]:
        return lines.measurable(checkpoint.config, inputs.decode(content, name), name)

    key = fingerprint(checkpoint.sha256, request.content)
    listed = recent("own instances", 256 << 20).make(key, read, lambda _: 20 * len(content))
    own = dict(frontier.grouped(listed))
    return Subject(request, checkpoint, own, tuple(own), listed)


def found(what: Subject) -> list[Row]:
    """The rows that are there, in order."""
    store, job = rows_kept(), job_of("frontier", what)
    late = {row.difficulty: row for row in job.results} if job is not None else {}
    rows = [store.get(what.row_key(d)) or late.get(d) for d in what.asked]
    return [row for row in rows if row is not None]


def job_of(kind: str, what: Subject) -> Job | None:
    """The work under way or ended for this subject, None if there was none."""
    key, job = st.session_state.get(f"{kind} job", (None, None))
    return job if key == what.key else None


def start(kind: str, what: Subject, work: Callable[[Callable[[int], None]], Iterator[Any]], total: int) -> None:
    """Starts work for a subject, and stops this visit's earlier work of the same kind."""
    before = st.session_state.get(f"{kind} job", (None, None))[1]
    if before is not None:
        before.cancel()
    st.session_state[f"{kind} job"] = (what.key, Job(work, total).start())


def measure_rows(what: Subject) -> None:
    """Starts measuring the rows that are not there."""
    store, there = rows_kept(), {row.difficulty for row in found(what)}
    missing = [d for d in what.asked if d not in there]

    def work(progress: Callable[[int], None]) -> Iterator[Row]:
        for row in frontier.rows(what.checkpoint, what.groups(missing), what.request.steps, progress):
            arrays = [v for v in vars(row).values() if isinstance(v, np.ndarray)]
            store.put(what.row_key(row.difficulty), row, sum(a.nbytes for a in arrays) + 500)
            yield row

    start("frontier", what, work, what.count(missing))


def exit_scores(what: Subject) -> ExitScores | None:
    """The exit rules' scores, None if they were not measured."""
    job = job_of("exit", what)
    return _exits().get(what.key) or (job.results[0] if job is not None and job.results else None)


def measure_exits(what: Subject) -> None:
    """Starts measuring the exit rules."""
    store, asked = _exits(), list(what.asked)

    def work(progress: Callable[[int], None]) -> Iterator[ExitScores]:
        r = what.request
        count = what.count(asked)
        scores = exit_rules.measure(
            what.checkpoint,
            what.instances(),
            steps=r.steps,
            seed=r.seed,
            progress=lambda done, total: progress(count * done // total),
        )
        store.put(what.key, scores, 100_000 + 100 * r.steps)
        yield scores

    start("exit", what, work, what.count(asked))


def _exits() -> Recent:
    return recent("exit scores", 32 << 20)


def first_wrong(what: Subject, difficulty: int) -> Any:
    """The first instance of a row that is answered wrongly after the last step, found batch by batch; else the first.

    Returns:
        The instance; the row has one.
    """
    config, task = what.checkpoint.config, tasks.get(what.task)
    instances = next(what.groups([difficulty]))[1]
    encodings = [task.encode(instance, config) for instance in instances]
    for index in answers.batches(encodings, config.width, config.heads):
        logits = answers.logits_by_step(what.checkpoint, [encodings[i] for i in index], what.request.steps)[-1]
        for i, logit in zip(index, logits, strict=True):
            if (logit > 0) != bool(instances[i].label):
                return instances[i]
    return instances[0]


def frontier_of(what: Subject) -> Frontier | None:
    """What is measured so far, None before the first row."""
    rows = found(what)
    return frontier.assemble(rows) if rows else None
