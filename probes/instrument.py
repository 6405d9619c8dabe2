"""What an instrument is, and the bench it measures on.

An instrument is one function `measure(bench, options) -> Result` under the decorator `instrument`, which says what it
asks, to which checkpoints it does not apply, and its options. The command line, the section of a page, the lines to
copy, the CSV and the list in docs/instruments follow from that declaration. docs/guides has one from its first line on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from depthscope.core import tasks
from depthscope.core.answers import batches
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.frontier import NO_DIFFICULTY
from depthscope.core.protocol import Sink
from depthscope.core.tasks import paths
from depthscope.core.tasks.paths import Routes
from depthscope.probes.measuring import controls, results
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.progress import Count, steps_of_runs
from depthscope.probes.measuring.results import Progress, Result
from depthscope.probes.reading.nodes import groups_of

STREAMS: dict[str, int | None] = {
    "battery": None,
    "cuts": None,
    "permuted": None,
    "restarts": 1,
    "shuffled": 2,
    "line": 3,
    "bootstrap": 4,
    "split": 5,
    "targets": 5,
    "random cells": 5,
    "answers": 6,
    "halves": 6,
    "places": 6,
    "folds": 7,
    "subspaces": 7,
    "directions": 7,
    "coordinates": 8,
    "random nodes": 8,
    "sets": 8,
    "repair": 8,
    "order": 9,
    "matches": 9,
    "errors": 9,
    "places of a control": 11,
    "rows": 15,
    "changes": 20,
}
"""Streams of random numbers by what they are for: what one draws changes nothing for the others."""


@dataclass
class Bench:
    """Where an instrument measures: a checkpoint, instances, T, and what all instruments need of them.

    Attributes:
        checkpoint: What is measured.
        instances: N of its task, at least one.
        steps: T.
        seed: Of every stream of random numbers.
        requested: T as the caller gave it; None where it follows from the instances.
        count: Of the work done; all benches that `replace` makes of one count together.
    """

    checkpoint: Checkpoint
    instances: Sequence[Any]
    steps: int
    seed: int = 0
    requested: int | None = None
    count: Count = field(default_factory=lambda: Count(None), repr=False)

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        instances: Sequence[Any],
        steps: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Bench:
        """A bench; without T, what the hardest instance needs (those without a difficulty count if all are).

        Raises:
            InputError: If there is no instance, or T is out of range.
        """
        known = [instance for instance in instances if instance.difficulty is not None]
        t = results.steps_for(checkpoint, known or instances, steps)
        return cls(checkpoint, instances, t, seed, steps, Count(progress))

    def among(self, index: Sequence[int]) -> Bench:
        """The bench on some of its instances; T is what these need, where none was requested."""
        some = Bench.of(self.checkpoint, [self.instances[i] for i in index], self.requested, self.seed)
        some.count = self.count
        some.encodings = [self.encodings[i] for i in index]
        some.routes = [self.routes[i] for i in index]
        some.group = self.group[list(index)]
        return some

    def with_steps(self, steps: int) -> Bench:
        """The bench with another T."""
        other = replace(self, steps=steps)
        other.__dict__ |= {name: value for name, value in self.__dict__.items() if name not in other.__dict__}
        return other

    def for_all(self) -> Bench:
        """The bench with a T that those without a difficulty need as well, where none was requested."""
        needed = results.steps_for(self.checkpoint, self.instances, self.requested)
        return self if needed == self.steps else self.with_steps(needed)

    @property
    def model(self) -> Any:
        """The network of the checkpoint."""
        return self.checkpoint.model

    @cached_property
    def encodings(self) -> list[Encoding]:
        """The instances as the checkpoint reads them."""
        task = tasks.get(self.checkpoint.config.task)
        return [task.encode(instance, self.checkpoint.config) for instance in self.instances]

    @cached_property
    def routes(self) -> list[Routes]:
        """The links of each instance, and which of them its answer needs."""
        config = self.checkpoint.config
        return [paths.routes(x, encoding, config) for x, encoding in zip(self.instances, self.encodings, strict=True)]

    @cached_property
    def group(self) -> np.ndarray:
        """(N,) group of each instance: twins share one, wherever they stand, and so do equal instances."""
        return groups_of(self.instances)

    @cached_property
    def difficulty(self) -> np.ndarray:
        """(N,) difficulty that each instance counts with: its own, or else its twin's, or else NO_DIFFICULTY."""
        named = np.array([NO_DIFFICULTY if x.difficulty is None else int(x.difficulty) for x in self.instances])
        most = np.full(self.group.max() + 1, NO_DIFFICULTY)
        np.maximum.at(most, self.group, named)
        return np.where(named == NO_DIFFICULTY, most[self.group], named)

    @cached_property
    def untrained(self) -> Any:
        """The same network with the weights it would start training from: a control."""
        return controls.untrained(self.checkpoint, self.seed)

    @cached_property
    def blank(self) -> Checkpoint:
        """The checkpoint with that network in the place of its own."""
        return replace(self.checkpoint, model=self.untrained)

    @property
    def header(self) -> dict[str, Any]:
        """What every result begins with."""
        return {
            "checkpoint": self.checkpoint.name,
            "sha256": self.checkpoint.sha256,
            "steps": self.steps,
            "seed": self.seed,
        }

    def rng(self, purpose: str, *index: int) -> np.random.Generator:
        """A fresh generator of the stream of that purpose (of STREAMS), or of one of several such streams."""
        stream = STREAMS[purpose]
        return np.random.default_rng([self.seed, *index, *(() if stream is None else (stream,))])

    def mean(self, values: np.ndarray, group: np.ndarray | None = None) -> Estimate:
        """Mean over the last axis, (..., N) -> (...), by default over the instances."""
        return Estimate.mean(np.asarray(values), self.group if group is None else group, self.rng("bootstrap"))

    def reserve(self, size: float, what: str, instead: str = "take fewer instances or steps") -> None:
        """Refuses, before anything runs, work that would need more memory than there should be.

        Args:
            size: Bytes.
            what: That would take them.
            instead: What makes it smaller.

        Raises:
            InputError: If the size is over the limit.
        """
        results.refuse_over(size, what, instead)

    def runs(self, model: Any = None) -> int:
        """Steps that all instances take in batches: what `rollout` adds to the progress."""
        return steps_of_runs(self.model if model is None else model, self.encodings, self.steps)

    def expect(self, total: int) -> Count:
        """Says how much work there is in all; what it returns counts what is done."""
        self.count.total = max(1, total)
        return self.count

    def tick(self, count: int = 1) -> None:
        """So much more of the work is done."""
        self.count.more(count)

    @torch.inference_mode()
    def rollout(self, model: Any = None, sinks: Collection[str] = ()) -> Iterator[Moment]:
        """Runs all instances, a batch at a time, and stops after every step: the one loop of batches and steps.

        Its states are inference tensors; what computes with them does so under `torch.inference_mode()`.

        Args:
            model: In place of the checkpoint's own, for a control.
            sinks: "attention" and "gate", if what a step leaves of them is wanted.
        """
        model = self.model if model is None else model
        shapes = model.shapes
        for index in batches(self.encodings, shapes.width, shapes.heads):
            batch = collate([self.encodings[i] for i in index]).to(next(model.parameters()).device)
            context = model.prepare(batch)
            state = model.initial(context)
            yield Moment(index, 0, state, batch, model, None)
            for t in range(self.steps):
                sink = _sink(state, shapes, batch, sinks) if sinks else None
                state = model.step(state, t, context, sink) if sinks else model.step(state, t, context)
                self.tick()
                yield Moment(index, t + 1, state, batch, model, sink)

    def logits(self, model: Any = None) -> np.ndarray:
        """Logit of each answer after 0..T steps, (T+1, N), by the checkpoint's own model or one in its place."""
        logits = np.empty((self.steps + 1, len(self.instances)))
        for now in self.rollout(model):
            logits[now.t, now.index] = now.readout()[0]
        return logits


@dataclass(frozen=True)
class Moment:
    """One batch after one step.

    Attributes:
        index: (B,) which instances these are.
        t: The step, 0 before the first.
        state: (B, n, d).
        batch: The instances.
        model: What runs.
        sink: Attention (B, heads, n, n) or (heads, E) and gate (B, n) of the step, where they were wanted.
    """

    index: np.ndarray
    t: int
    state: Tensor
    batch: Batch
    model: Any
    sink: Sink | None

    @torch.inference_mode()
    def readout(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Logit of each answer, (B,), and of every node, (B, n), where the model has them."""
        logits, nodes = self.model.readout(self.state, self.batch)
        return logits.double().cpu().numpy(), None if nodes is None else nodes.double().cpu().numpy()

    @torch.inference_mode()
    def at_answers(self) -> np.ndarray:
        """The state that each answer is read from, (B, d); for a pair of nodes both side by side, (B, 2d)."""
        rows = torch.arange(len(self.index), device=self.state.device)
        pair = self.model.config.readout == "pair"
        ends = (self.batch.answer, self.batch.source) if pair else (self.batch.answer,)
        return torch.cat([self.state[rows, end] for end in ends], dim=-1).float().cpu().numpy()


def _sink(state: Tensor, shapes: Any, batch: Batch, wanted: Collection[str]) -> Sink:
    b, n, _ = state.shape
    edges = batch.edge_index
    size = (b, shapes.heads, n, n) if edges is None else (shapes.heads, edges.shape[1])
    attention = state.new_empty(size) if "attention" in wanted and shapes.heads else None
    return Sink(attention, state.new_empty(b, n) if "gate" in wanted and shapes.gate else None)


R = TypeVar("R", bound=Result)


def option(default: Any, help: str, **settings: Any) -> Any:
    """A field of an instrument's Options, as argparse takes it: choices, metavar, type, nargs or action."""
    return field(default=default, metadata={"help": help, **settings})


@dataclass(frozen=True)
class NoOptions:
    """An instrument without options of its own."""


def applies(checkpoint: Checkpoint) -> None:
    """For instruments that every checkpoint is fit for."""
    del checkpoint


@dataclass(frozen=True)
class Instrument(Generic[R]):
    """An instrument, as it is declared.

    Attributes:
        name: Of the command, the module, the page in docs/instruments and the figure.
        asks: What it asks, in one line.
        compute: Measures a bench.
        options: A dataclass; its fields are arguments of the command and of the page's form.
        unfit: Why it does not apply to a checkpoint, None where it does.
        instances: How many are drawn when nobody gives any.
        spread: Whether those are of every difficulty from the easiest trained to twice the hardest, where nobody says;
            of the hardest trained alone otherwise.
    """

    name: str
    asks: str
    compute: Callable[[Bench, Any], R]
    options: type = NoOptions
    unfit: Callable[[Checkpoint], str | None] = applies
    instances: int = 1
    spread: bool = False

    def __call__(
        self,
        checkpoint: Checkpoint,
        instances: Sequence[Any],
        *,
        steps: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        **options: Any,
    ) -> R:
        """Measures a checkpoint on some instances.

        Args:
            checkpoint: What runs.
            instances: Of its task, at least one.
            steps: T; None takes what the hardest of them needs.
            seed: Of everything random.
            progress: Called with the work done and in all; what it raises stops the work.
            **options: The instrument's own; see its `options`.

        Raises:
            InputError: If the checkpoint cannot read an instance, an option is wrong, or it would take too much memory.
        """
        bench = Bench.of(checkpoint, instances, steps, seed, progress)
        return self.compute(bench, self.options(**options))

    def table(self, result: R) -> str:
        """What the command prints of a result."""
        return result.table()

    def arguments(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Flag, keyword and settings of each option, as argparse takes them."""
        for one in fields(self.options):
            default = one.default if one.default is not MISSING else None
            yield "--" + one.name.replace("_", "-"), one.name, {"default": default, **one.metadata}


def instrument(
    asks: str,
    *,
    name: str | None = None,
    options: type = NoOptions,
    unfit: Callable[[Checkpoint], str | None] = applies,
    instances: int = 1,
    spread: bool = False,
) -> Callable[[Callable[[Bench, Any], R]], Instrument[R]]:
    """Declares `measure(bench, options)` as an instrument, by default under the name of its module."""

    def declare(compute: Callable[[Bench, Any], R]) -> Instrument[R]:
        module = compute.__module__.rpartition(".")[2]
        return Instrument(name or module.replace("_", "-"), asks, compute, options, unfit, instances, spread)

    return declare


def refuse_unlabelled(instances: Sequence[Any]) -> None:
    """For instruments that compare with the right answer.

    Raises:
        InputError: If an instance has none.
    """
    if any(instance.label is None for instance in instances):
        raise InputError("an instance has no right answer to compare with; take it out")
