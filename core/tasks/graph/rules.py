"""What a graph's answer can be guessed from without any thinking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from depthscope.core.tasks.graph.instance import GraphInstance


def degree(instances: Sequence[GraphInstance]) -> np.ndarray:
    """Reachable if the source has an edge out and the target an edge in."""
    return np.array([float(x.source in x.edges[:, 0] and x.target in x.edges[:, 1]) for x in instances])


RULES = {"degree": degree}
