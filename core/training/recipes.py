"""Recipes: architecture, data and training settings by name, listed in recipes.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from depthscope.core import tasks
from depthscope.core.config import FORMER, ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.training import overrides


@dataclass(frozen=True)
class Curriculum:
    """Difficulty that grows with success.

    Attributes:
        start: Greatest difficulty at the beginning.
        threshold: A level is passed when the running accuracy of the answers at that level exceeds this.
        memory: Weight of the past in the running accuracy.
    """

    start: int = 2
    threshold: float = 0.93
    memory: float = 0.95


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is made.

    Attributes:
        task: Task it learns.
        name: Name of the recipe.
        model: Architecture.
        data: "paper" or "audited".
        difficulty: Least and greatest difficulty trained on.
        steps: T is drawn from this range for every batch.
        batches: Optimiser steps in all.
        batch_size: Instances a batch.
        parts: Parts of like length that a batch is computed in, one after the other, so that short instances are not
            padded to the longest. The gradient is that of the whole batch, but that with supervision of every node the
            answer weighs as many times as its instance has nodes.
        learning_rate: Peak of AdamW's learning rate.
        warmup: Share of the batches in which the learning rate rises; it then falls as a cosine to zero.
        supervision: "answer": loss on the answer; "node": on the concept at every node that the oracle knows by then,
            and on the answer.
        alpha: 0 is silent thinking (loss at the last step only), 1 a loss at every step, between them the mixture.
        samples: Instances of a training set drawn once; None draws each batch afresh.
        nodes: Least and greatest number of nodes (graph).
        extra: Least and greatest of what lengthens an instance without deepening it, so that training covers the
            lengths of deeper instances: distractors of an audited text, facts by which the chain of the paper's texts
            goes on beyond the two people, depth of the siblings of a formula. None draws it as in tests.
        extra_from: Batch from which instances are lengthened; shorter ones are learned sooner.
        drift: Share of the chains of a text that keep their direction, so that far offsets occur in short ones.
        turns: Whether those chains turn back once.
        either_way: Whether half of the facts of the paper's texts are told from the other side.
        curriculum: None for all difficulties at once.
        bfloat16: Whether matrix products run in bfloat16 where the machine gains by it.
        validation: Difficulties of the validation.
        validate_every: Batches between two validations.
        weight_decay: Of AdamW.
        clip: Greatest norm of the gradient.
        kind: Kind of the model, a name in `core.kinds`.
        start: Checkpoint that training goes on from, named as `core.checkpoint.load` takes it; None for new weights.
            Of another readout it takes all but the readout.
        ponder: Weight of the model's own cost in the loss (ACT's ponder cost); 0 for models that have none.
    """

    task: str
    name: str
    model: ModelConfig
    data: Literal["paper", "audited"] = "audited"
    difficulty: tuple[int, int] = (1, 5)
    steps: tuple[int, int] = (8, 24)
    batches: int = 800
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: float = 0.1
    supervision: Literal["answer", "node"] = "node"
    validation: tuple[int, ...] = (1, 2, 3, 4, 5, 8, 12)
    validate_every: int = 250
    alpha: float = 0.0
    samples: int | None = None
    nodes: tuple[int, int] = (8, 16)
    extra: tuple[int, int] | None = None
    extra_from: int = 0
    drift: float = 0.0
    turns: bool = False
    either_way: bool = False
    curriculum: Curriculum | None = None
    bfloat16: bool = False
    weight_decay: float = 0.01
    clip: float = 1.0
    kind: str = "depth-recurrent"
    ponder: float = 0.0
    parts: int = 1
    start: str | None = None


def _read(path: Path) -> tuple[Recipe, ...]:
    """The recipes of a TOML file: tables by task and name, each with what differs from the recipe it is `like`."""
    known: dict[str, Recipe] = {}
    for task, tables in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for name, table in tables.items():
            like = table.pop("like", None)
            base = known[like] if like else Recipe(task, name, ModelConfig(task, table["model"]["vocabulary"]))
            base = replace(base, task=task, name=name, model=replace(base.model, task=task))
            base = replace(base, kind=table.pop("kind", base.kind))
            if isinstance(table.get("curriculum"), dict):
                base = replace(base, curriculum=Curriculum())
            known[f"{task}-{name}"] = overrides.replaced(base, overrides.flat(table))
    return tuple(known.values())


RECIPES = _read(Path(__file__).with_suffix(".toml"))


def offered() -> tuple[Recipe, ...]:
    """The recipes here, and those that tasks declare themselves."""
    return (*RECIPES, *(recipe for name in tasks.names() for recipe in tasks.get(name).training.recipes()))


def get(task: str, name: str) -> Recipe:
    """A recipe by task and name.

    Raises:
        InputError: If there is none.
    """
    for recipe in offered():
        if (recipe.task, recipe.name) == (task, name):
            return recipe
    known = ", ".join(f"{r.task} {r.name}" for r in offered())
    raise InputError(f"there is no recipe {name!r:.40} for {task!r:.40}; there are: {known}")


def varied(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with some settings replaced, for ablations.

    Args:
        recipe: The recipe; it keeps its task and name.
        changes: Value by dotted field, in types that JSON has: {"model.gate_bias": None, "difficulty": [1, 3]}.

    Raises:
        InputError: If a field is unknown, a value is not allowed, or the settings do not fit each other.
    """
    for name in ("task", "name", "model.task", "model.attention"):
        if name in changes:
            raise InputError(f"{name} cannot be set: that would be another recipe")
    if not changes:
        return recipe
    changed = overrides.replaced(recipe, {_named_now(name): value for name, value in changes.items()})
    check(changed)
    return changed


def _named_now(name: str) -> str:
    """A dotted field by the name that it has now."""
    head, _, field = name.rpartition("model.")
    return f"model.{FORMER[field]}" if not head and field in FORMER else name


def check(recipe: Recipe) -> None:
    """Whether a recipe can be trained as its settings say.

    Raises:
        InputError: If a number is out of range, or a setting would have no effect or need another one.
    """
    model, task = recipe.model, tasks.get(recipe.task)
    for name in ("batches", "batch_size", "validate_every"):
        _within(name, getattr(recipe, name), 1, overrides.MAX_COUNT)
    _within("batch_size", recipe.batch_size, 2, 100_000)
    for name, low, high in (("warmup", 0, 1), ("alpha", 0, 1), ("weight_decay", 0, 1e3), ("clip", 1e-9, 1e9)):
        _within(name, getattr(recipe, name), low, high)
    _within("learning_rate", recipe.learning_rate, 1e-12, 1e3)
    for name, least, most in (("difficulty", 1, 300), ("steps", 1, 10_000), ("nodes", 2, 300)):
        low, high = getattr(recipe, name)
        if not least <= low <= high <= most:
            raise InputError(f"{name} should rise within {least} to {most} (got {[low, high]})")
    _within("parts", recipe.parts, 1, recipe.batch_size)
    for difficulty in recipe.validation:
        _within("validation", difficulty, 1, 300)
    if recipe.samples is not None:
        _within("samples", recipe.samples, recipe.batch_size, 10_000_000)
    elif task.training.lesson is not None and recipe.data not in task.training.fresh:
        raise InputError(
            f"data={recipe.data} of {task.words.nouns} needs samples: they are drawn once, not afresh for every batch"
        )
    if recipe.curriculum is not None:
        _within("curriculum.start", recipe.curriculum.start, *recipe.difficulty)
        _within("curriculum.memory", recipe.curriculum.memory, 0, 1)
    if model.state_noise and not model.state_norm:
        raise InputError(
            f"model.state_norm=false leaves the state noise of {model.state_noise:g} without the norm that gives it "
            "its scale; set model.state_noise=0 as well"
        )
    if not model.reads_nodes and recipe.supervision == "node":
        raise InputError(f"supervision=node needs a readout at every node, and model.readout={model.readout} has none")
    if model.attention == "edges" and model.bracket_bias:
        raise InputError("model.bracket_bias is for full attention; along edges it would have no effect")
    needed = task.training.vocabulary(model, recipe.data)
    if model.vocabulary < needed:
        raise InputError(f"model.vocabulary should be at least {needed} here (got {model.vocabulary})")


def _within(name: str, number: float, low: float, high: float) -> None:
    if not low <= number <= high:
        raise InputError(f"{name} should be from {low:g} to {high:g} (got {number:g})")
