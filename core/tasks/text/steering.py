"""What is steered in a text, and what should follow."""

from __future__ import annotations

import numpy as np

from depthscope.core.encoding import MAX_OFFSET, NEVER, Encoding
from depthscope.core.tasks.steering import Place, nodes_of
from depthscope.core.tasks.text.instance import TextInstance


def steering(instance: TextInstance, encoding: Encoding, person: int) -> Place | None:
    """A person is moved one generation; those whom the chain joins through that person should follow."""
    distance = instance.distance
    if distance[person] <= 0 or abs(int(instance.offset[person])) + 1 > MAX_OFFSET:
        return None
    through = np.full(instance.n_names, -1)
    through[person] = 0
    for _ in range(instance.n_names):
        for a, _, b in instance.facts.tolist():
            for x, y in ((a, b), (b, a)):
                if through[x] >= 0 and distance[y] == distance[x] + 1:
                    through[y] = through[x] + 1
    names = np.maximum(encoding.instance_node, 0)
    follows = (encoding.instance_node >= 0) & (through[names] > 0)
    value = (instance.offset[names] + 1).astype(np.int64)
    own = int(instance.offset[person])
    step = 2 * int(distance.max()) + 4
    return Place(nodes_of(encoding, person), step, True, own, own + 1, np.where(follows, through[names], NEVER), value)
