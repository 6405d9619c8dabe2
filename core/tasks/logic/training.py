"""How models that read formulas are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Lesson
from depthscope.core.tasks.logic import generate, left_to_right
from depthscope.core.tasks.logic.instance import VOCABULARY
from depthscope.core.tasks.spec import Training

if TYPE_CHECKING:
    from depthscope.core.training.recipes import Recipe


def lesson(
    recipe: Recipe,
    rng: np.random.Generator,
    depth: np.ndarray,
    split: str,
    nodes: tuple[int, int] | None = None,
    extra: np.ndarray | None = None,
) -> Lesson:
    """A batch of audited formulas."""
    formulas = generate.draw(rng, depth, split, extra)
    if recipe.model.attention == "none":
        return left_to_right.read_lesson(formulas)
    return generate.tree_lesson(formulas) if recipe.model.attention == "edges" else generate.token_lesson(formulas)


def vocabulary(model: ModelConfig, data: str) -> int:
    """Rows of the embedding that a model needs; the paper's formulas have no ^."""
    return len(VOCABULARY) - (data == "paper")


TRAINING = Training(
    lesson=lesson, fresh=("audited",), vocabulary=vocabulary, validation_count=200, answer_weight=0.5
)  # in a formula the whole has a weight of its own; elsewhere what is asked about is one node among many
