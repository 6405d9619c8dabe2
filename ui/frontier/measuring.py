"""Measuring for the Frontier page: which instances, what is kept of earlier runs, and the work that is under way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core import answers, frontier, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.frontier import Frontier
from depthscope.core.tasks import many, read as inputs
from depthscope.probes.instruments import exit as exit_rules
from depthscope.probes.instruments.exit import ExitScores
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.address import Address, Sample, UserInput, identity
from depthscope.ui.visit.cache import Recent, fingerprint, recent
from depthscope.ui.work.difficulty import difficulties
from depthscope.ui.work.work import Progress, Work, job_of


def rows_kept() -> Recent:
    """Rows by the digest of the weights, the instances and the steps they were measured with."""
    return recent("frontier rows", 64 << 20)


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
        address: What the page shows.
        checkpoint: The open checkpoint.
        levels: The difficulties, in order.
        listed: A person's own instances in the order of the file; None where they are drawn.
        own: The same by difficulty.
    """

    address: Address
    checkpoint: Checkpoint
    levels: tuple[int, ...]
    listed: list[Any] | None = None
    own: dict[int, list[Any]] | None = None

    @property
    def task(self) -> str:
        """Task of the checkpoint."""
        return self.checkpoint.config.task

    @property
    def steps(self) -> int:
        """T."""
        assert self.address.steps is not None
        return self.address.steps

    @property
    def sample(self) -> Sample:
        """What is drawn; for a person's own instances only its seed counts."""
        origin = self.address.origin
        return origin if isinstance(origin, Sample) else Sample("")

    @property
    def key(self) -> str:
        """Digest of all that a figure depends on."""
        return fingerprint(self.checkpoint.sha256, self._instances, self.steps, self.levels)

    @property
    def _instances(self) -> Any:
        s = self.sample
        return identity(self.address.origin) if self.own is not None else (s.instances, s.data, s.seed)

    def row_key(self, difficulty: int) -> str:
        """Digest of all that one row depends on."""
        return fingerprint(self.checkpoint.sha256, self._instances, self.steps, difficulty)

    def groups(self, levels: list[int]) -> Iterator[tuple[int, list[Any]]]:
        """The instances of some difficulties, one after another."""
        if self.own is not None:
            return ((d, self.own[d]) for d in levels)
        s = self.sample
        return frontier.drawn(self.checkpoint, levels, s.instances, s.data, s.seed)

    def instances(self) -> list[Any]:
        """All instances, a person's own in the order of the file."""
        if self.listed is not None:
            return list(self.listed)
        return [x for _, group in self.groups(list(self.levels)) for x in group]

    def count(self, levels: list[int]) -> int:
        """How many instances these difficulties have."""
        own = self.own
        return len(levels) * self.sample.instances if own is None else sum(len(own[d]) for d in levels)


def subject(address: Address) -> Subject:
    """Opens what an address names.

    Raises:
        InputError: If the checkpoint or a person's own instances cannot be had; a bad line is named.
    """
    checkpoint, origin = opening.opened(address.checkpoint), address.origin
    if isinstance(origin, Sample):
        return Subject(address, checkpoint, tuple(difficulties(origin.difficulty)))
    assert isinstance(origin, UserInput)
    opening.keep(origin)
    name = origin.file or "your instances"

    def read() -> list[Any]:
        return many.measurable(checkpoint.config, inputs.decode(origin.content, name), name)

    key = fingerprint(checkpoint.sha256, identity(origin))
    listed = recent("own instances", 256 << 20).make(key, read, lambda _: 20 * len(origin.content))
    own = dict(frontier.grouped(listed))
    return Subject(address, checkpoint, tuple(own), listed, own)


def rows(what: Subject) -> list[Frontier]:
    """The rows that are there, in order."""
    store, job = rows_kept(), job_of(Work("frontier", what.key, lambda _: iter(())))
    late = {int(row.difficulty[0]): row for row in job.results} if job is not None else {}
    found = [store.get(what.row_key(d)) or late.get(d) for d in what.levels]
    return [row for row in found if row is not None]


def rows_work(what: Subject) -> Work:
    """Measuring the rows that are not there."""
    store, there = rows_kept(), {int(row.difficulty[0]) for row in rows(what)}
    missing = [d for d in what.levels if d not in there]

    def run(progress: Progress) -> Iterator[Frontier]:
        total = what.count(missing)
        groups = what.groups(missing)
        for row in frontier.rows(what.checkpoint, groups, what.steps, lambda done: progress(done, total)):
            arrays = [v for v in vars(row).values() if isinstance(v, np.ndarray)]
            store.put(what.row_key(int(row.difficulty[0])), row, sum(a.nbytes for a in arrays) + 500)
            yield row

    return Work("frontier", what.key, run, "instances", keep=False)


def exit_work(what: Subject) -> Work:
    """Measuring the exit rules."""

    def run(progress: Progress) -> Iterator[ExitScores]:
        count = what.count(list(what.levels))
        yield exit_rules.measure(
            what.checkpoint,
            what.instances(),
            steps=what.steps,
            seed=what.sample.seed,
            progress=lambda done, total: progress(count * done // total, count),
        )

    return Work("exit", fingerprint("exit", what.key), run, "instances")


def first_wrong(what: Subject, difficulty: int) -> Any:
    """The first instance of a row that is answered wrongly after the last step, found batch by batch; else the first.

    Returns:
        The instance; the row has one.
    """
    config, task = what.checkpoint.config, tasks.get(what.task)
    instances = next(what.groups([difficulty]))[1]
    encodings = [task.encode(instance, config) for instance in instances]
    for index in answers.batches(encodings, config.width, config.heads):
        logits = answers.logits_by_step(what.checkpoint, [encodings[i] for i in index], what.steps)[-1]
        for i, logit in zip(index, logits, strict=True):
            if (logit > 0) != bool(instances[i].label):
                return instances[i]
    return instances[0]


def frontier_of(what: Subject) -> Frontier | None:
    """What is measured so far, None before the first row."""
    there = rows(what)
    return frontier.assemble(there) if there else None
