"""What a recurrent model is given: one instance as nodes (`Encoding`), and many of them as tensors (`Batch`).

Owns the shape of the interface between tasks and models. How an instance becomes nodes is the task's business
(`core.tasks`), what is done with them is the model's (`core.model`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

NEVER = np.iinfo(np.int32).max
"""A step that does not come."""

MAX_OFFSET = 12
"""Largest offset, in generations, that a readout of offsets knows; the paper has words for as many."""

NOTHING = -128
"""Value of the concept at a node that carries none, or does not carry it yet; no concept has this value."""

SOURCE, TARGET = 1, 2
"""Bits of a node's role."""

SPARSE_ABOVE = 300
"""Graphs with more nodes than this are always run with attention over edges, in O(edges)."""


def against_rest(logits: np.ndarray, index: int) -> np.ndarray:
    """Log-odds of one class against all others together, (..., K) -> (...) float32."""
    others = np.delete(logits, index, axis=-1).astype(np.float64)
    top = others.max(axis=-1, keepdims=True)
    rest = top[..., 0] + np.log(np.exp(others - top).sum(-1))
    return (logits[..., index] - rest).astype(np.float32)


@dataclass(frozen=True)
class Encoding:
    """One instance as a checkpoint's interface presents it.

    Attributes:
        interface: "edges" (nodes attend along edges) or "tokens" (every token attends to every other).
        labels: Text of each node, n of them; drawn as text, never as markup.
        token_ids: Vocabulary index of each node, (n,).
        roles: Bits SOURCE and TARGET of each node, (n,).
        edge_index: (2, E) pairs (query, key), self-loops included; None for full attention.
        answer: Index of the node whose readout is the answer (target, root, [CLS]).
        source: Index of the source node; 0 where the task has none.
        value: Value of the task's concept at each node once it is true, (n,); NOTHING where a node carries no concept.
        true_from: Step from which the concept has that value at the node, (n,); NEVER if it never has.
        known_from: First step at which the oracle knows it, (n,); NEVER where a node carries no concept.
        instance_node: Index of what the node stands for (a node of the graph, a subformula, a person); -1 for
            none, (n,).
        bracket: Bracket depth of each token, (n,); None where the task has no brackets.
        entity: Whom a token names, 1 and up, 0 for nobody, (n,); equal numbers are equal tokens. None: equal tokens are
            those with the same index in the vocabulary.
        asked: Value of the concept that the readout of a node speaks of.
        before: Value of the concept at a node while it is not yet true.
        notes: Sentences about what was rewritten to fit the checkpoint's vocabulary.
    """

    interface: str
    labels: tuple[str, ...]
    token_ids: np.ndarray
    roles: np.ndarray
    edge_index: np.ndarray | None
    answer: int
    source: int
    value: np.ndarray
    true_from: np.ndarray
    known_from: np.ndarray
    instance_node: np.ndarray
    bracket: np.ndarray | None = None
    entity: np.ndarray | None = None
    asked: int = 1
    before: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.labels)
        for name in ("token_ids", "roles", "value", "true_from", "known_from", "instance_node"):
            shape = getattr(self, name).shape
            if shape != (n,):
                raise ValueError(f"{name} has shape {shape}, but there are {n} labels, so it should be ({n},)")
        if self.edge_index is not None and (self.edge_index.ndim != 2 or self.edge_index.shape[0] != 2):
            raise ValueError(f"edge_index has shape {self.edge_index.shape}, expected (2, E)")

    @property
    def n_nodes(self) -> int:
        """Number of nodes, n."""
        return len(self.labels)

    @property
    def carries(self) -> np.ndarray:
        """Whether a node carries the task's concept, (n,) bool."""
        return self.value != NOTHING

    @property
    def has_from(self) -> np.ndarray:
        """First step at which the concept is true and the oracle knows it, (n,); NEVER where a node carries none."""
        return np.where(self.carries, np.maximum(self.known_from, self.true_from), NEVER)

    @property
    def one_node_each(self) -> bool:
        """Whether every node stands for a part of the instance of its own, and is no token of a text about it."""
        return len(np.unique(self.instance_node[self.instance_node >= 0])) == self.n_nodes

    @property
    def is_source(self) -> np.ndarray:
        """Whether a node is the source, or names it, (n,) bool."""
        if self.entity is None:
            return (self.roles & SOURCE) > 0
        return (self.entity == self.entity[self.source]) & (self.entity > 0)

    def truth(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """The oracle at every step.

        Args:
            steps: T, how many steps are run.

        Returns:
            truth (T+1, n) int8, the value of the concept, `before` while it is not yet true and NOTHING where a node
            has none;
            known (T+1, n) bool, whether the oracle has it by that step.
        """
        t = np.arange(steps + 1)[:, None]
        truth = np.where(t >= self.true_from[None], self.value[None], self.before)
        truth = np.where(self.carries[None], truth, NOTHING).astype(np.int8)
        return truth, t >= self.known_from[None]


@dataclass(frozen=True)
class Batch:
    """Instances as tensors, padded to the longest, on one device.

    Attributes:
        token_ids: (B, n) long, 0 where padded.
        roles: (B, n) long, bits SOURCE and TARGET.
        valid: (B, n) bool, False where padded.
        answer: (B,) long, node whose readout is the answer.
        source: (B,) long, source node.
        allowed: (B, n, n) bool, allowed[b, q, k]: may q attend to k; None with full attention or with edge_index.
        edge_index: (2, E) long, (query, key) in the flat numbering b * n + i, sorted by query; None when dense.
        bracket: (B, n) long, bracket depth; None where the task has none.
        entity: (B, n) long, whom a token names, 0 for nobody; None where the vocabulary tells.
        asked: (B,) long, value of the concept that is asked for; None where it is 1.
    """

    token_ids: Tensor
    roles: Tensor
    valid: Tensor
    answer: Tensor
    source: Tensor
    allowed: Tensor | None = None
    edge_index: Tensor | None = None
    bracket: Tensor | None = None
    entity: Tensor | None = None
    asked: Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return Batch(**moved)

    @property
    def n_nodes(self) -> int:
        """Number of nodes with padding, n."""
        return self.token_ids.shape[1]

    def __len__(self) -> int:
        """Number of instances, B."""
        return self.token_ids.shape[0]


def padded(rows: Sequence[np.ndarray], n: int, fill: int = 0) -> Tensor:
    """Rows of whole numbers as (B, n) long, each filled up to n."""
    out = np.full((len(rows), n), fill, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return torch.from_numpy(out)


def collate(encodings: Sequence[Encoding], sparse: bool | None = None) -> Batch:
    """Puts encodings of one interface into one batch.

    Args:
        encodings: At least one; all with edges or all without.
        sparse: True for attention over an edge list, False for a dense mask; None chooses by size.

    Returns:
        A batch on the CPU.
    """
    n = max(e.n_nodes for e in encodings)
    edges = [e.edge_index for e in encodings]
    allowed = edge_index = None
    if edges[0] is not None:
        if sparse if sparse is not None else n > SPARSE_ABOVE:
            flat = np.concatenate([e + i * n for i, e in enumerate(edges) if e is not None], axis=1)
            pad = [i * n + np.arange(e.n_nodes, n) for i, e in enumerate(encodings)]
            loops = np.concatenate(pad)
            flat = np.concatenate([flat, np.stack([loops, loops])], axis=1)
            edge_index = torch.from_numpy(np.ascontiguousarray(flat[:, np.lexsort((flat[1], flat[0]))], dtype=np.int64))
        else:
            mask = np.zeros((len(edges), n, n), dtype=bool)
            for i, e in enumerate(edges):
                if e is not None:
                    mask[i, e[0], e[1]] = True
                padding = np.arange(encodings[i].n_nodes, n)
                mask[i, padding, padding] = True  # so that no row is empty
            allowed = torch.from_numpy(mask)
    brackets = [e.bracket for e in encodings if e.bracket is not None]
    entities = [e.entity for e in encodings if e.entity is not None]
    return Batch(
        token_ids=padded([e.token_ids for e in encodings], n),
        roles=padded([e.roles for e in encodings], n),
        valid=padded([np.ones(e.n_nodes, dtype=np.int64) for e in encodings], n).bool(),
        answer=torch.tensor([e.answer for e in encodings]),
        source=torch.tensor([e.source for e in encodings]),
        allowed=allowed,
        edge_index=edge_index,
        bracket=padded(brackets, n) if len(brackets) == len(encodings) else None,
        entity=padded(entities, n) if len(entities) == len(encodings) else None,
        asked=torch.tensor([e.asked for e in encodings]),
    )


@dataclass(frozen=True)
class Lesson:
    """A batch to train on, with what the oracle says.

    Attributes:
        batch: The instances.
        label: (B,) the answer, 0 or 1.
        value: (B, n) value of the concept once true, NOTHING where a node carries none.
        true_from: (B, n) step from which it is true.
        known_from: (B, n) first step at which the oracle knows it.
    """

    batch: Batch
    label: Tensor
    value: Tensor
    true_from: Tensor
    known_from: Tensor

    def to(self, device: torch.device | str) -> Lesson:
        """The same lesson on another device."""
        return Lesson(**{k: v.to(device) for k, v in vars(self).items()})

    def take(self, rows: Tensor) -> Lesson:
        """Some of its instances."""
        return self._changed(lambda x: x[rows])

    def narrow(self, n: int) -> Lesson:
        """The same lesson with padding cut to n nodes."""
        return self._changed(lambda x: x if x.ndim == 1 else x[:, :n] if x.ndim == 2 else x[:, :n, :n])

    def parts(self, count: int) -> list[Lesson]:
        """The same instances sorted by length into so many parts, each padded to its own longest."""
        length = self.batch.valid.sum(1)
        return [self.take(rows).narrow(int(length[rows].max())) for rows in length.argsort(stable=True).chunk(count)]

    def _changed(self, change: Callable[[Tensor], Tensor]) -> Lesson:
        """The lesson of other tensors, each (B, ...)."""
        if self.batch.edge_index is not None:
            raise ValueError("a batch with an edge list cannot be split")
        batch: dict[str, Any] = {name: x if x is None else change(x) for name, x in vars(self.batch).items()}
        rest = {name: change(x) for name, x in vars(self).items() if name != "batch"}
        return Lesson(Batch(**batch), **rest)
