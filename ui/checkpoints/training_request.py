"""A training that a page can start: which recipe, which seed, what is varied; and about how long it takes.

Owns the form of a request and its command line; the process is `ui.checkpoints.training_run`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from depthscope.core.errors import InputError
from depthscope.core.exchange.about import About
from depthscope.core.training import overrides, recipes
from depthscope.core.training.recipes import Recipe, offered
from depthscope.ui.widgets.copy_instance import command

MAX_SEED = 2**31 - 1
FIRST = (("graph", "house"), ("logic", "house-tree"))
"""Offered first: each is done while one watches."""


@dataclass(frozen=True)
class Request:
    """What is to be trained.

    Attributes:
        task: Task.
        recipe: Name of the recipe.
        seed: Of weights, data and steps.
        changes: What the recipe is varied by, as in `core.training.recipes.varied`.
    """

    task: str
    recipe: str
    seed: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def varied(self) -> Recipe:
        """The recipe with its changes.

        Raises:
            InputError: If there is none, or it cannot be varied so.
        """
        return recipes.varied(recipes.get(self.task, self.recipe), self.changes)

    @property
    def name(self) -> str:
        """What a run of it is called, before it is made unique."""
        return f"{self.task}-{self.recipe}-seed{self.seed}" + ("-varied" if self.changes else "")

    def arguments(self, out: str, resume: bool = False) -> list[str]:
        """What `python -m` is given to train it, on one thread."""
        settings = [word for text in overrides.written(self.changes) for word in ("--set", text)]
        words = ["core", "train", self.task, "--recipe", self.recipe, *settings, "--seed", str(self.seed)]
        return [*words, "--threads", "1", "--out", out, *(["--resume"] if resume else [])]

    def command(self, out: str) -> str:
        """The line of a shell that trains the same."""
        return command(*self.arguments(out)[1:])

    def as_json(self) -> dict[str, Any]:
        """The request as JSON has it."""
        return {"task": self.task, "recipe": self.recipe, "seed": self.seed, "changes": dict(self.changes)}


def from_json(values: Any) -> Request:
    """The request that `as_json` gave.

    Raises:
        InputError: If it is none, or its recipe cannot be trained.
    """
    try:
        request = Request(str(values["task"]), str(values["recipe"]), int(values["seed"]), dict(values["changes"]))
    except (KeyError, TypeError, ValueError):
        raise InputError("This run does not say what it trains.") from None
    _ = request.varied
    return request


def offers() -> list[tuple[str, str]]:
    """Task and name of every recipe, the quick ones first."""
    return [*FIRST, *(pair for r in offered() if (pair := (r.task, r.name)) not in FIRST)]


@dataclass(frozen=True)
class Estimate:
    """How long a training takes, by one that was done.

    Attributes:
        seconds: On one thread, about.
        name: The checkpoint that was timed.
        machine: What it was timed on.
    """

    seconds: float
    name: str
    machine: str


def estimate(request: Request, known: Iterable[About]) -> Estimate | None:
    """How long a request takes on one thread: its batches at the pace of a checkpoint of the recipe; None unless known.

    Args:
        request: What is to be trained.
        known: Checkpoints that say how they were made.
    """
    for one in known:
        info = one.training
        seconds, batches, threads = (info.get(k, 0) for k in ("seconds", "batches", "threads"))
        if (one.entry["task"], one.entry["recipe"]) != (request.task, request.recipe):
            continue
        if all(isinstance(x, int | float) and x > 0 for x in (seconds, batches, threads)):
            each, machine = seconds * threads / batches, str(info.get("machine", "an unnamed machine"))
            return Estimate(each * request.varied.batches, one.entry["name"], machine)
    return None


def duration(seconds: float) -> str:
    """A time in words that promise no more than is known: 40 s, 3 min, 1.5 h."""
    if seconds < 90:
        return f"{max(1, round(seconds)):d} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
