"""The branches of a formula as an interface shows them, and those whose value decides the whole."""

from __future__ import annotations

import numpy as np

from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.tasks.logic.instance import LogicInstance
from depthscope.core.tasks.logic.twin import decides
from depthscope.core.tasks.paths import Routes


def paths(instance: LogicInstance, encoding: Encoding) -> Routes:
    """Every operator with each child, and those whose value decides the whole."""
    parent, deciding, known = instance.parent, decides(instance), instance.decided_from
    below = np.flatnonzero(parent >= 0)
    hop = np.where(deciding, known + 1, NEVER)  # a child's value can be passed on one step after it is known
    hop[instance.root] = NEVER
    cuts = tuple((int(i),) for i in below[deciding[below]])
    if encoding.edge_index is not None:
        pairs = np.stack([parent[below], below])
        return Routes(pairs, hop[below], hop, pairs, below, cuts)
    place = instance.position + 1
    pairs = np.stack([place[parent[below]], place[below]])
    cls = np.array([[encoding.answer], [place[instance.root]]])
    first, last = _spans(instance)
    spans = [
        np.stack([np.full(last[i] - first[i] + 1, place[parent[i]]), np.arange(first[i], last[i] + 1)])
        for i in below.tolist()
    ]
    return Routes(
        np.concatenate([pairs, cls], axis=1),
        np.append(hop[below], known[instance.root] + 1),
        hop,
        np.concatenate(spans, axis=1) if spans else np.zeros((2, 0), dtype=np.int64),
        np.repeat(below, [s.shape[1] for s in spans]) if spans else np.zeros(0, dtype=np.int64),
        cuts,
    )


def _spans(instance: LogicInstance) -> tuple[np.ndarray, np.ndarray]:
    """First and last token of each subformula among [CLS] and the tokens, (m,) each."""
    first, last = instance.position + 1, instance.position + 1
    for i in instance.bottom_up.tolist():
        a, b = int(instance.left[i]), int(instance.right[i])
        if b >= 0:  # in brackets
            first[i], last[i] = first[a] - 1, last[b] + 1
        elif a >= 0:
            last[i] = last[a]
    return first, last
