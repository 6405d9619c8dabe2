"""What probes look for in the states of a model that reads texts, and what they are compared with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.tasks.spec import Concept, Reading
from depthscope.core.tasks.text.generate import REACH
from depthscope.core.tasks.text.instance import CONCEPT, FIRST_RELATION, NAME, NOT_JOINED, OFFSETS, TextInstance

MOST_OF_TWENTY = 7
"""Longest chain whose texts speak of no more than the paper's twenty people."""


def concept_for(concept: Concept, config: ModelConfig) -> Concept:
    """The concept as a model meets it: one that knows twenty names is tried on fewer facts, which name fewer people."""
    return replace(concept, harder=MOST_OF_TWENTY) if config.identity == "vocabulary" else concept


def features(encoding: Encoding) -> np.ndarray:
    """Subject or object, one column a relation of its fact, mentions, is asked about, place, (n, f) float64."""
    mentions = _mentions(encoding)
    relations = mentions[:, 1, None] == np.arange(len(OFFSETS) + 1)
    return np.column_stack([mentions[:, 0], relations, mentions[:, 2:], np.arange(encoding.n_nodes)]).astype(np.float64)


def identities(encoding: Encoding) -> np.ndarray:
    """The plain features of each mention but its place, (n, 4) int64."""
    return _mentions(encoding)


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
    person = encoding.instance_node[mention]
    out[mention, 0] = np.arange(len(mention)) % 2
    out[mention, 1] = 1 + np.repeat(relation, 2)
    out[mention, 2] = np.bincount(person)[person]
    out[mention, 3] = encoding.is_source[mention]
    return out


def orders(instance: TextInstance, encoding: Encoding, config: ModelConfig) -> dict[str, np.ndarray]:
    """Facts from the queried person."""
    near = encoding.carries & (encoding.true_from != NEVER)
    return {"facts": np.where(near, encoding.true_from, -1)}


READING = Reading(
    Concept(
        NAME, CONCEPT, "true offset", "facts", (1, 2, 3, 4, 5), 10, (*range(-REACH, REACH + 1), NOT_JOINED),
        span="{} facts",
    ),
    concept_for=concept_for,
    features=features,
    identities=identities,
    orders=orders,
)  # fmt: skip
