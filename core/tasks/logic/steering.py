"""What is steered in a formula, and what should follow."""

from __future__ import annotations

import numpy as np

from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.tasks.logic.instance import LogicInstance
from depthscope.core.tasks.steering import Place, nodes_of


def steering(instance: LogicInstance, encoding: Encoding, node: int) -> Place | None:
    """A subformula's value is turned; the operators above should turn as far as the value decides theirs."""
    mine = nodes_of(encoding, node)
    if instance.left[node] < 0 or not mine:  # an atom shows its value
        return None
    far, child, above = np.full(instance.n_subformulas, NEVER), node, int(instance.parent[node])
    while above >= 0 and instance.passes(child):
        far[above] = instance.level[node] - instance.level[above]
        child, above = above, int(instance.parent[above])
    has = encoding.instance_node >= 0
    by_node = np.where(has, far[np.maximum(encoding.instance_node, 0)], NEVER)
    if not has[encoding.answer] and far[instance.root] != NEVER:
        by_node[encoding.answer] = far[instance.root] + 1  # [CLS]
    by_node = np.where(encoding.carries, by_node, NEVER)
    value = int(instance.value[node])
    step = instance.first_decidable_step() + 4 if encoding.edge_index is not None else 3 * instance.depth + 6
    return Place(mine, step, True, value, 1 - value, by_node, 1 - encoding.value.astype(np.int64))
