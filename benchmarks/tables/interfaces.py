"""Table 4: interface x task, how far each house checkpoint carries beyond what it was trained on."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.grids import measured
from benchmarks.tables.table import Table, about
from depthscope.core import checkpoint

ENOUGH = 0.95

RANGES = {
    "graph-house": (5, 12, 20, 40, 100, 200),
    "graph-house-tokens": (5, 8, 10, 12, 16, 20),
    "logic-house-tree": (6, 12, 16, 32, 64),
    "logic-house-tokens": (6, 8, 10, 12, 16),
    "text-house-facts": (5, 8, 10, 12, 16, 20, 30),
    "text-house-tokens": (5, 8, 10, 12, 16),
}


def make(instances: int, seed: int) -> Table:
    """Measures each checkpoint until it falls short for the first time."""
    rows: list[dict[str, Any]] = []
    for name, difficulties in RANGES.items():
        opened = checkpoint.load(name)
        row = about(opened)
        reached, texts = 0, []
        for difficulty in difficulties:
            share = measured(opened, difficulty, instances, "audited", seed)
            texts.append(f"{difficulty}: {share}")
            if share.accuracy < ENOUGH:
                break
            reached = difficulty
        row["largest at .95"] = reached
        row["factor"] = f"{reached / opened.training['difficulty'][1]:.1f}"
        row["accuracy by difficulty"] = "; ".join(texts)
        rows.append(row)
    return Table(
        name="interfaces",
        title="Table 4. Interface and task",
        command=f"python -m benchmarks.tables interfaces --instances {instances} --seed {seed}",
        notes=(
            f"Audited data, one seed each. `factor` divides the largest difficulty with an accuracy of {ENOUGH} or "
            "more, before the first that falls short, by the largest in training.",
        ),
        rows=tuple(rows),
    )
