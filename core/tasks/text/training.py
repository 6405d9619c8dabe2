"""How models that read texts are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from depthscope.core.encoding import Lesson
from depthscope.core.tasks import SPLITS
from depthscope.core.tasks.spec import Training
from depthscope.core.tasks.text import encode, generate
from depthscope.core.tasks.text.instance import VOCABULARY

if TYPE_CHECKING:
    from depthscope.core.training.recipes import Recipe


def lesson(
    recipe: Recipe,
    rng: np.random.Generator,
    chain: np.ndarray,
    split: str,
    nodes: tuple[int, int] | None = None,
    extra: np.ndarray | None = None,
) -> Lesson:
    """A batch; what shapes the chains of a training does not shape those of its validation."""
    if split != "train":
        return encode.lesson(generate.draw(rng, chain, recipe.data, extra), recipe.model)
    arrays = generate.draw(rng, chain, recipe.data, extra, recipe.drift, recipe.turns, recipe.either_way)
    return encode.lesson(arrays, recipe.model)


def training_set(recipe: Recipe, seed: int) -> tuple[Lesson, np.ndarray]:
    """The texts of a recipe that draws them once, and the lengths of their chains."""
    (low, high), count = recipe.difficulty, recipe.samples or 0
    rng = np.random.default_rng([SPLITS["train"], seed, 1 << 41])
    chain = np.repeat(rng.integers(low, high + 1, count // 2), 2)
    arrays = generate.draw(rng, chain, recipe.data, either_way=recipe.either_way)
    return encode.lesson(arrays, recipe.model), chain


TRAINING = Training(
    lesson=lesson,
    training_set=training_set,
    vocabulary=lambda model, data: len(VOCABULARY),
    validation_count=400,
    sums=True,
)
