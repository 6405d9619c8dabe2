"""The facts of a text as an interface shows them, and the chain between the two people who are asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.tasks.paths import Routes
from depthscope.core.tasks.text.encode import lay
from depthscope.core.tasks.text.instance import FIRST_RELATION, RELATIONS, TextInstance
from depthscope.core.tasks.text.twin import chain


def paths(instance: TextInstance, encoding: Encoding) -> Routes:
    """What joins the mentions of a fact and those of a person, and the chain between the two who are asked about."""
    f = len(instance.facts)
    words = encoding.edge_index is None
    plain = np.zeros((1, instance.n_names), dtype=np.int64)
    layout = lay(instance.facts[None], np.array([f]), np.array([instance.query]), plain, words=words)
    sentence, person = layout.sentence[0], layout.person[0]
    distance, on = instance.distance, np.zeros(f + 1, dtype=bool)
    if instance.label is not None:
        on[chain(instance)] = True
    hop = np.where(on[:f], distance[instance.facts[:, [0, 2]]].max(1), NEVER)
    relation = np.isin(encoding.token_ids, np.arange(FIRST_RELATION, FIRST_RELATION + len(RELATIONS)))
    content = (person >= 0) | relation
    same = (sentence[:, None] == sentence[None]) & (sentence >= 0)[:, None] & ~np.eye(len(sentence), dtype=bool)
    same &= (sentence < f)[:, None]
    inside = np.stack(np.nonzero(same & content[:, None] & content[None]))
    equal = (person[:, None] == person[None]) & (person >= 0)[:, None] & ~np.eye(len(person), dtype=bool)
    equal &= ~same
    joint = np.stack(np.nonzero(equal))
    on[f] = on.any()  # the question's own two mentions are the ends of the chain
    walked = np.zeros(instance.n_names, dtype=bool)
    walked[instance.facts[on[:f]][:, [0, 2]]] = True
    both = on[sentence[joint]].all(0) & walked[person[joint[0]]]
    span = np.stack(np.nonzero(same))
    return Routes(
        np.concatenate([inside, joint], axis=1),
        np.concatenate([hop[sentence[inside[0]]], np.where(both, np.maximum(distance[person[joint[0]]], 1), NEVER)]),
        hop,
        span,
        sentence[span[0]],
        _cuts(instance, np.flatnonzero(on[:f])),
    )


def _cuts(instance: TextInstance, on: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Each fact of the chain without which nothing joins the two people; none where there is another way round."""
    cuts = []
    for row in on.tolist():
        without = replace(instance, facts=np.delete(instance.facts, row, axis=0))
        if without.distance[instance.query[2]] < 0:
            cuts.append((row,))
    return tuple(cuts)
