"""Edits that are offered by name, made for the open instance: on its path, at an early step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER
from depthscope.core.tasks import paths as routes
from depthscope.core.trace import Trace
from depthscope.probes.editing import language
from depthscope.probes.editing.language import END, Edit
from depthscope.probes.instruments import patch

EARLY, NEXT = 3, 4
"""Steps that the examples take where the run and the path are as long."""

MAX_PAIRS = 12
MAX_NODES = 6


@dataclass(frozen=True)
class Offer:
    """An example.

    Attributes:
        title: On its button.
        text: The edits, one a line.
        caption: What it asks.
    """

    title: str
    text: str
    caption: str


def positive(checkpoint: Checkpoint, base: Trace, twin: Any) -> Trace:
    """The run whose path decides: this one where its label is 1 or it has no twin, else as if of the twin.

    Only instance and encoding are the twin's.
    """
    if getattr(base.instance, "label", None) or twin is None:
        return base
    encoding = tasks.get(twin.task).encode(twin, checkpoint.config)
    return replace(base, instance=twin, encoding=encoding) if encoding.n_nodes == base.n_nodes else base


def has_gate(checkpoint: Checkpoint) -> bool:
    """Whether there is an update gate that edits can set."""
    return checkpoint.model.shapes.edits_gate


def examples(checkpoint: Checkpoint, base: Trace, twin: Any = None) -> list[Offer]:
    """The examples of an instance; the first is what a fresh page shows.

    Args:
        checkpoint: What runs.
        base: Its run.
        twin: The instance's twin, None if there is none.
    """
    labels = base.encoding.labels
    made = _edits(checkpoint, base, twin)
    return [Offer(title, language.written(edit, labels), caption) for title, edit, caption in made]


def _edits(checkpoint: Checkpoint, base: Trace, twin: Any) -> Iterator[tuple[str, Edit, str]]:
    """Title, edit and what it asks of each example."""
    front, skip = _front(checkpoint, base, twin), min(EARLY, base.steps)
    if (early := _nodes(front, EARLY)) is not None:
        t, nodes = early
        yield f"Zero the front at step {t}", Edit("zero", t, nodes=nodes), "The states just reached become 0."
    if twin is not None and (late := _nodes(front, NEXT)) is not None:
        t, nodes = late
        caption = "The states of the path at this step are taken from the twin, which has the other answer."
        yield f"Patch the path from the twin at step {t}", Edit("patch", t, nodes=nodes), caption
    yield f"Skip step {skip}", Edit("hold", skip), "The update that makes this step is left out."
    yield f"Repeat step {skip}", Edit("repeat", skip), "The update is done twice."
    if has_gate(checkpoint):
        edit = Edit("gate", skip, END, amount=0.0)
        yield f"Freeze the gate from step {skip}", edit, "No state changes any more from this step on."
    if pairs := _cut(checkpoint, base):
        edit = Edit("silence", 1, END, edges=pairs)
        yield "Silence the path", edit, "Attention along one link of the path is lost at every step."
    if twin is not None:
        edit = Edit("patch", 0, parts=("state", "mask", "input"))
        yield "All of the twin", edit, "A check: with state, edges and input of the twin its answer must come."


def _front(checkpoint: Checkpoint, base: Trace, twin: Any) -> np.ndarray:
    """The path's nodes at the step at which the oracle has them; any node's where there is no path, (T+1, n) bool."""
    front, _ = patch.oracle_front(checkpoint, positive(checkpoint, base, twin))
    if not front.any():
        front = np.arange(base.steps + 1)[:, None] == base.encoding.has_from
    return front


def _nodes(front: np.ndarray, step: int) -> tuple[int, tuple[int, ...]] | None:
    """The first step from `step` on that has a front, else the last before it; and its first nodes."""
    there = np.flatnonzero(front.any(1))
    there = there[there > 0]
    if not len(there):
        return None
    after = there[there >= step]
    t = int(after[0] if len(after) else there[-1])
    return t, tuple(np.flatnonzero(front[t])[:MAX_NODES].tolist())


def _cut(checkpoint: Checkpoint, base: Trace) -> tuple[tuple[int, int], ...]:
    """Pairs of attention that part the answer from what decides it, at the cut nearest the middle; none if too many."""
    if base.attention is None or checkpoint.config.attention == "none":
        return ()
    on_path = routes.routes(base.instance, base.encoding, checkpoint.config)
    if not (on_path.from_step != NEVER).any():
        return ()
    choices = [on_path.cut_pairs(units) for units in on_path.cuts]
    choices = [pairs for pairs in choices if 0 < len(pairs) <= MAX_PAIRS]
    return choices[len(choices) // 2] if choices else ()
