"""What drawn nodes are called, and what the oracle's value at them means; plain text, escaped where it is drawn."""

from __future__ import annotations

import numpy as np

from depthscope.core.trace import Trace
from depthscope.figures.linked_views.drawn import drawing_of

MAX_LABEL = 200


def labels(trace: Trace, nodes: np.ndarray) -> list[str]:
    """Labels of nodes."""
    texts = drawing_of(trace).labels(trace.instance, trace.encoding)
    return [texts[i][:MAX_LABEL] for i in nodes]


def names(trace: Trace, nodes: np.ndarray) -> list[str | None] | None:
    """What a node stands for where its label does not say it."""
    texts = drawing_of(trace).names(trace.instance, trace.encoding)
    return None if texts is None else [texts[i] for i in nodes]


def meanings(trace: Trace, nodes: np.ndarray) -> list[str | None] | None:
    """What the oracle's value at a node says."""
    texts = drawing_of(trace).meanings(trace.instance, trace.encoding)
    return None if texts is None else [texts[i] for i in nodes]


def ghosts(trace: Trace, nodes: np.ndarray, instance_node: np.ndarray) -> dict[str, object]:
    """What ghosts stand for: names, mentions among the drawn nodes, hops from the source, and which are the ends."""
    instance, of = trace.instance, trace.encoding.instance_node[nodes]
    return {
        "labels": [instance.names[k][:MAX_LABEL] for k in instance_node],
        "mentions": [np.flatnonzero(of == k).tolist() for k in instance_node],
        "hops": instance.distance[instance_node].tolist(),
        "ends": np.searchsorted(instance_node, [instance.source, instance.target]).tolist(),
    }
