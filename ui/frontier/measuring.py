"""What the Frontier page measures: an address whose origin is a sample, or a person's own instances.

Owns what it opens with, its bounds, the lines that compute the same, what is kept of earlier runs, and the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from depthscope.core import answers, frontier, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.frontier import Frontier
from depthscope.core.tasks import many, read as inputs
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.address import Address, Sample, UserInput, identity
from depthscope.ui.visit.cache import Recent, fingerprint, recent
from depthscope.ui.widgets.copy_instance import command, python
from depthscope.ui.work.measure import Request, Source, difficulties
from depthscope.ui.work.work import Progress, Work, job_of

DATA = ("audited", "paper")
MAX_CELLS = 200_000
"""Difficulties x steps that a page draws."""


def first(opened: Checkpoint) -> Address:
    """What is measured of a checkpoint until something else is asked for."""
    hard = frontier.default_difficulties(opened)
    levels = tasks.get(opened.config.task).first_difficulties or f"{hard[0]}-{hard[-1]}"
    sample = Sample(levels, 200 if opened.config.attention == "edges" else 100)
    steps = frontier.default_steps(opened, max(difficulties(sample.difficulty)))
    return Address(opened.name, sample, steps=steps)


def checked(address: Address) -> Address:
    """The same address, if a page can show it.

    Raises:
        InputError: If it is out of bounds; the message says what to change.
    """
    origin, rows, steps = address.origin, 1, address.steps or 1
    if isinstance(origin, Sample):
        if origin.data not in DATA:
            raise InputError(f"The data should be one of {', '.join(DATA)} (got {origin.data[:40]!r}).")
        rows = len(difficulties(origin.difficulty))
    if rows * steps > MAX_CELLS:
        raise InputError(
            f"{rows:,} difficulties x {steps:,} steps are too many to draw, at most {MAX_CELLS:,} cells are; "
            "ask for fewer, or measure them on the command line."
        )
    return address


def frontier_lines(address: Address) -> tuple[str, str]:
    """The command and the code that measure the same frontier."""
    sample, opening = address.origin, _opening(address)
    if isinstance(sample, Sample):
        how = f"{difficulties(sample.difficulty)}, steps={address.steps}, instances={sample.instances}"
        result = ["result = frontier.run(", f"    opened, {how}, data={sample.data!r}, seed={sample.seed}", ")"]
    else:
        result = [f"result = frontier.measure(opened, own, steps={address.steps})"]
    imports = [*_imports(address), "core.frontier"]
    code = python(imports, *opening, *result, "print(result.accuracy, frontier.t75(result))")
    return command("frontier", address.checkpoint, **_options(address)), code


def exit_request(address: Address, read: Callable[[], list[Any]]) -> Request:
    """Measuring the exit rules on the same instances.

    Args:
        address: What the page shows.
        read: Reads a person's own instances.
    """
    sample, name, steps = address.origin, address.checkpoint, address.steps
    if isinstance(sample, Sample):
        levels = sample.difficulty
        return Request("exit", name, levels, sample.instances, steps, sample.seed, data=sample.data)
    lines = [f"scores = exit_rules.measure(opened, own, steps={steps})", "print(scores.to_json())"]
    code = python([*_imports(address), "probes.instruments.exit as exit_rules"], *_opening(address), *lines)
    of = command("probe", "exit", name, **_options(address)), code
    return Request("exit", name, steps=steps, source=Source(fingerprint(identity(sample)), read, lambda _: of))


def trivial_lines(
    address: Address, levels: list[int], instances: int, data: str, seed: int, where_wrong: bool = False
) -> tuple[str, str]:
    """The command and the code that score trivial rules on one kind of data, or the model where they err."""
    line = command(
        "probe", "trivial", address.checkpoint, difficulty=",".join(map(str, levels)), instances=instances, data=data,
        seed=seed, json=True, where_wrong=where_wrong,
    )  # fmt: skip
    code = python(
        ["core.checkpoint", "probes.instruments.trivial"],
        f"opened = checkpoint.load({address.checkpoint!r})",
        f"print(trivial.{'where_wrong' if where_wrong else 'score'}(opened, {levels}, {instances}, {data!r}, {seed}))",
    )
    return line, code


def _options(address: Address) -> dict[str, Any]:
    origin = address.origin
    if not isinstance(origin, Sample):
        return {"input": _file(address), "steps": address.steps, "json": True}
    levels = origin.difficulty.replace(" ", "")
    of_sample = {"instances": origin.instances, "data": origin.data, "seed": origin.seed}
    return {"difficulty": levels, "steps": address.steps, **of_sample, "json": True}


def _imports(address: Address) -> list[str]:
    own = [] if isinstance(address.origin, Sample) else ["pathlib.Path", "core.tasks.many"]
    return [*own, "core.checkpoint"]


def _opening(address: Address) -> list[str]:
    """The lines that open the checkpoint and a person's own instances."""
    opened = f"opened = checkpoint.load({address.checkpoint!r})"
    if isinstance(address.origin, Sample):
        return [opened]
    read = "own = many.measurable(opened.config, Path(name).read_text(), name)"
    return [opened, f"name = {_file(address)!r}", read]


def _file(address: Address) -> str:
    assert isinstance(address.origin, UserInput)
    return address.origin.file or "instances.jsonl"


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
    listed = recent("own instances", 256 << 20).make(key, read)
    own = dict(frontier.grouped(listed))
    return Subject(address, checkpoint, tuple(own), listed, own)


def rows(what: Subject) -> list[Frontier]:
    """The rows that are there, in order."""
    store, job = rows_kept(), job_of(Work("frontier", what.key, lambda _: iter(())))
    late = {int(row.difficulty[0]): row for row in job.results} if job is not None else {}
    there = [store.get(what.row_key(d)) or late.get(d) for d in what.levels]
    return [row for row in there if row is not None]


def rows_work(what: Subject) -> Work:
    """Measuring the rows that are not there."""
    store, there = rows_kept(), {int(row.difficulty[0]) for row in rows(what)}
    missing = [d for d in what.levels if d not in there]

    def run(progress: Progress) -> Iterator[Frontier]:
        total = what.count(missing)
        groups = what.groups(missing)
        for row in frontier.rows(what.checkpoint, groups, what.steps, lambda done: progress(done, total)):
            store.put(what.row_key(int(row.difficulty[0])), row)
            yield row

    return Work("frontier", what.key, run, "instances")


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
