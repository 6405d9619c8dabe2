"""What a recipe trains and validates on: batch number in, lesson out, the same for the same seed.

Every batch has random numbers of its own, so that a run can go on at any batch as if it had never stopped.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from depthscope.core import tasks
from depthscope.core.encoding import NOTHING, Lesson, collate
from depthscope.core.tasks.graph import generate as graph_data
from depthscope.core.tasks.graph.generate import SPLITS
from depthscope.core.tasks.logic import encode as logic, generate as logic_data, left_to_right
from depthscope.core.tasks.text import encode as text_encoding, generate as text_data
from depthscope.core.training.recipes import Recipe

VALIDATION_COUNT = {"graph": 400, "logic": 200, "text": 400}
"""Instances of each difficulty in a validation: 200 pairs of twins, or 200 formulas."""


class Lessons:
    """The lessons of one training run.

    Args:
        recipe: What is trained.
        seed: Of the run.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe, self.seed = recipe, seed

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
        return self._fresh(rng, difficulty, "train", recipe.nodes, extra), steps, top

    def _fresh(
        self,
        rng: np.random.Generator,
        difficulty: np.ndarray,
        split: str,
        nodes: tuple[int, int] | None,
        extra: np.ndarray | None = None,
    ) -> Lesson:
        recipe, model = self.recipe, self.recipe.model
        if recipe.task == "graph":
            n_nodes = None if nodes is None else rng.integers(nodes[0], nodes[1] + 1, len(difficulty))
            return self._graphs(graph_data.draw(rng, difficulty, recipe.data, n_nodes), rng)
        if recipe.task == "text":
            how = (recipe.drift, recipe.turns, recipe.either_way)
            arrays = text_data.draw(rng, difficulty, recipe.data, extra, *how)
            return text_encoding.lesson(arrays, model)
        formulas = logic_data.draw(rng, difficulty, split, extra)
        if model.attention == "none":
            return left_to_right.read_lesson(formulas)
        return logic_data.tree_lesson(formulas) if model.attention == "edges" else logic_data.token_lesson(formulas)

    def _graphs(self, arrays: graph_data.GraphArrays, rng: np.random.Generator) -> Lesson:
        model = self.recipe.model
        if model.attention == "full":
            return graph_data.token_lesson(arrays, rng)
        return graph_data.lesson(arrays, named=model.identity == "vocabulary")

    @cached_property
    def _set(self) -> tuple[Lesson, np.ndarray]:
        """The paper's training set, drawn once, and the difficulty of each of its instances."""
        recipe, count = self.recipe, self.recipe.samples or 0
        low, high = recipe.difficulty
        if recipe.task == "graph":
            rng = np.random.default_rng([SPLITS["train"], self.seed, 1 << 41])
            hops = rng.integers(low, high + 1, count)
            n_nodes = rng.integers(recipe.nodes[0], recipe.nodes[1] + 1, count)
            arrays = graph_data.draw(rng, hops, recipe.data, np.maximum(n_nodes, high + 2))
            return self._graphs(arrays, rng), hops
        if recipe.task == "text":
            rng = np.random.default_rng([SPLITS["train"], self.seed, 1 << 41])
            chain = np.repeat(rng.integers(low, high + 1, count // 2), 2)
            arrays = text_data.draw(rng, chain, recipe.data, either_way=recipe.either_way)
            return text_encoding.lesson(arrays, recipe.model), chain
        each = count // (high - low + 1)
        formulas = [
            formula
            for depth in range(low, high + 1)
            for formula in logic.generate(depth, each, data=recipe.data, seed=self.seed, split="train")
        ]
        return _formulas_as_lesson(formulas, recipe), np.repeat(np.arange(low, high + 1), each)

    @cached_property
    def validation(self) -> dict[int, Lesson]:
        """Instances of each difficulty of the validation; no training batch and no test holds them."""
        recipe = self.recipe
        out = {}
        for difficulty in recipe.validation:
            rng = np.random.default_rng([SPLITS["validation"], self.seed, difficulty])
            count = VALIDATION_COUNT[recipe.task]
            many = np.full(count, difficulty)
            if recipe.task == "graph":
                out[difficulty] = self._graphs(graph_data.draw(rng, many, "audited"), rng)
            elif recipe.task == "text":
                out[difficulty] = text_encoding.lesson(text_data.draw(rng, many, recipe.data), recipe.model)
            elif recipe.data == "paper":
                drawn = logic.generate(difficulty, count, data="paper", seed=self.seed, split="validation")
                out[difficulty] = _formulas_as_lesson(drawn, recipe)
            else:
                out[difficulty] = self._fresh(rng, many, "validation", None)
        return out

    def validation_steps(self, difficulty: int) -> int:
        """T of the validation at a difficulty: the task's own, no more than the paper's rows."""
        model = self.recipe.model
        steps = tasks.default_steps(self.recipe.task, difficulty, model.attention)
        return min(steps, model.depth_embedding or steps)


def _formulas_as_lesson(formulas: list[logic.LogicInstance], recipe: Recipe) -> Lesson:
    encodings = [logic.encode(formula, recipe.model) for formula in formulas]
    batch = collate(encodings)
    n = batch.token_ids.shape[1]
    pad = lambda name, fill: torch.from_numpy(  # noqa: E731
        np.stack(
            [np.pad(getattr(e, name).astype(np.int64), (0, n - e.n_nodes), constant_values=fill) for e in encodings]
        )
    )
    label = torch.tensor([formula.label for formula in formulas])
    return Lesson(batch, label, pad("value", NOTHING), pad("true_from", 0), pad("known_from", 0))
