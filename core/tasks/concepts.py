"""What is looked for in the states of each task: the concept, where it is fitted and where it is tried."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import MAX_OFFSET, NEVER, SOURCE, Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks.graph import instance as graph_instance
from depthscope.core.tasks.logic import instance as logic_formula
from depthscope.core.tasks.logic.instance import VOCABULARY, XOR, F, T
from depthscope.core.tasks.text import instance as text_instance
from depthscope.core.tasks.text.generate import REACH
from depthscope.core.tasks.text.instance import FIRST_RELATION, OFFSETS

NOT_JOINED = MAX_OFFSET + 1
"""Value of the offset of people whom no facts join to the one asked about."""


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
        values: Its values where it has several; none if it is true or false.
        pace: Steps that one hop takes.
    """

    task: str
    name: str
    meaning: str
    unit: str
    fitted: tuple[int, ...]
    harder: int
    values: tuple[int, ...] = ()
    pace: int = 1


MOST_OF_TWENTY = 7
"""Longest chain whose texts speak of no more than the paper's twenty people."""

CONCEPTS = {
    c.task: c
    for c in (
        Concept("graph", graph_instance.CONCEPT, "reached within t", "hops", (1, 2, 3, 4, 5), 12),
        Concept("logic", logic_formula.CONCEPT, "value of the subformula", "depth", (1, 2, 3, 4, 5, 6), 8),
        Concept(
            "text",
            text_instance.CONCEPT,
            "true offset",
            "facts",
            (1, 2, 3, 4, 5),
            10,
            values=(*range(-REACH, REACH + 1), NOT_JOINED),
        ),
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


def concept_for(config: ModelConfig, name: str | None = None) -> Concept:
    """The concept of a task as a model meets it: over the tokens of a graph a hop takes two steps.

    A text of 10 facts names more people than the twenty whom some models know; those are tried on fewer facts.

    Raises:
        InputError: If the task has none, or none of that name.
    """
    concept = concept_of(config.task, name)
    if config.task == "graph" and config.attention == "full":
        return replace(concept, meaning="reached within t/2", pace=2)
    if config.task == "text" and config.identity == "vocabulary":
        return replace(concept, harder=MOST_OF_TWENTY)
    return concept


def data_for(config: ModelConfig) -> str:
    """The data that probes of a model are fitted on: audited, or the paper's where the model does not know ^.

    Written without ^, audited formulas would grow to thousands of tokens.
    """
    return "paper" if config.task == "logic" and config.vocabulary <= XOR else "audited"


def final(concept: Concept, encoding: Encoding) -> np.ndarray:
    """Value of the concept at each node in the end, (n,) int16."""
    if concept.values:
        return np.where(encoding.true_from == NEVER, NOT_JOINED, encoding.value).astype(np.int16)
    return ((encoding.value == 1) & (encoding.true_from != NEVER)).astype(np.int16)


def labels(concept: Concept, encoding: Encoding, steps: int) -> np.ndarray:
    """What a probe is asked to say after each of the steps 0..T, (T+1, n).

    Graph: bool, whether the node is reached within as many hops. Logic: bool, the subformula's value. Text: int16, the
    person's offset, or NOT_JOINED. The last two are the same at every step.
    """
    if concept.task == "graph":
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
    """The nodes of an encoding on which scores are reported apart from all others: name to (n,) bool.

    Graph and text: those at distances that no probe was fitted on. Logic: operators and [CLS], since an atom shows its
    value.
    """
    has = encoding.carries
    if concept.task != "logic":
        return {"unseen": has & (encoding.true_from > max(concept.fitted)) & (encoding.true_from != NEVER)}
    return {"operators": has & ~np.isin(encoding.token_ids, (T, F))}


def features(concept: Concept, encoding: Encoding) -> np.ndarray:
    """What can be said of each node without any thinking, (n, f) float64.

    Graph: in-degree, out-degree, whether it is the source, and over tokens the kind of token. Logic: one column a kind
    of token, its place, its level in the tree or its bracket depth. Text: subject or object, one column a relation of
    its fact, mentions of the person, whether it is the person asked about, its place.
    """
    n = encoding.n_nodes
    if concept.task == "graph":
        kinds = (
            np.eye(encoding.token_ids.max() + 1)[encoding.token_ids]
            if encoding.edge_index is None
            else np.empty((n, 0))
        )
        return np.column_stack([*_degrees(encoding), _is_source(encoding), kinds]).astype(np.float64)
    if concept.task == "text":
        said = _mentions(encoding)
        relations = said[:, 1, None] == np.arange(len(OFFSETS) + 1)
        return np.column_stack([said[:, 0], relations, said[:, 2:], np.arange(n)]).astype(np.float64)
    kind = np.eye(len(VOCABULARY))[encoding.token_ids]
    return np.column_stack([kind, np.arange(n), _level(encoding)])


def identities(concept: Concept, encoding: Encoding, config: ModelConfig) -> np.ndarray:
    """What tells nodes apart before the first step, for the labels of the control task, (n, k) int64.

    The name where nodes have names; else the plain features of a graph's node or a text's mention but its place, the
    kind and level of a formula's.
    """
    if config.identity == "random":  # a vector for each index, the same in every instance
        return np.arange(encoding.n_nodes)[:, None]
    if config.identity == "vocabulary":
        return encoding.token_ids[:, None]
    if concept.task == "graph":
        return features(concept, encoding).astype(np.int64)
    if concept.task == "text":
        return _mentions(encoding)
    return np.column_stack([encoding.token_ids, _level(encoding)])


def _is_source(encoding: Encoding) -> np.ndarray:
    """Whether a node is the source, or names it, (n,) bool."""
    if encoding.entity is None:
        return (encoding.roles & SOURCE) > 0
    return (encoding.entity == encoding.entity[encoding.source]) & (encoding.entity > 0)


def _degrees(encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """In-degree and out-degree of each node, or of the node that a token names; self-loops not counted."""
    n, edges = encoding.n_nodes, encoding.edge_index
    if edges is None:  # source, target, then the two ends of every edge
        tail, head = encoding.subformula[2:].reshape(-1, 2).T
        most = int(encoding.subformula.max()) + 1
        counts = np.bincount(head, minlength=most), np.bincount(tail, minlength=most)
        return counts[0][encoding.subformula], counts[1][encoding.subformula]
    query, key = edges[:, edges[0] != edges[1]]  # a query attends to where its edges come from
    return np.bincount(query, minlength=n), np.bincount(key, minlength=n)


def _mentions(encoding: Encoding) -> np.ndarray:
    """Of each mention in a text: object or subject, relation of its sentence, mentions, is asked about, (n, 4) int64.

    Other tokens are 0 throughout.
    """
    out = np.zeros((encoding.n_nodes, 4), dtype=np.int64)
    mention = np.flatnonzero(encoding.carries)
    word = np.flatnonzero(~encoding.carries & (encoding.token_ids >= FIRST_RELATION))
    relation = encoding.token_ids[word] - FIRST_RELATION
    relation = relation[relation < len(OFFSETS)]  # one a sentence, between its subject and its object
    hidden = len(mention) // 2 - len(relation)  # the question's, the last, where the states do not see it
    relation = np.pad(relation, (0, hidden), constant_values=-1)
    person = encoding.subformula[mention]
    out[mention, 0] = np.arange(len(mention)) % 2
    out[mention, 1] = 1 + np.repeat(relation, 2)
    out[mention, 2] = np.bincount(person)[person]
    out[mention, 3] = _is_source(encoding)[mention]
    return out


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
