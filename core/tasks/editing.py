"""Edits of an instance by hand: a name and what it is done to give the changed instance and a sentence that says so.

What can be edited is the task's business (`Task.edits`). The oracle follows by itself: an instance holds no answer.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from depthscope.core import tasks
from depthscope.core.errors import InputError


@dataclass(frozen=True)
class Edited:
    """An instance after an edit.

    Attributes:
        instance: The instance.
        change: A sentence on what was changed.
    """

    instance: Any
    change: str


def edit(instance: Any, name: str, *at: int) -> Edited:
    """Does one edit.

    Args:
        instance: Any instance.
        name: Name of an edit of its task, a key of `Task.edits`.
        at: What it is done to: nodes of a graph, subformulas of a formula, facts of a text (the question is the last).

    Raises:
        InputError: If the task has no such edit, or it cannot be done there; the message says why.
    """
    task = tasks.get(instance.task)
    edits = task.edits
    if name not in edits:
        raise InputError(f"there is no edit {name[:40]!r} of a {instance.task}; there are: {', '.join(edits)}")
    takes = len(inspect.signature(edits[name]).parameters) - 1
    if len(at) != takes:
        raise InputError(f"the edit {name!r} takes {takes} place{'' if takes == 1 else 's'} (got {len(at)})")
    place, count = ("", 0) if task.places is None else task.places(instance)
    for i in at if place else ():
        if not 0 <= i < count:
            raise InputError(f"there is no {place} number {i}; this {task.words.noun} has {count}")
    return Edited(*edits[name](instance, *at))
