"""A trace: everything one run of a recurrent model left behind, and the pass that records it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, NOTHING, SPARSE_ABOVE, Batch, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.files import buffers, zipped
from depthscope.core.protocol import RecurrentModel, Sink, steps_of

if TYPE_CHECKING:
    import pandas

VERSION = 1
"""Of the npz of a trace; files without one are of the first."""

MEMORY_BYTES = 2 << 30
"""A recording larger than this is kept in files, from which every view reads what it needs."""

DISK_BYTES = 64 << 30
"""One larger than this is refused."""

READ_BYTES = 64 << 20
"""Of a large recording, so many bytes of states are read out at once."""

MAX_STEPS = 10_000

KEPT = ("hidden", "attention", "gate", "readout")
"""What a trace can go without; answers and oracle are always there."""


@dataclass(frozen=True)
class Trace:
    """States, attention, gates and answers of one instance at every step, as CPU numpy.

    Attributes:
        checkpoint: Name of the checkpoint that ran.
        instance: The `core.tasks.spec.Instance` it ran on; a layout may ask more of it. None of a trace that was read
            from a file.
        encoding: The instance as the checkpoint's interface presented it; n nodes.
        hidden: (T+1, n, d) float32; row 0 is the embedding, before the first update. d is 0 where they were not kept.
        attention: (T, heads, n, n) float32, axes (step, head, query, key); with edge_index (T, heads, E). None if the
            model has no attention.
        edge_index: (2, E) pairs (query, key) if attention is kept on edges, else None.
        gate: (T, n) float32, mean of the update gate; 1 = replaced by the new state, 0 = kept. None if it has none.
        readout: (T+1, n) float32 logit at every node, or (T+1, n, K) over the classes of the task; None where the model
            has no readout per node.
        logits: (T+1,) float32 logit of the answer.
        truth: (T+1, n) int8 value of the task's concept, NOTHING where a node has none.
        known: (T+1, n) bool, whether the oracle has it by that step.
        notes: Sentences for readers of the figures (readout as each node as target, depth rows exhausted, ...).
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
            expected["readout"] = (rows, n, *self.readout.shape[2:3])
        if self.attention is not None:
            heads = self.attention.shape[1]
            tail = (n, n) if self.edge_index is None else (self.edge_index.shape[1],)
            expected["attention"] = (steps, heads, *tail)
        for name, shape in expected.items():
            got = getattr(self, name).shape
            if got != shape:
                raise ValueError(
                    f"{name} has shape {got}, but hidden has shape {self.hidden.shape}, so it should be {shape}"
                )

    @classmethod
    def load(cls, path: Path | str) -> Trace:
        """The trace in an npz that `trace --out` wrote.

        What the file does not hold is left empty: the instance is None, states that were not kept have width 0, and the
        encoding has the nodes' labels and what the oracle knew of them, but no token, role or answer (-1).

        Raises:
            InputError: If the file is no trace, or of a later version.
        """
        arrays = zipped.arrays(Path(path), ("logits", "truth", "known", "tokens"), VERSION)
        truth, known, labels = arrays["truth"], arrays["known"], tuple(map(str, arrays["tokens"]))
        n, nothing = len(labels), np.full(len(labels), -1)
        edges = arrays.get("edge_index")
        try:
            encoding = Encoding(
                interface="tokens" if edges is None else "edges",
                labels=labels,
                token_ids=nothing,
                roles=np.zeros(n, dtype=np.int64),
                edge_index=edges,
                answer=-1,
                source=-1,
                value=truth[-1],
                true_from=np.argmax(truth == truth[-1], axis=0),
                known_from=np.where(known.any(0), known.argmax(0), NEVER),
                instance_node=nothing,
                asked=int(arrays.get("asked", 1)),
            )
            return cls(
                checkpoint=str(arrays.get("checkpoint", "")),
                instance=None,
                encoding=encoding,
                hidden=arrays.get("hidden", np.zeros((len(truth), n, 0), dtype=np.float32)),
                attention=arrays.get("attention"),
                edge_index=edges,
                gate=arrays.get("gate"),
                readout=arrays.get("readout"),
                logits=arrays["logits"],
                truth=truth,
                known=known,
            )
        except (ValueError, IndexError, TypeError) as error:
            raise InputError(f"{path} is no trace: {error}") from None

    def frame(self) -> pandas.DataFrame:
        """A table with one row a step and node, in this order.

        Returns:
            Columns step (0..T), node, token (its label), readout (a logit), gate (of the update that led to the step),
            truth (of the concept; NaN where a node has none), known, and change (length of the difference of the
            state from that of the step before). What was not kept, and gate and change at step 0, are NaN.

        Raises:
            InputError: If pandas is not installed.
        """
        try:
            import pandas  # for this alone
        except ImportError:
            raise InputError("a table needs pandas, which is not installed: pip install pandas") from None
        rows, n, width = self.hidden.shape
        empty = np.full((rows, n), np.nan, dtype=np.float32)
        gate, change = empty.copy(), empty.copy()
        if self.gate is not None:
            gate[1:] = self.gate
        for t in range(1, rows if width else 1):
            change[t] = np.linalg.norm(self.hidden[t] - self.hidden[t - 1], axis=-1)
        columns = {
            "step": np.repeat(np.arange(rows), n),
            "node": np.tile(np.arange(n), rows),
            "token": list(self.encoding.labels) * rows,
            "readout": empty if self.node_logits is None else self.node_logits,
            "gate": gate,
            "truth": np.where(self.truth == NOTHING, np.nan, self.truth),
            "known": self.known,
            "change": change,
        }
        return pandas.DataFrame({k: np.ravel(v) if isinstance(v, np.ndarray) else v for k, v in columns.items()})

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
    def classes(self) -> tuple[str, ...]:
        """Words for the values that a node's readout may tell apart."""
        return tuple(word for _, word in sorted(tasks.get(self.instance.task).classes.items()))

    @cached_property
    def node_logits(self) -> np.ndarray | None:
        """The readout at every node as one logit, (T+1, n): of several classes, the asked one against the rest.

        None where there is no readout, or a file does not say which class is which.
        """
        if self.readout is None or (self.instance is None and self.readout.ndim == 3):
            return None
        if self.instance is None:
            return self.readout
        return tasks.get(self.instance.task).node_logits(self.encoding, self.readout)

    @property
    def commitment_step(self) -> int:
        """First step from which the sign of the answer's logit stays as it is at the end (t_out)."""
        sign = self.logits > 0
        changes = np.flatnonzero(sign != sign[-1])
        return int(changes[-1]) + 1 if len(changes) else 0


@dataclass
class Record:
    """What one batch left, as tensors whose room was taken before the run.

    Attributes:
        hidden: (T+1, B, n, d), or (T+1, B, n, 0).
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


def _room(like: Tensor, on_disk: bool, *shape: int) -> Tensor:
    """Room to write into, of the dtype and device of `like`, or float32 in a file."""
    if on_disk:
        return torch.from_numpy(buffers.on_disk(*shape))
    if like.device.type == "cpu" and like.dtype == torch.float32:
        return torch.from_numpy(buffers.take(*shape))
    return like.new_empty(shape)


@torch.inference_mode()
def run(model: RecurrentModel, batch: Batch, steps: int, keep: Collection[str] = KEPT, on_disk: bool = False) -> Record:
    """Runs T steps and keeps everything that is asked for.

    Args:
        model: In eval mode.
        batch: On the model's device.
        steps: T.
        keep: Of KEPT.
        on_disk: Whether to keep it in files that go with the record.

    Returns:
        The record; the states of all steps are read out in one go at the end, or in few where they are large or not
        kept.
    """
    shapes, context = model.shapes, model.prepare(batch)
    h = model.initial(context)
    b, n, d = h.shape
    attention = gate = None
    hidden = _room(h, on_disk, steps + 1, b, n, d if "hidden" in keep else 0)
    if shapes.heads and "attention" in keep:
        edges = batch.edge_index
        size = (b, shapes.heads, n, n) if edges is None else (shapes.heads, edges.shape[1])
        attention = _room(h, on_disk, steps, *size)
    if shapes.gate and "gate" in keep:
        gate = _room(h, on_disk, steps, b, n)
    at_once = min(steps + 1, max(1, READ_BYTES // max(1, h.nbytes)))
    in_place = "hidden" in keep and at_once > steps and not on_disk
    read = hidden if in_place else h.new_empty(at_once, b, n, d)
    # a step on another device cannot write into a file
    elsewhere = on_disk and (h.device.type != "cpu" or h.dtype != torch.float32)
    beside = Sink(*(h.new_empty(x.shape[1:]) if elsewhere and x is not None else None for x in (attention, gate)))
    answers, nodes = [], []
    for t in range(steps + 1):
        if t:
            rooms = [None if x is None else x[t - 1] for x in (attention, gate)]
            h = model.step(h, t - 1, context, beside if elsewhere else Sink(*rooms))
            for room, kept in zip(rooms, (beside.attention, beside.gate), strict=True):
                if room is not None and kept is not None:
                    room.copy_(kept)
        filled = t % at_once + 1
        read[filled - 1].copy_(h)
        if "hidden" in keep and not in_place:
            hidden[t].copy_(h)
        if filled == at_once or t == steps:
            logits, readout = model.readout(read[:filled], batch)
            answers.append(logits)
            if readout is not None and "readout" in keep:
                nodes.append(readout)
        if on_disk:
            for kept in (hidden, attention, gate):
                if kept is not None:
                    buffers.forget(kept.numpy())
    return Record(hidden, attention, gate, _joined(nodes) if nodes else None, _joined(answers))


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def size_in_bytes(
    checkpoint: Checkpoint, encodings: Sequence[Encoding], steps: int, keep: Collection[str] = KEPT
) -> int:
    """Room that a recording of these takes, before it is made."""
    shapes, n = checkpoint.model.shapes, max(e.n_nodes for e in encodings)
    edges = [e.edge_index for e in encodings]
    dense = edges[0] is None or n <= SPARSE_ABOVE
    pairs = len(edges) * n * n if dense else sum(e.shape[1] for e in edges if e is not None)
    each = shapes.width * ("hidden" in keep) + ("gate" in keep) + ("readout" in keep)
    return 4 * ((steps + 1) * len(encodings) * n * each + steps * shapes.heads * pairs * ("attention" in keep))


def record(checkpoint: Checkpoint, instance: Any, steps: int | None = None, keep: Collection[str] = KEPT) -> Trace:
    """Runs one instance and keeps everything, or what of it is asked for.

    A trace over MEMORY_BYTES lies in files, which go with the last array that looks at them.

    Args:
        checkpoint: What runs.
        instance: An instance of its task.
        steps: T; None takes `default_steps`.
        keep: Of KEPT.

    Raises:
        InputError: If the checkpoint cannot read the instance, or there is no room for the trace.
    """
    steps = default_steps(checkpoint, instance) if steps is None else steps
    return record_batch(checkpoint, [instance], steps, keep)[0]


def default_steps(checkpoint: Checkpoint, instance: Any) -> int:
    """The default T: that of the instance, or what the model needs to read all of it.

    Raises:
        InputError: If the checkpoint cannot read the instance.
    """
    if not hasattr(checkpoint.model, "steps_for"):
        if instance.difficulty is None:
            return instance.default_steps
        return tasks.get(instance.task).default_steps(instance.difficulty, checkpoint.config.attention)
    encoding = tasks.get(checkpoint.config.task).encode(instance, checkpoint.config)
    return steps_of(checkpoint.model, encoding, instance.default_steps)


def record_batch(
    checkpoint: Checkpoint, instances: Sequence[Any], steps: int, keep: Collection[str] = KEPT
) -> list[Trace]:
    """Runs several instances in one batch and keeps everything, or what of it is asked for.

    Args:
        checkpoint: What runs.
        instances: Of its task; those of similar size waste least.
        steps: T.
        keep: Of KEPT.

    Raises:
        InputError: If the checkpoint cannot read an instance, or there is no room for the traces.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise InputError(f"steps should be from 1 to {MAX_STEPS} (got {steps})")
    encodings = [tasks.get(checkpoint.config.task).encode(instance, checkpoint.config) for instance in instances]
    on_disk = _needs_disk(checkpoint, encodings, steps, keep)
    batch = collate(encodings)
    kept = run(checkpoint.model, batch.to(next(checkpoint.model.parameters()).device), steps, keep, on_disk)
    notes = notes_on(checkpoint, steps)
    return [
        _trace(checkpoint, notes, kept, batch, i, pair) for i, pair in enumerate(zip(instances, encodings, strict=True))
    ]


def _needs_disk(checkpoint: Checkpoint, encodings: Sequence[Encoding], steps: int, keep: Collection[str]) -> bool:
    """Whether a recording is too large for memory.

    Raises:
        InputError: If it is too large for the disk as well; the message says what would fit.
    """
    size = size_in_bytes(checkpoint, encodings, steps, keep)
    if size <= MEMORY_BYTES:
        return False
    limit = min(DISK_BYTES, buffers.free_on_disk())
    if size > limit:
        each = {name: size_in_bytes(checkpoint, encodings, steps, [name]) / 2**30 for name in KEPT if name in keep}
        parts = ", ".join(f"{name} {gib:.1f}" for name, gib in each.items() if gib >= 0.1)
        of = "the limit" if limit == DISK_BYTES else "what the disk for temporary files has free"
        fit = int(steps * limit / size)
        first = f"run at most {fit} steps" if fit or limit == DISK_BYTES else "free some space there"
        raise InputError(
            f"a trace of {steps} steps would take {size / 2**30:.1f} GiB ({parts}), over {of} of {limit / 2**30:.1f}; "
            f"{first}, keep less of it (--keep), or take a smaller input"
        )
    return True


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
        ends = torch.tensor([i * width, i * width + n], device=query.device)
        own = slice(*torch.searchsorted(query.contiguous(), ends).tolist())  # an edge list is sorted by query
        edge_index = torch.stack([query[own], key[own]]).cpu().numpy() - i * width
        attention = numpy(kept.attention[:, :, own])
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
    elif config.readout == "sum":
        notes.append(
            "The answer is read from a sum to which every word adds some generations (counted); the states do not "
            "see what is asked."
        )
    own = getattr(checkpoint.model, "notes", None)
    if own is not None:
        notes += own(steps)
    elif 0 < config.depth_embedding < steps:
        notes.append(f"This checkpoint has {config.depth_embedding} step embeddings; later steps use the last one.")
    return tuple(notes)
