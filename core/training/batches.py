"""What a recipe trains and validates on: batch number in, lesson out, the same for the same seed.

Every batch has random numbers of its own, so that a run can go on at any batch as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from depthscope.core import tasks
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NOTHING, Lesson, collate, padded
from depthscope.core.tasks import SPLITS
from depthscope.core.tasks.spec import Task
from depthscope.core.training.recipes import Recipe


def validation_count(task: Task) -> int:
    """Instances of each difficulty in a validation."""
    return task.training.validation_count


class Lessons:
    """The lessons of one training run.

    Args:
        recipe: What is trained.
        seed: Of the run.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe, self.seed, self.task = recipe, seed, tasks.get(recipe.task)

    def draw(self, index: int, level: int) -> tuple[Lesson, int, int]:
        """The lesson of one batch.

        Args:
            index: Number of the batch.
            level: Greatest difficulty at present (curriculum).

        Returns:
            The lesson, T, and the greatest difficulty in it.
        """
        recipe = self.recipe
        rng = np.random.default_rng([SPLITS["train"], self.seed, index])
        steps = int(rng.integers(recipe.steps[0], recipe.steps[1] + 1))
        if recipe.samples is not None and recipe.curriculum is None:
            per_epoch = recipe.samples // recipe.batch_size
            order = np.random.default_rng([SPLITS["train"], self.seed, 1 << 40, index // per_epoch])
            rows = order.permutation(recipe.samples)[index % per_epoch * recipe.batch_size :][: recipe.batch_size]
            return self._set[0].take(torch.from_numpy(rows)), steps, recipe.difficulty[1]
        top = level
        if recipe.curriculum is not None and index % 2 == 0:  # every second batch repeats an easier level
            top = int(rng.integers(recipe.difficulty[0], level + 1))
        low = max(recipe.difficulty[0], top - 1) if recipe.curriculum is not None else recipe.difficulty[0]
        if recipe.samples is not None:
            lesson, difficulty = self._set
            rows = rng.choice(np.flatnonzero((low <= difficulty) & (difficulty <= top)), recipe.batch_size)
            return lesson.take(torch.from_numpy(rows)), steps, top
        difficulty = rng.integers(low, top + 1, recipe.batch_size)
        extra = None
        if recipe.extra is not None and index >= recipe.extra_from:
            extra = rng.integers(recipe.extra[0], recipe.extra[1] + 1, len(difficulty))
        return self._drawn(rng, difficulty, "train", recipe.nodes, extra), steps, top

    def _drawn(
        self,
        rng: np.random.Generator,
        difficulty: np.ndarray,
        split: str,
        nodes: tuple[int, int] | None = None,
        extra: np.ndarray | None = None,
    ) -> Lesson:
        """A lesson of instances of these difficulties, by the task's own way or from its generator."""
        recipe, how = self.recipe, self.task.training
        if how.lesson is not None and recipe.data in how.fresh:
            return how.lesson(recipe, rng, difficulty, split, nodes, extra)
        seed = self.seed if split == "validation" else int(rng.integers(1 << 31))
        levels, counts = np.unique(difficulty, return_counts=True)
        return self._generated(dict(zip(levels.tolist(), counts.tolist(), strict=True)), seed, split)

    def _generated(self, counts: Mapping[int, int], seed: int, split: str) -> Lesson:
        """A lesson of so many instances of each difficulty."""
        task, data = self.task, self.recipe.data
        drawn = [x for level, count in counts.items() for x in task.generate(level, count, data, seed, split)]
        return lesson_of(drawn, task, self.recipe.model)

    @cached_property
    def _set(self) -> tuple[Lesson, np.ndarray]:
        """The training set of a recipe that draws it once, and the difficulty of each of its instances."""
        recipe, (low, high) = self.recipe, self.recipe.difficulty
        if self.task.training.training_set is not None:
            return self.task.training.training_set(recipe, self.seed)
        each = (recipe.samples or 0) // (high - low + 1)
        counts = dict.fromkeys(range(low, high + 1), each)
        return self._generated(counts, self.seed, "train"), np.repeat(np.arange(low, high + 1), each)

    @cached_property
    def validation(self) -> dict[int, Lesson]:
        """Instances of each difficulty of the validation; no training batch and no test holds them."""
        out = {}
        for difficulty in self.recipe.validation:
            rng = np.random.default_rng([SPLITS["validation"], self.seed, difficulty])
            many = np.full(validation_count(self.task), difficulty)
            out[difficulty] = self._drawn(rng, many, "validation")
        return out

    def validation_steps(self, difficulty: int) -> int:
        """T of the validation at a difficulty: the task's own, no more than the paper's rows."""
        model = self.recipe.model
        steps = self.task.default_steps(difficulty, model.attention)
        return min(steps, model.depth_embedding or steps)


def lesson_of(instances: Sequence[Any], task: Task, config: ModelConfig) -> Lesson:
    """Any instances as a lesson, from their encodings."""
    encodings = [task.encode(instance, config) for instance in instances]
    batch = collate(encodings)
    label = torch.tensor([instance.label for instance in instances])
    fills = {"value": NOTHING, "true_from": 0, "known_from": 0}
    columns = {k: padded([getattr(e, k) for e in encodings], batch.n_nodes, fill) for k, fill in fills.items()}
    return Lesson(batch, label, **columns)
