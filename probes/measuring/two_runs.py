"""Disagreement: where two runs differ, node by node and step by step, on what both have a node for.

The runs may be of two checkpoints, which may read an instance in different ways, or of one checkpoint on two instances
whose nodes have the same names. A node that is mentioned several times holds the mean of its mentions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.trace import Trace
from depthscope.probes.measuring.shapes import check_shapes

SHUFFLES = 20
"""Times the nodes of the second run are shuffled for the control."""


@dataclass(frozen=True)
class Disagreement:
    """Readings of two runs at the m nodes that both have.

    Attributes:
        nodes: Names of the nodes.
        first: (T+1, m) probabilities of the first run.
        second: (T+1, m) of the second.
        of_first: (n,) which of the m nodes each of the first model's nodes is, -1 for none.
        of_second: The same of the second.
        shuffled: (T+1,) mean gap with the nodes of the second run shuffled: the difference of two unrelated maps.
    """

    nodes: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray
    of_first: np.ndarray
    of_second: np.ndarray
    shuffled: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, (len(self.first), len(self.nodes)), "first", "second")

    @property
    def gap(self) -> np.ndarray:
        """Absolute difference of the probabilities, (T+1, m)."""
        return np.abs(self.first - self.second)

    @property
    def mean_gap(self) -> np.ndarray:
        """Mean over the nodes, (T+1,)."""
        return np.nanmean(self.gap, axis=1)

    @property
    def opposite(self) -> np.ndarray:
        """Share of nodes of which one run says yes and the other no, (T+1,)."""
        return ((self.first > 0.5) != (self.second > 0.5)).mean(axis=1)

    def on(self, which: np.ndarray) -> np.ndarray:
        """The gap at the nodes of a model, (T+1, n), NaN where a node has none; `which` is of_first or of_second."""
        return np.where(which >= 0, self.gap[:, np.maximum(which, 0)], np.nan)


def compare(first: Trace, second: Trace, readings: tuple[np.ndarray, np.ndarray], seed: int = 0) -> Disagreement:
    """Compares two runs of as many steps.

    Args:
        first: A run.
        second: Another.
        readings: (T+1, n) probabilities of each, NaN where a node has none.
        seed: Of the control.

    Raises:
        InputError: If the runs have no node in common, or not as many steps.
    """
    if first.steps != second.steps:
        raise InputError(f"the runs have {first.steps} and {second.steps} steps; run both for as many")
    sides = [
        _by_name(trace, np.asarray(values, dtype=np.float64))
        for trace, values in zip((first, second), readings, strict=True)
    ]
    names = [name for name in sides[0][0] if name in sides[1][0]]
    if not names:
        raise InputError("the two instances have no node in common, so that only their answers can be compared")
    place = {name: k for k, name in enumerate(names)}
    one, two = (values[:, [index[name] for name in names]] for index, values, *_ in sides)
    of_one, of_two = (np.array([place.get(key, -1) for key in keys], dtype=np.int64) for _, _, keys, _ in sides)
    rng = np.random.default_rng(seed)
    shuffled = [np.nanmean(np.abs(one - two[:, rng.permutation(len(names))]), axis=1) for _ in range(SHUFFLES)]
    shown = tuple(sides[0][3][name] for name in names)
    return Disagreement(shown, one, two, of_one, of_two, np.mean(shuffled, axis=0))


def _by_name(trace: Trace, values: np.ndarray) -> tuple[dict[Any, int], np.ndarray, list[Any], dict[Any, str]]:
    """Column of each node of the instance, the columns (T+1, m), the node at each of the model's, and their names."""
    encoding = trace.encoding
    has = encoding.carries & (encoding.instance_node >= 0) & ~np.isnan(values).all(axis=0)
    nodes = [_identity(trace, i) if ok else None for i, ok in enumerate(has)]
    keys, called = (
        [None if node is None else node[0] for node in nodes],
        dict(node for node in nodes if node is not None),
    )
    index = {key: k for k, key in enumerate(called)}
    sums, counts = np.zeros((len(values), len(index))), np.zeros(len(index))
    for i, key in enumerate(keys):
        if key is not None:
            sums[:, index[key]] += np.nan_to_num(values[:, i])
            counts[index[key]] += 1
    return index, sums / np.maximum(counts, 1), keys, called


def _identity(trace: Trace, i: int) -> tuple[Any, str]:
    """What a node of the model stands for in any instance, and what that is called."""
    instance, node = trace.instance, int(trace.encoding.instance_node[i])
    identify, names = tasks.get(instance.task).identify, getattr(instance, "names", None)
    if identify is not None:
        return identify(instance, node)
    if names is not None:
        return names[node], names[node]
    return node, f"{node + 1}: {trace.encoding.labels[i]}"
