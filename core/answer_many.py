"""Many instances in one go: what `trace` prints for each of them, from passes that are shared where sizes allow it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from depthscope.core import tasks
from depthscope.core.answers import batches, logits_by_step
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding
from depthscope.core.exchange.npz import answer_object
from depthscope.core.trace import default_steps, notes_on

AT_ONCE, CELLS_AT_ONCE = 512, 1 << 22
"""Instances that are encoded together: so many, or fewer with more nodes and edges than this in all."""


def answered(
    checkpoint: Checkpoint,
    instances: Iterable[Any],
    steps: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """The objects that `trace --json` prints, in the order of the instances, which may be endless.

    Args:
        checkpoint: Runs them.
        instances: Of its task; taken as they are needed.
        steps: T; None for each instance's own.
        progress: Called with the number of instances done; what it raises stops the work.

    Raises:
        InputError: If the checkpoint cannot read an instance.
    """
    config, done = checkpoint.config, 0
    for part, encodings in _groups(checkpoint, instances):
        answers: dict[int, dict[str, Any]] = {}
        for index in batches(encodings, config.width, config.heads):
            lasts = [steps or default_steps(checkpoint, part[i]) for i in index]
            logits = logits_by_step(checkpoint, [encodings[i] for i in index], max(lasts))
            for column, (i, last) in enumerate(zip(index, lasts, strict=True)):
                notes = dict.fromkeys((*part[i].notes, *encodings[i].notes, *notes_on(checkpoint, last)))
                answers[int(i)] = answer_object(checkpoint.name, part[i], logits[: last + 1, column], notes)
            done += len(index)
            if progress is not None:
                progress(done)
        yield from (answers[i] for i in range(len(part)))


def _groups(checkpoint: Checkpoint, instances: Iterable[Any]) -> Iterator[tuple[list[Any], list[Encoding]]]:
    """Instances with their encodings, some at a time."""
    task, config = tasks.get(checkpoint.config.task), checkpoint.config
    part: list[Any] = []
    encodings: list[Encoding] = []
    cells = 0
    for instance in instances:
        encoding = task.encode(instance, config)
        part.append(instance)
        encodings.append(encoding)
        cells += encoding.n_nodes + (0 if encoding.edge_index is None else encoding.edge_index.shape[1])
        if len(part) == AT_ONCE or cells > CELLS_AT_ONCE:
            yield part, encodings
            part, encodings, cells = [], [], 0
    if part:
        yield part, encodings
