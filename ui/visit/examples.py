"""The instances offered by name, from examples.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthscope.core import tasks
from depthscope.core.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One example.

    Attributes:
        task: Of the instance.
        name: Its name in the URL.
        title: Its name on the page.
        caption: What it shows.
        drawn: Difficulty, seed, and its number among the audited instances of that seed; None for one that is read.
        text: What it is read from.
        source: Name of the source node, where the task has one.
        target: The same for the target.
    """

    task: str
    name: str
    title: str
    caption: str
    drawn: tuple[int, int, int] | None = None
    text: str = ""
    source: str | None = None
    target: str | None = None

    def make(self) -> Any:
        """The instance."""
        task = tasks.get(self.task)
        if self.drawn is not None:
            difficulty, seed, number = self.drawn
            return task.generate(difficulty, number + 1, "audited", seed)[number]
        ends = {"source": self.source, "target": self.target}
        return task.parse(self.text, **{name: end for name, end in ends.items() if end is not None})


_FILE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
EXAMPLES = {task: tuple(Entry(task, **entry) for entry in entries) for task, entries in _FILE.items()}


def examples(task: str) -> tuple[Entry, ...]:
    """The examples of a task; the first is what a fresh page shows."""
    first = Entry(task, "first", "A small instance", "drawn by the task's own generator", (3, 0, 1))
    return EXAMPLES.get(task, (first,))


def find(task: str, name: str) -> Any:
    """The instance of an example.

    Raises:
        InputError: If the task has no such example.
    """
    entries = {entry.name: entry for entry in examples(task)}
    if name in entries:
        return entries[name].make()
    raise InputError(f"There is no example {name[:40]!r} for this checkpoint; there are {', '.join(entries)}.")
