"""Many instances in one go: what `trace` prints for each of them, from passes that are shared where sizes allow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from core import tasks
from core.answers import batches, logits_by_step
from core.checkpoint import Checkpoint
from core.export import answer_object
from core.trace import default_steps, notes_on

AT_ONCE = 512
"""Instances that are encoded together."""


def answered(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    steps: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """The objects that `trace --json` prints, in the order of the instances.

    Args:
        checkpoint: Runs them.
        instances: Of its task.
        steps: T; None for each instance's own.
        progress: Called with the number of instances done; what it raises stops the work.

    Raises:
        InputError: If the checkpoint cannot read an instance.
    """
    task, config = tasks.get(checkpoint.config.task), checkpoint.config
    done = 0
    for start in range(0, len(instances), AT_ONCE):
        part = instances[start : start + AT_ONCE]
        encodings = [task.encode(instance, config) for instance in part]
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
