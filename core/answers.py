"""Answers of many instances at every step, in batches, when nothing else of the run is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import SPARSE_ABOVE, Encoding, collate

MAX_STEPS = 100_000
MAX_BATCH = 256
BATCH_CELLS = 1 << 22
"""Bound on what one batch holds at once, counted in nodes x width and in pairs of nodes (or edges) x heads."""


def batches(encodings: Sequence[Encoding], width: int, heads: int) -> Iterator[np.ndarray]:
    """Indices of encodings of like size, in batches that stay within the bounds of memory."""
    sizes = np.array([e.n_nodes for e in encodings])
    start, order = 0, np.argsort(sizes, kind="stable")
    while start < len(order):
        end, edges = start, 0
        while end < len(order) and end - start < MAX_BATCH:
            encoding = encodings[order[end]]
            n = encoding.n_nodes  # the largest so far, to which all in the batch are padded
            edges += 0 if encoding.edge_index is None else encoding.edge_index.shape[1]
            sparse = encoding.edge_index is not None and n > SPARSE_ABOVE
            nodes = (end - start + 1) * n
            attended = edges + nodes if sparse else nodes * n
            if end > start and max(nodes * width, attended * heads) > BATCH_CELLS:
                break
            end += 1
        yield order[start:end]
        start = end


@torch.inference_mode()
def logits_by_step(
    checkpoint: Checkpoint, encodings: Sequence[Encoding], steps: int, each: Callable[[], None] | None = None
) -> np.ndarray:
    """Logit of each answer at the steps 0..T, (T+1, B), from one pass of T steps; no state is kept.

    `each` is called after every step; what it raises stops the work.
    """
    model = checkpoint.model
    batch = collate(encodings).to(next(model.parameters()).device)
    context = model.prepare(batch)
    state = model.initial(context)
    logits = torch.empty((steps + 1, len(encodings)), device=state.device)
    logits[0] = model.readout(state, batch)[0]
    for t in range(steps):
        state = model.step(state, t, context)
        logits[t + 1] = model.readout(state, batch)[0]
        if each is not None:
            each()
    return logits.cpu().numpy()
