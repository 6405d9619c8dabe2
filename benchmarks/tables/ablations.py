"""Table 2: one mechanism at a time switched off or on, three seeds each, with the gradient at the first state."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.tables.table import Table, over_seeds
from core.sweep import records

PLAN = "benchmarks/plans/ablations.toml"


def make(runs: Path) -> Table:
    """Reads the records of the sweep."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for record in records(runs):
        if record["status"] == "done":
            groups[record["task"], record["recipe"], record["variant"] or "full"].append(record)
    rows, order = [], {recipe: i for i, recipe in enumerate(dict.fromkeys(key[:2] for key in groups))}
    difficulties = sorted({d for found in groups.values() for d in found[0]["difficulty"]})
    for (task, recipe, variant), found in sorted(groups.items(), key=lambda group: order[group[0][:2]]):
        row: dict[str, Any] = {"recipe": f"{task} {recipe}", "variant": variant}
        row |= {"seeds": len(found), "batches": found[0]["batches"]}
        for difficulty in difficulties:
            at = [record["accuracy"][record["difficulty"].index(difficulty)] for record in found
                  if difficulty in record["difficulty"]]  # fmt: skip
            row[str(difficulty)] = over_seeds(at) if at else None
        rows.append(row)
    return Table(
        name="ablations",
        title="Table 2. Mechanisms, one at a time",
        command=f"python -m core sweep {PLAN} --out runs/ablations && "
        "python -m benchmarks.tables ablations --runs runs/ablations",
        notes=("Median over seeds (least-greatest where they differ) of the accuracy at T fixed beforehand, audited.",),
        rows=tuple(rows),
    )
