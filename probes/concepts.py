"""What is looked for in the states of each task: the concept, where it is fitted and where it is tried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.config import ModelConfig
from core.encoding import NEVER, SOURCE, Encoding
from core.errors import InputError
from core.tasks import graph_instance, logic_formula
from core.tasks.logic_formula import VOCABULARY, XOR, F, T


@dataclass(frozen=True)
class Concept:
    """An intermediate fact that the oracle knows for every node.

    Attributes:
        task: Task it belongs to.
        name: Name in the traces of the task.
        meaning: What a reading is the probability of.
        unit: What the difficulty counts.
        fitted: Difficulties that probes are fitted on.
        harder: Difficulty beyond them on which they are tried as well.
    """

    task: str
    name: str
    meaning: str
    unit: str
    fitted: tuple[int, ...]
    harder: int


CONCEPTS = {
    c.task: c
    for c in (
        Concept("graph", graph_instance.CONCEPT, "reached within t", "hops", (1, 2, 3, 4, 5), 12),
        Concept("logic", logic_formula.CONCEPT, "value of the subformula", "depth", (1, 2, 3, 4, 5, 6), 8),
    )
}


def concept_of(task: str, name: str | None = None) -> Concept:
    """The concept of a task.

    Raises:
        InputError: If the task has none, or none of that name.
    """
    if task not in CONCEPTS:
        raise InputError(f"there is no linear probe for the task {task!r}")
    concept = CONCEPTS[task]
    if name not in (None, concept.name):
        raise InputError(f"the concept of the task {task} is {concept.name!r} (got {name!r:.60})")
    return concept


def data_for(config: ModelConfig) -> str:
    """The data that probes of a model are fitted on: audited, or the paper's where the model does not know ^.

    Written without ^, audited formulas would grow to thousands of tokens.
    """
    return "paper" if config.task == "logic" and config.vocabulary <= XOR else "audited"


def in_fitted_range(concept: Concept, encoding: Encoding) -> np.ndarray:
    """Whether probes are fitted on a node, (n,) bool.

    In a graph of h hops some nodes lie farther away than the target; without them the distances that a graph probe was
    fitted on are known exactly: 0 to the greatest fitted difficulty, and infinity.
    """
    near = (encoding.true_from <= max(concept.fitted)) | (encoding.true_from == NEVER)
    return encoding.carries & near


def parts(concept: Concept, encoding: Encoding) -> dict[str, np.ndarray]:
    """The nodes of an encoding on which scores are reported apart from all others: name to (n,) bool.

    Graph: those at distances that no probe was fitted on. Logic: operators and [CLS], since an atom shows its value.
    """
    has = encoding.carries
    if concept.task == "graph":
        return {"unseen": has & (encoding.true_from > max(concept.fitted)) & (encoding.true_from != NEVER)}
    return {"operators": has & ~np.isin(encoding.token_ids, (T, F))}


def features(concept: Concept, encoding: Encoding) -> np.ndarray:
    """What can be said of each node without any thinking, (n, f) float64.

    Graph: in-degree, out-degree, whether it is the source. Logic: one column a kind of token, its place, its level in
    the tree or its bracket depth.
    """
    n = encoding.n_nodes
    if concept.task == "graph":
        is_source = (encoding.roles & SOURCE) > 0
        return np.column_stack([*_degrees(encoding), is_source]).astype(np.float64)
    kind = np.eye(len(VOCABULARY))[encoding.token_ids]
    return np.column_stack([kind, np.arange(n), _level(encoding)])


def identities(concept: Concept, encoding: Encoding, config: ModelConfig) -> np.ndarray:
    """What tells nodes apart before the first step, for the labels of the control task, (n, k) int64.

    The name where nodes have names; else the plain features of a graph's node, the kind and level of a formula's.
    """
    if config.identity == "random":  # a vector for each index, the same in every instance
        return np.arange(encoding.n_nodes)[:, None]
    if concept.task == "graph":
        if config.identity == "vocabulary":
            return encoding.token_ids[:, None]
        return features(concept, encoding).astype(np.int64)
    return np.column_stack([encoding.token_ids, _level(encoding)])


def _degrees(encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """In-degree and out-degree of each node, self-loops not counted."""
    n, edges = encoding.n_nodes, encoding.edge_index
    if edges is None:
        raise ValueError("an encoding without edges has no degrees")
    query, key = edges[:, edges[0] != edges[1]]  # a query attends to where its edges come from
    return np.bincount(query, minlength=n), np.bincount(key, minlength=n)


def _level(encoding: Encoding) -> np.ndarray:
    """Bracket depth of each token, or distance of each subformula from the root of the tree, (n,) int64."""
    if encoding.edge_index is None:
        return np.zeros(encoding.n_nodes, dtype=np.int64) if encoding.bracket is None else encoding.bracket
    parent = np.full(encoding.n_nodes, -1)
    query, key = encoding.edge_index[:, encoding.edge_index[0] != encoding.edge_index[1]]
    parent[key] = query
    level, above = np.zeros(encoding.n_nodes, dtype=np.int64), parent
    while (above >= 0).any():
        level += above >= 0
        above = np.where(above >= 0, parent[above], -1)
    return level
