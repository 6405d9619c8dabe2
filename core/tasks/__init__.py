"""The tasks by name. Each is a module that generates, parses, encodes, solves and renders its instances."""

from __future__ import annotations

from types import ModuleType

from core.errors import InputError


def get(task: str) -> ModuleType:
    """The module of a task.

    Every task module has `parse(text, filename=None, ...)`, `render(instance)`, `encode(instance, config)`,
    `generate(difficulty, count, data, seed)` and a frozen instance class with `label`, `difficulty`, `default_steps`.

    Raises:
        InputError: If there is no such task.
    """
    from core.tasks import graph, logic, text

    tasks = {"graph": graph, "logic": logic, "text": text}
    if task not in tasks:
        raise InputError(f"there is no task {task!r}; the tasks are {', '.join(tasks)}")
    return tasks[task]
