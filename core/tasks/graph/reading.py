"""What probes look for in the states of a model that reads graphs, and what they are compared with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.tasks.graph.instance import CONCEPT, NAME, GraphInstance
from depthscope.core.tasks.spec import Concept, Reading


def concept_for(concept: Concept, config: ModelConfig) -> Concept:
    """The concept as a model meets it: over tokens a hop takes two steps."""
    return replace(concept, meaning="reached within t/2", pace=2) if config.attention == "full" else concept


def features(encoding: Encoding) -> np.ndarray:
    """In-degree, out-degree, whether it is the source, and over tokens the kind of token, (n, f) float64."""
    kinds = np.empty((encoding.n_nodes, 0))
    if encoding.edge_index is None:
        kinds = np.eye(encoding.token_ids.max() + 1)[encoding.token_ids]
    return np.column_stack([*_degrees(encoding), encoding.is_source, kinds]).astype(np.float64)


def identities(encoding: Encoding) -> np.ndarray:
    """The plain features of each node, (n, k) int64."""
    return features(encoding).astype(np.int64)


def _degrees(encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """In-degree and out-degree of each node, or of the node that a token names; self-loops not counted."""
    n, edges = encoding.n_nodes, encoding.edge_index
    if edges is None:  # source, target, then the two ends of every edge
        tail, head = encoding.instance_node[2:].reshape(-1, 2).T
        most = int(encoding.instance_node.max()) + 1
        counts = np.bincount(head, minlength=most), np.bincount(tail, minlength=most)
        return counts[0][encoding.instance_node], counts[1][encoding.instance_node]
    query, key = edges[:, edges[0] != edges[1]]  # a query attends to where its edges come from
    return np.bincount(query, minlength=n), np.bincount(key, minlength=n)


def orders(instance: GraphInstance, encoding: Encoding, config: ModelConfig) -> dict[str, np.ndarray]:
    """Hops from the source."""
    near = encoding.carries & (encoding.true_from != NEVER)
    return {"distance": np.where(near, encoding.true_from, -1)}


READING = Reading(
    Concept(
        NAME, CONCEPT, "reached within t", "hops", (1, 2, 3, 4, 5), 12, spreads=True, span="{} hops"
    ),
    concept_for=concept_for,
    features=features,
    identities=identities,
    orders=orders,
)  # fmt: skip
