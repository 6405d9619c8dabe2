"""What is looked for in the states of each task: the concept, where it is fitted and where it is tried."""

from __future__ import annotations

import numpy as np

from depthscope.core import tasks
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks.spec import Concept

__all__ = ["Concept"]


def concept_of(task: str, name: str | None = None) -> Concept:
    """The concept of a task.

    Raises:
        InputError: If there is no such task, or it has no concept of that name.
    """
    concept = tasks.get(task).concept
    if name not in (None, concept.name):
        raise InputError(f"the concept of the task {task} is {concept.name!r} (got {name!r:.60})")
    return concept


def concept_for(config: ModelConfig, name: str | None = None) -> Concept:
    """The concept of a task as a model meets it.

    Raises:
        InputError: As `concept_of`.
    """
    return tasks.get(config.task).reading.concept_for(concept_of(config.task, name), config)


def data_for(config: ModelConfig) -> str:
    """The data that probes of a model are fitted on: audited, or the paper's where the model cannot read that."""
    return tasks.get(config.task).reading.data_for(config)


def final(concept: Concept, encoding: Encoding) -> np.ndarray:
    """Value of the concept at each node in the end, (n,) int16."""
    if concept.values:
        never = tasks.get(concept.task).before
        return np.where(encoding.true_from == NEVER, never, encoding.value).astype(np.int16)
    return ((encoding.value == 1) & (encoding.true_from != NEVER)).astype(np.int16)


def labels(concept: Concept, encoding: Encoding, steps: int) -> np.ndarray:
    """What a probe is asked to say after each of the steps 0..T, (T+1, n).

    Bool, whether a wave that spreads has arrived by then; else the final value, the same at every step: bool, or int16
    where it has several.
    """
    if concept.spreads:
        t = np.arange(steps + 1)[:, None]
        return t >= encoding.true_from.astype(np.int64)[None] * concept.pace
    value = final(concept, encoding)
    return np.tile(value if concept.values else value == 1, (steps + 1, 1))


def in_fitted_range(concept: Concept, encoding: Encoding) -> np.ndarray:
    """Whether probes are fitted on a node, (n,) bool.

    In a graph or text some nodes lie farther away than the target; without them the distances that a probe was fitted
    on are known exactly: 0 to the greatest fitted difficulty, and infinity.
    """
    near = (encoding.true_from <= max(concept.fitted)) | (encoding.true_from == NEVER)
    return encoding.carries & near


def parts(concept: Concept, encoding: Encoding) -> dict[str, np.ndarray]:
    """The nodes of an encoding on which scores are reported apart from all others: name to (n,) bool."""
    return tasks.get(concept.task).reading.parts(concept, encoding)


def features(concept: Concept, encoding: Encoding, config: ModelConfig) -> np.ndarray:
    """What can be said of each node without any thinking, (n, f) float64."""
    own = tasks.get(concept.task).reading.features
    if own is not None:
        return own(encoding)
    return np.column_stack([np.eye(config.vocabulary)[encoding.token_ids], np.arange(encoding.n_nodes)])


def identities(concept: Concept, encoding: Encoding, config: ModelConfig) -> np.ndarray:
    """What tells nodes apart before the first step, for the labels of the control task, (n, k) int64.

    The name where nodes have names; else what the task says.
    """
    if config.identity == "random":  # a vector for each index, the same in every instance
        return np.arange(encoding.n_nodes)[:, None]
    if config.identity == "vocabulary":
        return encoding.token_ids[:, None]
    return tasks.get(concept.task).reading.identities(encoding)
