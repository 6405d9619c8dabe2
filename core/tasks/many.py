"""Many instances in one text, one JSON object a line: `{"input": ..., "source": ..., "target": ...}`.

A text is read at once, a file line by line, so that it may hold any number.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthscope.core import tasks
from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.tasks import read as inputs


def parsed(
    task: str,
    text: str | bytes,
    source: str | None,
    target: str | None,
    filename: str | None = None,
    form: str | None = None,
) -> Any:
    """An instance from a user's text, with the ends a user names."""
    reader = tasks.get(task)
    takes = reader.questions + (("format",) if reader.formats else ())
    given = {k: v for k, v in (("source", source), ("target", target), ("format", form)) if v is not None}
    if not given.keys() <= set(takes):
        raise InputError(f"a source, a target and a format are for graphs; this checkpoint's task is {task}")
    if reader.formats:  # some formats are binary, and each says its encoding
        return reader.parse(text, filename=filename, **given)
    text = text if isinstance(text, str) else inputs.decode(text, filename or "standard input")
    return reader.parse(text, **given)


def read(task: str, text: str, name: str, form: str | None = None) -> list[tuple[int, Any]]:
    """The instances of a text with their line numbers; empty lines are skipped.

    Args:
        task: Task they belong to.
        text: One JSON object a line, or a table as `entries` reads it.
        name: What the text is called in messages.
        form: Format of the graphs; None to go by their content.

    Raises:
        InputError: If a line is not such an object or holds no instance, or there is no line.
    """
    return [(entry.number, _instance(task, entry, form)) for entry in entries(text, name)]


def stream(task: str, path: Path, form: str | None = None) -> Iterator[tuple[int, Any]]:
    """The instances of a file with their line numbers, each read when it is asked for; empty lines are skipped.

    Args:
        task: Task they belong to.
        path: One JSON object a line.
        form: Format of the graphs; None to go by their content.

    Raises:
        InputError: As `read`, when it comes to the line.
        OSError: If the file cannot be read.
    """
    empty, number = True, 0
    with path.open("rb") as file:
        while line := file.readline(inputs.MAX_BYTES + 1):
            number += 1
            if len(line) > inputs.MAX_BYTES:
                raise InputError(f"line {number} is too large: at most {inputs.MAX_BYTES // 1_000_000} MB are read")
            text = inputs.decode(line, f"line {number}") if number == 1 or not line.isascii() else line.decode("ascii")
            if text.strip():
                empty = False
                yield number, _instance(task, _entry(text, number), form)
    if empty:
        raise InputError(f"{str(path)!r} has no lines")


def measurable(config: ModelConfig, text: str, name: str) -> list[Any]:
    """The instances of a text that a checkpoint can be measured on.

    Args:
        config: Of the checkpoint.
        text: One JSON object a line.
        name: What the text is called in messages.

    Raises:
        InputError: As `read`, and if the checkpoint cannot read an instance or nothing says what its answer should be.
    """
    task, numbered = tasks.get(config.task), read(config.task, text, name)
    for number, instance in numbered:
        if instance.label is None:
            raise InputError(f"line {number} has no right answer to hold a model to; take it out")
        try:
            task.encode(instance, config)
        except InputError as error:
            raise InputError(f"line {number}: {error}") from None
    return [instance for _, instance in numbered]


@dataclass(frozen=True)
class Entry:
    """One instance among many, not read yet.

    Attributes:
        number: Its line.
        input: Its text.
        source: Name of the source node, None if it names none.
        target: The same for the target.
    """

    number: int
    input: str
    source: str | None = None
    target: str | None = None


def entries(text: str, name: str) -> list[Entry]:
    """The lines of a text, or the rows of a table with a column "input", as they are.

    Args:
        text: One JSON object a line, or CSV with a head that names the columns.
        name: What it is called; one that ends in .csv or .tsv is a table.

    Raises:
        InputError: If a line is no such object, or there is none.
    """
    if name.lower().endswith((".csv", ".tsv")):
        result = _rows(text, "\t" if name.lower().endswith(".tsv") else ",")
    else:
        result = [_entry(line, number) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not result:
        raise InputError(f"{name!r} has no lines")
    return result


def is_table(text: str) -> bool:
    """Whether a text is a table of instances: its first line has a column "input"."""
    head = text[:10_000].partition("\n")[0].partition("\r")[0]
    try:
        return "input" in next(csv.reader([head.replace("\t", ",")]), [])
    except csv.Error:
        return False


def _rows(text: str, separator: str) -> list[Entry]:
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=separator))
    except csv.Error as error:
        raise InputError(f"the table cannot be read: {error}") from None
    result = []
    for number, row in enumerate(rows, start=2):
        if not row.get("input"):
            raise InputError(f'row {number} has nothing in the column "input"')
        result.append(Entry(number, row["input"], row.get("source") or None, row.get("target") or None))
    return result


def _entry(line: str, number: int) -> Entry:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {number} is not JSON: {error}") from None
    if not isinstance(values, dict) or not isinstance(values.get("input"), str):
        raise InputError(f'line {number} should be an object with an "input" text')
    ends = [values.get("source"), values.get("target")]
    if any(end is not None and not isinstance(end, str) for end in ends):
        raise InputError(f"line {number}: source and target should be names, as text")
    return Entry(number, values["input"], ends[0], ends[1])


def _instance(task: str, entry: Entry, form: str | None) -> Any:
    try:
        return parsed(task, entry.input, entry.source, entry.target, form=form)
    except InputError as error:
        raise InputError(f"line {entry.number}: {error}") from None
