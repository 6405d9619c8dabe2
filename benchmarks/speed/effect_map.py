"""Time of an effect map as one batch against one full forward pass a cell.

    python -m benchmarks.speed.effect_map [--rounds 7] [--json]

A cell is one node's state at one step set to zero; the map is the answer after T steps for every step 0..T and node.
Both run in turn on graph-house, one thread, and both maps are compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.speed.figure import Figure, in_turn, main, ratio
from depthscope.core import checkpoint, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import collate
from depthscope.core.tasks.graph import generate as graph_data
from depthscope.core.trace import Trace
from depthscope.probes.editing import runner as intervene
from depthscope.probes.editing.language import Edit

STEPS, NODES = 16, 32


def base_run(opened: Checkpoint) -> Trace:
    """A run of 16 steps on a graph of 32 nodes."""
    drawn = graph_data.draw(np.random.default_rng(0), np.full(2, 12), "audited", np.full(2, NODES))
    return trace.record(opened, drawn.instances()[0], STEPS)


@torch.inference_mode()
def one_by_one(opened: Checkpoint, base: Trace) -> np.ndarray:
    """The map by a full forward pass for each cell, (T+1, n)."""
    model, batch = opened.model, collate([base.encoding])
    effect = np.empty((base.steps + 1, base.n_nodes), dtype=np.float32)
    for t in range(base.steps + 1):
        for node in range(base.n_nodes):
            context = model.prepare(batch)
            h = model.initial(context)
            for s in range(base.steps + 1):
                if s == t:
                    h = h.clone()
                    h[0, node] = 0
                if s < base.steps:
                    h = model.step(h, s, context)
            effect[t, node] = model.readout(h, batch)[0].item()
    return effect


def as_one_batch(opened: Checkpoint, base: Trace) -> np.ndarray:
    """The same map by `probes.editing.runner`, which also gives the answer at every step between."""
    programs = [[Edit("zero", t, nodes=(i,))] for t in range(base.steps + 1) for i in range(base.n_nodes)]
    return intervene.run(opened, base, programs).logits[:, -1].reshape(base.steps + 1, base.n_nodes)


def measure(rounds: int) -> Sequence[Figure]:
    """How many times faster the batch is."""
    opened = checkpoint.load("graph-house")
    base = base_run(opened)
    gap = float(np.abs(one_by_one(opened, base) - as_one_batch(opened, base)).max())
    ways = {"one by one": lambda: one_by_one(opened, base), "one batch": lambda: as_one_batch(opened, base)}
    took = in_turn(ways, rounds, warm=0)
    what = f"one pass a cell over the effect map, T={STEPS}, N={NODES}"
    return [ratio(what, took, "one by one", "one batch", "more", 10, f"equal to {gap:.1e}")]


if __name__ == "__main__":
    main(measure, __doc__, 7)
