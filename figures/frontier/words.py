"""The frontier in words: what its rows are called, and one sentence on how far it carries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from depthscope.core import tasks
from depthscope.core.frontier import NO_DIFFICULTY, Arrival, Frontier, t75

STRAIGHT = 0.95
"""R² from which a line is said to be what T75 follows."""


def axis(task: str) -> str:
    """What the axis of difficulty is called."""
    return tasks.get(task).words.difficulty


def difficulty_title(task: str, difficulty: int, unit: bool = False) -> str:
    """What a row is called, with or without what the difficulty counts."""
    if difficulty == NO_DIFFICULTY:
        return tasks.get(task).words.no_difficulty
    return tasks.get(task).words.counted(difficulty) if unit else str(difficulty)


def in_order(difficulties: Sequence[int] | np.ndarray) -> list[int]:
    """Difficulties from the least; NO_DIFFICULTY last."""
    return sorted(map(int, difficulties), key=lambda d: (d == NO_DIFFICULTY, d))


def line_of(arrival: Arrival) -> str:
    """The fitted line of T75 as a formula."""
    a = round(arrival.intercept, 2) + 0.0  # no -0.00
    sign = "−" if a < 0 else ""
    return f"{sign}{abs(a):.2f} {'+' if arrival.slope >= 0 else '−'} {abs(arrival.slope):.2f} h"


def spans(numbers: Sequence[int]) -> str:
    """Increasing numbers with runs drawn together, as in 1–8, 12."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]}–{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def sentence(frontier: Frontier, name: str, task: str) -> str:
    """How far a checkpoint stays right. Plain text; it is escaped where it is drawn."""
    arrival, steps = t75(frontier), f"{len(frontier.steps)} step{'s' if len(frontier.steps) > 1 else ''}"
    arrives = {int(d): int(t) > 0 for d, t in zip(frontier.difficulty, arrival.steps, strict=True)}
    hard = [d for d in in_order(frontier.difficulty) if d != NO_DIFFICULTY]
    if not hard:
        share = float(frontier.accuracy[0, -1])
        return f"{name} is right on {share:.3f} of the instances after {steps}."
    failing = [d for d in hard if not arrives[d]]
    line, whole = _line(arrival), tasks.get(task).words.counted(spans(hard))
    if not failing:
        return f"{name} stays at .75 or above at {whole} within {steps}{line}."
    if failing == hard:
        return f"{name} stays at .75 or above nowhere at {whole} within {steps}."
    before = [d for d in hard if d < failing[0]]
    if not before:
        return f"{name} fails at {difficulty_title(task, failing[0], unit=True)} within {steps}, but not everywhere."
    reach = difficulty_title(task, before[-1], unit=True)
    return f"{name} stays at .75 or above up to {reach}, and not at {failing[0]} within {steps}{line}."


def _line(arrival: Arrival) -> str:
    """What follows a sentence on the line through T75: the line, or that there is none to speak of."""
    if not np.isfinite(arrival.slope):
        return ""
    if arrival.r2 >= STRAIGHT or not np.isfinite(arrival.r2):  # all at one step: a level line
        return f"; T75 = {line_of(arrival)}"
    return f"; T75 follows no straight line (R² {arrival.r2:.2f})"
