"""Table 5: the wall of the paper's recipe taken apart: how far it carries, and names that training never showed.

Training graphs have at most 16 nodes, so that only the letters A to P are ever learned. Graphs of 16 nodes and fewer
ask for hops alone; larger ones ask for unlearned names as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.tables.table import Table, share
from depthscope.core import checkpoint, frontier
from depthscope.core.answers import logits_by_step
from depthscope.core.tasks.graph import TASK as graph, generate as graph_data  # noqa: N811

CHECKPOINTS = ("graph-paper", "graph-paper-perstep")
HOPS, NODES, STEPS = (6, 8, 9, 10, 11, 12), (16, 24), 20


def make(instances: int, seed: int) -> Table:
    """Measures both checkpoints on graphs of two sizes; twins of every distance have the same size."""
    rows: list[dict[str, Any]] = []
    for name in CHECKPOINTS:
        opened = checkpoint.load(name)
        for nodes in NODES:
            row: dict[str, Any] = {"checkpoint": name, "nodes": nodes}
            for hops in HOPS:
                rng = np.random.default_rng([graph_data.SPLITS["test"], seed, hops, nodes])
                arrays = graph_data.draw(rng, np.full(instances, hops), "audited", np.full(instances, nodes))
                encodings = [graph.encode(instance, opened.config) for instance in arrays.instances()]
                answers, label = logits_by_step(opened, encodings, STEPS)[-1] > 0, arrays.label > 0
                right = answers == label
                low, high = frontier.wilson(np.array(right.sum()), len(right))
                rates = f"{share(float(answers[label].mean()))} / {share(float((~answers[~label]).mean()))}"
                middle, low, high = (share(float(x)) for x in (right.mean(), low, high))
                row[str(hops)] = f"{middle} [{low}, {high}], {rates}"
            rows.append(row)
    return Table(
        name="names",
        title="Table 5. The wall of the paper's recipe: hops, and names that training never showed",
        command=f"python -m benchmarks.tables names --instances {instances} --seed {seed}",
        notes=(
            f"Audited twins, T = {STEPS}, {instances} instances a cell: accuracy with its 95% interval, then the share "
            "of right answers among reachable and among unreachable. With 16 nodes every name occurs in training.",
        ),
        rows=tuple(rows),
    )
