"""How models that read graphs are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Lesson
from depthscope.core.tasks import SPLITS
from depthscope.core.tasks.graph import generate
from depthscope.core.tasks.spec import Training

if TYPE_CHECKING:
    from depthscope.core.training.recipes import Recipe

NAMED, EDGES, NODES = 27, 4, 2
"""Rows of the embedding that graphs need: with names, as the tokens of their edges, and as nodes without a name."""


def lesson(
    recipe: Recipe,
    rng: np.random.Generator,
    hops: np.ndarray,
    split: str,
    nodes: tuple[int, int] | None = None,
    extra: np.ndarray | None = None,
) -> Lesson:
    """A batch; validated are graphs of audited data, whatever the recipe is trained on."""
    n_nodes = None if nodes is None else rng.integers(nodes[0], nodes[1] + 1, len(hops))
    data = recipe.data if split == "train" else "audited"
    return _lesson(generate.draw(rng, hops, data, n_nodes), rng, recipe.model)


def training_set(recipe: Recipe, seed: int) -> tuple[Lesson, np.ndarray]:
    """The graphs of a recipe that draws them once, and their hops."""
    (low, high), count = recipe.difficulty, recipe.samples
    rng = np.random.default_rng([SPLITS["train"], seed, 1 << 41])
    hops = rng.integers(low, high + 1, count)
    n_nodes = rng.integers(recipe.nodes[0], recipe.nodes[1] + 1, count)
    arrays = generate.draw(rng, hops, recipe.data, np.maximum(n_nodes, high + 2))
    return _lesson(arrays, rng, recipe.model), hops


def _lesson(arrays: generate.GraphArrays, rng: np.random.Generator, model: ModelConfig) -> Lesson:
    if model.attention == "full":
        return generate.token_lesson(arrays, rng)
    return generate.lesson(arrays, named=model.identity == "vocabulary")


def vocabulary(model: ModelConfig, data: str) -> int:
    """Rows of the embedding that a model needs."""
    if model.attention == "full":
        return EDGES
    return NAMED if model.identity == "vocabulary" else NODES


TRAINING = Training(
    lesson=lesson, training_set=training_set, vocabulary=vocabulary, validation_count=400, marks_ends=True
)
