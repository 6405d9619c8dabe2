"""Many instances in one text, one JSON object a line: `{"input": ..., "source": ..., "target": ...}`."""

from __future__ import annotations

import json
from typing import Any

from core import inputs, tasks
from core.config import ModelConfig
from core.errors import InputError


def parsed(
    task: str,
    text: str | bytes,
    source: str | None,
    target: str | None,
    filename: str | None = None,
    form: str | None = None,
) -> Any:
    """An instance from a user's text, with the ends a user names."""
    if task == "graph":  # some formats are binary, and each says its encoding
        return tasks.get(task).parse(text, filename=filename, format=form, source=source, target=target)
    if source is not None or target is not None or form is not None:
        raise InputError(f"a source, a target and a format are for graphs; this checkpoint's task is {task}")
    return tasks.get(task).parse(text if isinstance(text, str) else inputs.decode(text, filename or "standard input"))


def read(task: str, text: str, name: str, form: str | None = None) -> list[tuple[int, Any]]:
    """The instances of a text with their line numbers; empty lines are skipped.

    Args:
        task: Task they belong to.
        text: One JSON object a line.
        name: What the text is called in messages.
        form: Format of the graphs; None to go by their content.

    Raises:
        InputError: If a line is not such an object or holds no instance, or there is no line.
    """
    found = [
        (number, _instance(task, line, number, form))
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    if not found:
        raise InputError(f"{name!r} has no lines")
    return found


def measurable(config: ModelConfig, text: str, name: str) -> list[Any]:
    """The instances of a text that a checkpoint can be measured on.

    Args:
        config: Of the checkpoint.
        text: One JSON object a line.
        name: What the text is called in messages.

    Raises:
        InputError: As `read`, and if the checkpoint cannot read an instance or nothing says what its answer should be.
    """
    task, found = tasks.get(config.task), read(config.task, text, name)
    for number, instance in found:
        if instance.label is None:
            raise InputError(f"line {number} has no right answer to hold a model to; take it out")
        try:
            task.encode(instance, config)
        except InputError as error:
            raise InputError(f"line {number}: {error}") from None
    return [instance for _, instance in found]


def _instance(task: str, line: str, number: int, form: str | None) -> Any:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {number} is not JSON: {error}") from None
    if not isinstance(values, dict) or not isinstance(values.get("input"), str):
        raise InputError(f'line {number} should be an object with an "input" text')
    ends = [values.get("source"), values.get("target")]
    if any(end is not None and not isinstance(end, str) for end in ends):
        raise InputError(f"line {number}: source and target should be names, as text")
    try:
        return parsed(task, values["input"], ends[0], ends[1], form=form)
    except InputError as error:
        raise InputError(f"line {number}: {error}") from None
