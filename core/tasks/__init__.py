"""The tasks by name: those in the folders here, and those of one's own that were named at start-up.

Nothing is imported for what a file says: a checkpoint's config names its task, and it is looked up here.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from depthscope.core.errors import InputError
from depthscope.core.named import name_each, named

if TYPE_CHECKING:
    from depthscope.core.tasks.spec import Task

BUILT_IN = ("graph", "logic", "text")
"""Folders here; each declares its `TASK`."""

SPLITS = {"train": 0, "validation": 1, "test": 2}
"""Streams of random numbers; what one draws the others never see again."""

VARIABLE = "DEPTHSCOPE_TASKS"
"""Environment variable that names tasks of one's own, with commas between them."""

_named: dict[str, Task] = {}
"""What the user named since the program began, by the task's own name."""


def names() -> tuple[str, ...]:
    """The tasks there are; imports nothing."""
    return (*BUILT_IN, *_named)


def get(task: str) -> Task:
    """A task.

    Raises:
        InputError: If there is no such task.
    """
    if task in BUILT_IN:
        return importlib.import_module(f"{__name__}.{task}").TASK
    if task in _named:
        return _named[task]
    raise InputError(f"there is no task {task!r:.40}; the tasks are {', '.join(names())}")


def name(task: str) -> Task:
    """Imports the task that a user named; its checkpoints open and its instances are read from now on.

    For what comes from the command line or the environment of the program, never for what a file says.

    Args:
        task: MODULE:TASK, the module as Python imports it and the name of its `Task` there.

    Raises:
        InputError: If there is no such task, importing it fails, or another task has its name.
    """
    from depthscope.core.tasks.spec import Task

    result = named(task, Task, "a task", "MODULE:TASK, such as mine.brackets:TASK")
    if result.name in BUILT_IN or _named.get(result.name, result) is not result:
        raise InputError(f"there is a task {result.name!r:.40} already; give the one in {task} another name")
    _named[result.name] = result
    return result


def name_all(given: Iterable[str] = ()) -> None:
    """Names what the command line gives, and what the environment gives.

    Raises:
        InputError: As `name`.
    """
    name_each(VARIABLE, given, name)
