"""Time of an effect map as one batch against one full forward pass a cell.

    python -m benchmarks.effect_map [CHECKPOINT] [--rounds 7] [--json]

A cell is one node's state at one step set to zero; the map is the answer after T steps for every step 0..T and node.
Both sides run in turn, one thread; the figure is the median of the ratios of the rounds. Both maps are compared, too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch

from core import checkpoint, trace
from core.checkpoint import Checkpoint
from core.encoding import collate
from core.tasks import graph_data
from core.trace import Trace
from probes import intervene
from probes.edits import Edit

STEPS, NODES = 16, 32


def base_run(opened: Checkpoint) -> Trace:
    """A run of 16 steps on a graph of 32 nodes."""
    if opened.config.task == "graph" and opened.config.attention == "edges" and opened.config.identity == "none":
        drawn = graph_data.draw(np.random.default_rng(0), np.full(2, 12), "audited", np.full(2, NODES))
        return trace.record(opened, drawn.instances()[0], STEPS)
    raise SystemExit("the effect map is timed on a graph checkpoint that attends along edges and knows no names")


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
    """The same map by `probes.intervene`, which also gives the answer at every step between."""
    programs = [[Edit("zero", t, nodes=(i,))] for t in range(base.steps + 1) for i in range(base.n_nodes)]
    return intervene.run(opened, base, programs).logits[:, -1].reshape(base.steps + 1, base.n_nodes)


def ratios(opened: Checkpoint, rounds: int) -> dict[str, float]:
    """Median and quartiles of the time of single passes over that of the batch, seconds, the greatest difference."""
    base = base_run(opened)
    ways = {"single": one_by_one, "batch": as_one_batch}
    maps = {name: way(opened, base) for name, way in ways.items()}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(rounds):
        for name in list(ways) if i % 2 == 0 else list(ways)[::-1]:
            start = time.perf_counter()
            ways[name](opened, base)
            took[name].append(time.perf_counter() - start)
    pairs = [single / batch for single, batch in zip(took["single"], took["batch"], strict=True)]
    low, middle, high = statistics.quantiles(pairs, n=4)
    return {
        "median": middle,
        "low": low,
        "high": high,
        "single_s": statistics.median(took["single"]),
        "batch_s": statistics.median(took["batch"]),
        "difference": float(np.abs(maps["single"] - maps["batch"]).max()),
    }


def main() -> None:
    """Prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="graph-house", metavar="CHECKPOINT")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    row = ratios(checkpoint.load(args.checkpoint), args.rounds)
    if args.json:
        print(json.dumps(row))
        return
    print(f"one full pass a cell / one batch, T={STEPS}, N={NODES}, every step and node, {args.checkpoint}, one thread")
    print(f"median {row['median']:.1f}  quartiles {row['low']:.1f} {row['high']:.1f}"
          f"  ({row['single_s']:.2f} s, {row['batch_s']:.2f} s; equal to {row['difference']:.1e})")  # fmt: skip


if __name__ == "__main__":
    main()
