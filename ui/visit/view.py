"""From an address to a trace: the checkpoint, the instance and the run, each kept under the digest of what made it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from depthscope.core import checkpoint, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.trace import Trace, default_steps, record, size_in_bytes
from depthscope.probes.reading.of_trace import readings
from depthscope.ui.visit import examples, uploads
from depthscope.ui.visit.address import Address, Example, Generated, Origin, UserInput, identity
from depthscope.ui.visit.cache import fingerprint, recent

MAX_KEPT_BYTES = 1 << 30
"""Traces kept together; the last one stays whatever its size, which `core.trace.record` bounds."""

MAX_TRACE_BYTES = 5 << 30
"""A larger trace is not made for a visitor, whatever the disk has free."""

ATTEMPTS = 16
"""Instances generated to find one with the answer that was chosen."""

MAX_LISTED = 3000
"""Longest list of nodes to choose the ends from; in larger graphs their names are typed."""


@dataclass(frozen=True)
class View:
    """An address that is open.

    Attributes:
        address: What was opened.
        checkpoint: The checkpoint.
        instance: The instance, with the ends of the address.
        trace: Its run.
        readings: Name to (T+1, n) probabilities: the model's own readout and the stored probes.
        key: Digest of the checkpoint, the instance and the steps.
    """

    address: Address
    checkpoint: Checkpoint
    instance: Any
    trace: Trace
    readings: dict[str, np.ndarray]
    key: str

    @property
    def trained_steps(self) -> tuple[int, int] | None:
        """Fewest and most steps in training, where the checkpoint says so."""
        return trained(self.checkpoint, "steps")


def trained(opened: Checkpoint, what: str) -> tuple[int, int] | None:
    """The range of "steps" or "difficulty" a checkpoint was trained on, None if it does not say."""
    span = opened.training.get(what)
    return (int(span[0]), int(span[1])) if isinstance(span, list | tuple) and len(span) == 2 else None


@st.cache_data(ttl=10, show_spinner=False)
def in_folder() -> list[dict[str, Any]]:
    """The checkpoints in the folder of the checkout, those the page opens first in front."""
    order = {"graph-house": 0, "graph-paper": 1, "logic-house-tokens": 2, "logic-house-tree": 3}
    return sorted(checkpoint.available(), key=lambda c: (c["task"], order.get(c["name"], 9), c["name"]))


def offered() -> list[dict[str, Any]]:
    """The checkpoints that can be chosen: those in the folder, then this visit's own."""
    return [*in_folder(), *(upload.entry for upload in uploads.mine())]


def listed(name: str) -> dict[str, Any]:
    """The entry of a checkpoint; one of another visit's own by its whole name, which a link to it has.

    Raises:
        InputError: If it is not among those listed; nothing else is opened from a page.
    """
    for entry in in_folder():
        if entry["name"] == name:
            return entry
    upload = uploads.find(name)
    if upload is not None:
        return upload.entry
    raise InputError(
        f"There is no checkpoint {name[:60]!r} here; links to one that was uploaded open again once its files are "
        f"uploaded on the Checkpoints page. There are {', '.join(e['name'] for e in offered())}."
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def _loaded(name: str, sha256: str) -> Checkpoint:  # the digest is part of the key: a retrained checkpoint is reloaded
    upload = uploads.find(name)
    return checkpoint.load(name) if upload is None else replace(checkpoint.load(upload.folder), name=name)


def opened(name: str) -> Checkpoint:
    """A listed checkpoint, from memory where it was open before.

    Raises:
        InputError: If it is not among those listed, or not whole.
    """
    entry = listed(name)
    return _loaded(entry["name"], entry["sha256"])


def default_address(name: str | None = None) -> Address:
    """What is shown first of a checkpoint, of the one offered first if None.

    Raises:
        InputError: If it is not among those listed.
    """
    entry = offered()[0] if name is None else listed(name)
    return Address(entry["name"], Example(examples.examples(entry["task"])[0].name))


def instance_of(task: str, origin: Origin) -> Any:
    """The instance that an origin names, with its own ends.

    Raises:
        InputError: If it cannot be read or generated.
    """

    def make() -> Any:
        if isinstance(origin, Example):
            return examples.find(task, origin.name)
        module = tasks.get(task)
        if isinstance(origin, Generated):
            most = module.most.get(origin.data, 1)
            if origin.difficulty > most:
                raise InputError(f"The page generates {origin.data} instances up to difficulty {most} for this task.")
            instances = module.generate(origin.difficulty, ATTEMPTS, origin.data, origin.seed)
            return next((x for x in instances if x.label == origin.answer), instances[0])
        assert isinstance(origin, UserInput)
        form = {"format": origin.format} if module.formats else {}
        return module.parse(origin.content, filename=origin.file, **form)

    return recent("instances", 256 << 20).make(fingerprint(task, identity(origin)), make)


def _run(opened: Checkpoint, instance: Any, steps: int) -> tuple[Trace, dict[str, np.ndarray]]:
    size = size_in_bytes(opened, [tasks.get(instance.task).encode(instance, opened.config)], steps)
    if size > MAX_TRACE_BYTES:
        raise InputError(
            f"A trace of {steps:,} steps would take {size / 2**30:.1f} GiB, over the page's "
            f"{MAX_TRACE_BYTES >> 30}; run at most {int(steps * MAX_TRACE_BYTES / size):,} steps here, "
            "or on the command line: depthscope trace"
        )
    trace = record(opened, instance, steps)
    for array in (trace.hidden, trace.attention, trace.gate, trace.readout, trace.logits, trace.truth, trace.known):
        if array is not None:
            array.flags.writeable = False  # it is shared by every page and session
    values, notes = readings(opened, trace)
    trace = replace(trace, notes=(*trace.notes, *notes))
    return trace, values


def open_address(address: Address) -> View:
    """Opens what an address names, from memory where it was open before.

    Raises:
        InputError: If any part of it cannot be had; the message says which and what to do.
    """
    checkpoint = opened(address.checkpoint)
    task = checkpoint.config.task
    instance = instance_of(task, address.origin)
    if tasks.get(task).questions and (address.source is not None or address.target is not None):
        instance = instance.asked(source=address.source, target=address.target)
    steps = address.steps if address.steps is not None else default_steps(checkpoint, instance)
    key = fingerprint(checkpoint.name, checkpoint.sha256, instance, steps)
    trace, values = recent("traces", MAX_KEPT_BYTES).make(key, lambda: _run(checkpoint, instance, steps))
    return View(address, checkpoint, instance, trace, values, key)


def keep(origin: UserInput) -> None:
    """Keeps content that is too long for a URL, for as long as the app runs."""
    recent("files", 256 << 20).put(origin.digest, origin.content)


def content_of(digest: str) -> bytes | None:
    """Content by its digest, None if it is not kept."""
    return recent("files", 256 << 20).get(digest)
