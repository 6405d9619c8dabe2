"""Which instances are twins, seen from the instances: two edges swapped (graph), one relation changed (text).

Drawn instances and a user's own come down the same road, so that only what they hold says which belong together.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.tasks.text.instance import TextInstance


def shared(instance: Any) -> Hashable:
    """What an instance has in common with its twin; a formula has only itself in common."""
    if isinstance(instance, GraphInstance):
        degrees = [np.bincount(side, minlength=instance.n_nodes).tobytes() for side in instance.edges.T]
        return instance.names, instance.source, instance.target, *degrees
    if isinstance(instance, TextInstance):
        return instance.names, instance.query, instance.facts[:, [0, 2]].tobytes()
    return instance


def together(first: Any, second: Any) -> bool:
    """Whether two instances with the same `shared` are the same, or twins: with another answer, and least different."""
    if isinstance(first, GraphInstance):
        mine, theirs = (x.edges[:, 0] * x.n_nodes + x.edges[:, 1] for x in (first, second))
        changed, least = len(np.setdiff1d(mine, theirs)), 2
    elif isinstance(first, TextInstance):
        changed, least = int((first.facts[:, 1] != second.facts[:, 1]).sum()), 1
    else:
        return first == second
    return changed == 0 or (changed == least and first.label != second.label)
