"""What probes look for in the states of a model that reads formulas, and what they are compared with."""

from __future__ import annotations

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Encoding
from depthscope.core.tasks.logic.encode import as_given
from depthscope.core.tasks.logic.instance import CONCEPT, NAME, VOCABULARY, XOR, F, LogicInstance, T
from depthscope.core.tasks.spec import Concept, Reading


def data_for(config: ModelConfig) -> str:
    """Audited data, or the paper's where ^ is not known.

    Written without ^, audited formulas would grow to thousands of tokens.
    """
    return "paper" if config.vocabulary <= XOR else "audited"


def features(encoding: Encoding) -> np.ndarray:
    """One column a kind of token, its place, its level in the tree or its bracket depth, (n, f) float64."""
    kind = np.eye(len(VOCABULARY))[encoding.token_ids]
    return np.column_stack([kind, np.arange(encoding.n_nodes), _level(encoding)])


def identities(encoding: Encoding) -> np.ndarray:
    """Kind and level, (n, 2) int64."""
    return np.column_stack([encoding.token_ids, _level(encoding)])


def computed(encoding: Encoding) -> np.ndarray:
    """Operators and [CLS], since an atom shows its value, (n,) bool."""
    return encoding.carries & ~np.isin(encoding.token_ids, (T, F))


def parts(concept: Concept, encoding: Encoding) -> dict[str, np.ndarray]:
    """What is computed is reported apart."""
    return {"operators": computed(encoding)}


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


def orders(instance: LogicInstance, encoding: Encoding, config: ModelConfig) -> dict[str, np.ndarray]:
    """Height above the atoms (bottom-up), kappa of the subformula, level below the root (top-down).

    For a model that reads token by token the place at which the value is certain.
    """
    if config.attention == "none":
        return {"place": np.where(encoding.carries, encoding.known_from, -1)}
    formula = as_given(instance, config)
    height = np.zeros(formula.n_subformulas, dtype=np.int64)
    for i in formula.bottom_up:
        height[i] = max((1 + height[c] for c in formula.children(i)), default=0)
    which = np.where(encoding.instance_node >= 0, encoding.instance_node, formula.root)  # [CLS] speaks of the whole
    far = {"height": height, "kappa": formula.decided_from, "level": formula.level}
    return {name: np.where(encoding.carries, values[which], -1).astype(np.int64) for name, values in far.items()}


READING = Reading(
    Concept(NAME, CONCEPT, "value of the subformula", "depth", (1, 2, 3, 4, 5, 6), 8, span="depth {}"),
    data_for=data_for,
    features=features,
    identities=identities,
    parts=parts,
    computed=computed,
    orders=orders,
)
