"""The tasks by name. Each is a module that generates, parses, encodes, solves and renders its instances."""

from __future__ import annotations

from types import ModuleType

from depthscope.core.errors import InputError

STEPS = {"graph": (1, 8), "logic": (3, 12), "text": (2, 8)}
"""T when none is asked for is a * difficulty + b: hops + 8, 3 * depth + 12, 2 * chain + 8."""


def default_steps(task: str, difficulty: int, attention: str = "edges") -> int:
    """Steps that an instance of this difficulty is given when none are asked for.

    Over the tokens of a graph a hop takes two steps, to the other end of an edge and to the equal token.
    """
    slope, more = STEPS[task]
    return slope * difficulty * (1 + (task == "graph" and attention == "full")) + more


def get(task: str) -> ModuleType:
    """The module of a task.

    Every task module has `parse(text, filename=None, ...)`, `render(instance)`, `encode(instance, config)`,
    `generate(difficulty, count, data, seed)` and a frozen instance class with `label`, `difficulty`, `default_steps`.

    Raises:
        InputError: If there is no such task.
    """
    from depthscope.core.tasks.graph import encode as graph
    from depthscope.core.tasks.logic import encode as logic
    from depthscope.core.tasks.text import task as text

    tasks = {"graph": graph, "logic": logic, "text": text}
    if task not in tasks:
        raise InputError(f"there is no task {task!r:.40}; the tasks are {', '.join(tasks)}")
    return tasks[task]
