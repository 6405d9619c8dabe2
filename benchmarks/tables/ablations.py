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
    rows = []
    for (task, recipe, variant), found in groups.items():
        row: dict[str, Any] = {"recipe": f"{task} {recipe}", "variant": variant, "seeds": len(found)}
        row["batches"] = found[0]["batches"]
        for k, difficulty in enumerate(found[0]["difficulty"]):
            row[str(difficulty)] = over_seeds([record["accuracy"][k] for record in found])
        rows.append(row)
    return Table(
        name="ablations",
        title="Table 2. Mechanisms, one at a time",
        command=f"python -m core sweep {PLAN} --out runs/ablations && "
        "python -m benchmarks.tables ablations --runs runs/ablations",
        notes=("Median over seeds (least-greatest) of the accuracy at T fixed beforehand, audited data.",),
        rows=tuple(rows),
    )
