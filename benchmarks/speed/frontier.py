"""Time of a frontier from one pass against one run for every number of steps.

    python -m benchmarks.speed.frontier [--rounds 7] [--json]

A run of T steps passes every number of steps below T, so that all their answers can be read on the way. Both run in
turn on the same instances of graph-house, one thread, and both grids are compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.speed.figure import Figure, in_turn, main, ratio
from depthscope.core import checkpoint
from depthscope.core.answers import logits_by_step
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding, collate
from depthscope.core.tasks.graph import TASK as graph  # noqa: N811

HOPS, INSTANCES = 12, 64


@torch.inference_mode()
def one_run_each(opened: Checkpoint, encodings: Sequence[Encoding], steps: int) -> np.ndarray:
    """Logits after 1..T steps, (T, B), each from a run of its own."""
    batch = collate(encodings)
    return torch.stack([opened.model(batch, t)[0] for t in range(1, steps + 1)]).numpy()


def measure(rounds: int) -> Sequence[Figure]:
    """How many times faster one pass is, at the steps of the paper's grid and beyond them."""
    opened = checkpoint.load("graph-house")
    drawn = graph.generate(HOPS, INSTANCES, "audited", 0)
    encodings = [graph.encode(instance, opened.config) for instance in drawn]
    figures = []
    for steps in (20, 64):
        ways = {
            "one run a step count": lambda t=steps: one_run_each(opened, encodings, t),
            "one pass": lambda t=steps: logits_by_step(opened, encodings, t),
        }
        gap = np.abs(ways["one run a step count"]() - ways["one pass"]()[1:]).max()
        took = in_turn(ways, rounds, warm=0)
        what = f"one run a step count over one pass, T={steps}"
        figures.append(ratio(what, took, "one run a step count", "one pass", "more", 10, f"equal to {gap:.0e}"))
    return figures


if __name__ == "__main__":
    main(measure, __doc__, 7)
