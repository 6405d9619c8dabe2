"""What an instrument is pointed at: a user's own instance, a file of many, or instances drawn at some difficulties."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from depthscope.core import frontier, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.tasks import concepts, many as lines, read as inputs

MAX_INSTANCES = 100_000


def read(checkpoint: Checkpoint, name: str, source: str | None, target: str | None, form: str | None) -> list[Any]:
    """The instances of a user's file, or of standard input as `-`; many in a .jsonl file, else one.

    Raises:
        InputError: If the checkpoint cannot read it.
    """
    if PurePath(name).suffix == ".jsonl":
        if source is not None or target is not None:
            raise InputError("a source and a target are for one graph; in a .jsonl file each line names its own")
        return read_lines(checkpoint, name, form)
    content = inputs.read(name)
    filename = None if name == inputs.STDIN else PurePath(name).name
    return [lines.parsed(checkpoint.config.task, content, source, target, filename, form)]


def line(instance: Any) -> str:
    """The line of a .jsonl file from which `read` makes the same instance."""
    return json.dumps({"input": tasks.get(instance.task).render(instance), **instance.question()})


def read_lines(checkpoint: Checkpoint, name: str, form: str | None = None) -> list[Any]:
    """The instances of a file that holds one a line, or of a table with a column "input".

    Raises:
        InputError: If the checkpoint cannot read it.
    """
    return [x for _, x in lines.read(checkpoint.config.task, inputs.decode(inputs.read(name), name), name, form)]


def draw(
    checkpoint: Checkpoint, difficulties: Sequence[int] | None, instances: int, data: str | None = None, seed: int = 0
) -> list[Any]:
    """Test instances that no training saw; as many of each difficulty, twins side by side where the data has them.

    Args:
        checkpoint: Reads them.
        difficulties: None takes the hardest that it was trained on.
        instances: How many of each.
        data: "audited" or "paper"; None takes what the checkpoint can read.
        seed: Same seed, same instances.

    Raises:
        InputError: If a number is out of range, or the task cannot make such instances.
    """
    if not 1 <= instances <= MAX_INSTANCES:
        raise InputError(f"instances should be from 1 to {MAX_INSTANCES} (got {instances})")
    data = concepts.data_for(checkpoint.config) if data is None else data
    asked = [trained(checkpoint)] if difficulties is None else difficulties
    return [x for _, group in frontier.drawn(checkpoint, asked, instances, data, seed) for x in group]


def trained(checkpoint: Checkpoint) -> int:
    """The hardest difficulty that a checkpoint was trained on; 4 where it does not say."""
    known = frontier.default_difficulties(checkpoint)
    return known[(len(known) - 1) // 2] if "difficulty" in checkpoint.training else 4
