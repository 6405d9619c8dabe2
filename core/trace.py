"""A trace: everything one run of a recurrent model left behind, and the pass that records it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import room, tasks
from core.checkpoint import Checkpoint
from core.encoding import SPARSE_ABOVE, Batch, Encoding, collate
from core.errors import InputError
from core.protocol import RecurrentModel, Sink, steps_of

MAX_BYTES = 5 << 30
"""A trace larger than this is refused."""

MAX_STEPS = 10_000


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
        truth: (T+1, n) int8 value of the task's concept, NOTHING where a node has none.
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


@dataclass
class Record:
    """What one batch left, as tensors in memory taken before the run.

    Attributes:
        hidden: (T+1, B, n, d).
        attention: (T, B, heads, n, n), or (T, heads, E) over an edge list, or None.
        gate: (T, B, n) or None.
        readout: (T+1, B, n) or None.
        logits: (T+1, B).
    """

    hidden: Tensor
    attention: Tensor | None
    gate: Tensor | None
    readout: Tensor | None
    logits: Tensor


def _room(like: Tensor, *shape: int) -> Tensor:
    """Memory to write into, of the dtype and device of `like`."""
    if like.device.type == "cpu" and like.dtype == torch.float32:
        return torch.from_numpy(room.take(*shape))
    return like.new_empty(shape)


@torch.inference_mode()
def run(model: RecurrentModel, batch: Batch, steps: int) -> Record:
    """Runs T steps and keeps everything.

    Args:
        model: In eval mode.
        batch: On the model's device.
        steps: T.

    Returns:
        The record; every step's state is read out in one go at the end.
    """
    shapes = model.shapes
    context = model.prepare(batch)
    h = model.initial(context)
    b, n, d = h.shape
    hidden = _room(h, steps + 1, b, n, d)
    attention = gate = None
    if shapes.heads:
        edges = batch.edge_index
        size = (b, shapes.heads, n, n) if edges is None else (shapes.heads, edges.shape[1])
        attention = _room(h, steps, *size)
    if shapes.gate:
        gate = _room(h, steps, b, n)
    # one view a step, made before the run
    states = hidden.unbind(0)
    weights = [None] * steps if attention is None else attention.unbind(0)
    gates = [None] * steps if gate is None else gate.unbind(0)
    states[0].copy_(h)
    for t in range(steps):
        h = model.step(h, t, context, Sink(weights[t], gates[t]))
        states[t + 1].copy_(h)
    logits, readout = model.readout(hidden, batch)
    return Record(hidden, attention, gate, readout, logits)


def size_in_bytes(checkpoint: Checkpoint, encodings: Sequence[Encoding], steps: int) -> int:
    """Memory that a recording of these takes, before it is made."""
    shapes, n = checkpoint.model.shapes, max(e.n_nodes for e in encodings)
    edges = [e.edge_index for e in encodings]
    dense = edges[0] is None or n <= SPARSE_ABOVE
    pairs = len(edges) * n * n if dense else sum(e.shape[1] for e in edges if e is not None)
    states = (steps + 1) * len(encodings) * n * (shapes.width + 2)
    return 4 * (states + steps * shapes.heads * pairs)


def record(checkpoint: Checkpoint, instance: Any, steps: int | None = None) -> Trace:
    """Runs one instance and keeps everything.

    Args:
        checkpoint: What runs.
        instance: An instance of its task.
        steps: T; None takes `default_steps`.

    Raises:
        InputError: If the checkpoint cannot read the instance, or the trace would not fit in memory.
    """
    return record_batch(checkpoint, [instance], default_steps(checkpoint, instance) if steps is None else steps)[0]


def default_steps(checkpoint: Checkpoint, instance: Any) -> int:
    """T when nobody says: the instance's own default, or what the model asks for to read it whole.

    Raises:
        InputError: If the checkpoint cannot read the instance.
    """
    if not hasattr(checkpoint.model, "steps_for"):
        known = instance.difficulty is not None
        config = checkpoint.config
        return (
            tasks.default_steps(config.task, instance.difficulty, config.attention) if known else instance.default_steps
        )
    encoding = tasks.get(checkpoint.config.task).encode(instance, checkpoint.config)
    return steps_of(checkpoint.model, encoding, instance.default_steps)


def record_batch(checkpoint: Checkpoint, instances: Sequence[Any], steps: int) -> list[Trace]:
    """Runs several instances in one batch and keeps everything.

    Args:
        checkpoint: What runs.
        instances: Of its task; those of similar size waste least.
        steps: T.

    Raises:
        InputError: If the checkpoint cannot read an instance, or the traces would not fit in memory.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise InputError(f"steps should be from 1 to {MAX_STEPS} (got {steps})")
    encodings = [tasks.get(checkpoint.config.task).encode(instance, checkpoint.config) for instance in instances]
    due = size_in_bytes(checkpoint, encodings, steps)
    if due > MAX_BYTES:
        most = max(1, int(steps * MAX_BYTES / due))
        raise InputError(
            f"a trace of {steps} steps would take {due / 2**30:.1f} GiB, over the limit of {MAX_BYTES / 2**30:.0f}; "
            f"run at most {most} steps, or a smaller input"
        )
    batch = collate(encodings)
    kept = run(checkpoint.model, batch.to(next(checkpoint.model.parameters()).device), steps)
    notes = notes_on(checkpoint, steps)
    return [
        _trace(checkpoint, notes, kept, batch, i, pair) for i, pair in enumerate(zip(instances, encodings, strict=True))
    ]


def _trace(
    checkpoint: Checkpoint, notes: tuple[str, ...], kept: Record, batch: Batch, i: int, pair: tuple[Any, Encoding]
) -> Trace:
    """The i-th instance's share of a record, padding cut off."""
    instance, encoding = pair
    n, width = encoding.n_nodes, batch.token_ids.shape[1]
    numpy = lambda x: x.detach().to("cpu", torch.float32).numpy()  # noqa: E731
    attention = edge_index = None
    if kept.attention is not None and batch.edge_index is None:
        attention = numpy(kept.attention[:, i, :, :n, :n])
    elif kept.attention is not None and batch.edge_index is not None:
        query, key = batch.edge_index
        own = (query >= i * width) & (query < i * width + n)
        edge_index = torch.stack([query[own], key[own]]).numpy() - i * width
        attention = numpy(kept.attention[:, :, own.to(kept.attention.device)] if len(batch) > 1 else kept.attention)
    truth, known = encoding.truth(len(kept.hidden) - 1)
    return Trace(
        checkpoint=checkpoint.name,
        instance=instance,
        encoding=encoding,
        hidden=numpy(kept.hidden[:, i, :n]),
        attention=attention,
        edge_index=edge_index,
        gate=None if kept.gate is None else numpy(kept.gate[:, i, :n]),
        readout=None if kept.readout is None else numpy(kept.readout[:, i, :n]),
        logits=numpy(kept.logits[:, i]),
        truth=truth,
        known=known,
        notes=notes,
    )


def notes_on(checkpoint: Checkpoint, steps: int) -> tuple[str, ...]:
    """Sentences about what this checkpoint does in a run of T steps that a reader of its answers should know."""
    config, notes = checkpoint.config, []
    if config.readout == "pair":
        notes.append(
            "This checkpoint reads out a pair of nodes; the readout at a node is that node taken as the target."
        )
    own = getattr(checkpoint.model, "notes", None)
    if own is not None:
        notes += own(steps)
    elif 0 < config.depth_embedding < steps:
        notes.append(f"This checkpoint has {config.depth_embedding} step embeddings; later steps use the last one.")
    return tuple(notes)
