"""A trace: everything one run of a recurrent model left behind, and the pass that records it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.encoding import Encoding


@dataclass(frozen=True)
class Trace:
    """States, attention, gates and answers of one instance at every step, as CPU numpy.

    Attributes:
        checkpoint: Name of the checkpoint that ran.
        instance: The instance it ran on (GraphInstance, LogicInstance).
        encoding: The instance as the checkpoint's interface presented it; n nodes.
        hidden: (T+1, n, d) float32; row 0 is the embedding, before the first update.
        attention: (T, heads, n, n) float32, axes (step, head, query, key); with edge_index (T, heads, E). None if the
            model has no attention.
        edge_index: (2, E) pairs (query, key) if attention is kept on edges, else None.
        gate: (T, n) float32, mean of the update gate; 1 = replaced by the new state, 0 = kept. None if it has none.
        readout: (T+1, n) float32 logit at every node, None where the model has no readout per node.
        logits: (T+1,) float32 logit of the answer.
        truth: (T+1, n) int8 value of the task's concept, -1 where a node has none.
        known: (T+1, n) bool, whether the oracle has it by that step.
        notes: Sentences for whoever reads the figures (readout as each node as target, depth rows exhausted, ...).
    """

    checkpoint: str
    instance: Any
    encoding: Encoding
    hidden: np.ndarray
    attention: np.ndarray | None
    edge_index: np.ndarray | None
    gate: np.ndarray | None
    readout: np.ndarray | None
    logits: np.ndarray
    truth: np.ndarray
    known: np.ndarray
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        rows, n, _ = self.hidden.shape
        steps = rows - 1
        expected: dict[str, tuple[int, ...]] = {"logits": (rows,), "truth": (rows, n), "known": (rows, n)}
        if self.gate is not None:
            expected["gate"] = (steps, n)
        if self.readout is not None:
            expected["readout"] = (rows, n)
        if self.attention is not None:
            heads = self.attention.shape[1]
            tail = (n, n) if self.edge_index is None else (self.edge_index.shape[1],)
            expected["attention"] = (steps, heads, *tail)
        for name, shape in expected.items():
            got = getattr(self, name).shape
            if got != shape:
                raise ValueError(f"{name} has shape {got}, but hidden has shape {self.hidden.shape}, so {shape} is due")

    @property
    def steps(self) -> int:
        """T, the number of steps run."""
        return self.hidden.shape[0] - 1

    @property
    def n_nodes(self) -> int:
        """Number of nodes, n."""
        return self.hidden.shape[1]

    @property
    def answer(self) -> int:
        """The answer after the last step, 0 or 1."""
        return int(self.logits[-1] > 0)

    @property
    def commitment_step(self) -> int:
        """First step from which the sign of the answer's logit stays as it is at the end (t_out)."""
        sign = self.logits > 0
        changes = np.flatnonzero(sign != sign[-1])
        return int(changes[-1]) + 1 if len(changes) else 0
