"""Table 2: one mechanism at a time switched off or on, three seeds each, with what a step does to the gradient."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables.table import KEPT, ROOT, Table, even, over_seeds
from depthscope.core import checkpoint, tasks
from depthscope.core.sweeps.plan import read_plan
from depthscope.core.sweeps.run import records
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments import highway

PLAN = "benchmarks/plans/ablations.toml"

STEPS, INSTANCES = 24, 16
"""Of the gradient, at the greatest difficulty trained on."""


def make(runs: Path) -> Table:
    """Reads the records of the sweep and looks into its checkpoints.

    A row of the kept table stays where the sweep has not yet run as many of its seeds, so that a long sweep can be
    taken up in parts.
    """
    made = with_kept(rows(runs, gradient=True), "ablations")
    planned = [(f"{run.task} {run.recipe}", run.variant or "full") for run in read_plan(ROOT / PLAN)]
    order = {recipe: i for i, recipe in enumerate(dict.fromkeys(recipe for recipe, _ in planned))}
    within = {key: i for i, key in enumerate(dict.fromkeys(planned))}
    return Table(
        name="ablations",
        title="Table 2. Mechanisms, one at a time",
        command=f"depthscope sweep {PLAN} --out runs/ablations && "
        "python -m benchmarks.tables ablations --runs runs/ablations",
        notes=(
            "Accuracy on audited data at T fixed beforehand: median over seeds (minimum-maximum where they differ).",
            f"Gradient: mean factor by which one step back changes |dL/dh|, over {STEPS} steps, before and after "
            "training; 1 means no loss.",
        ),
        rows=even([row for _, row in sorted(made.items(), key=lambda item: (order[item[0][0]], within[item[0]]))]),
    )


def with_kept(fresh: list[dict[str, Any]], name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of a sweep, and those of the kept table that have more seeds, by recipe and variant."""
    made = {(row["recipe"], row["variant"]): row for row in fresh}
    path = KEPT / f"{name}.json"
    for row in json.loads(path.read_text())["rows"] if path.exists() else []:
        key = row["recipe"], row["variant"]
        if row.get("seeds") and (key not in made or made[key]["seeds"] < row["seeds"]):  # rules have none
            made[key] = row
    return made


def rows(runs: Path, *, gradient: bool) -> list[dict[str, Any]]:
    """A row a recipe and variant, from the records of a sweep.

    Args:
        runs: Folder of the sweep.
        gradient: Whether its checkpoints are opened and their gradients taken.
    """
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for record in records(runs):
        if record["status"] == "done":
            groups[record["task"], record["recipe"], record["variant"] or "full"].append(record)
    out, order = [], {recipe: i for i, recipe in enumerate(dict.fromkeys(key[:2] for key in groups))}
    difficulties = sorted({d for group in groups.values() for d in group[0]["difficulty"]})
    for (task, recipe, variant), group in sorted(groups.items(), key=lambda group: order[group[0][:2]]):
        row: dict[str, Any] = {"recipe": f"{task} {recipe}", "variant": variant}
        row |= {"seeds": len(group), "batches": group[0]["batches"]}
        if gradient:
            each = [_gradient(runs / record["name"]) for record in group]
            row |= {"gradient, start": over_seeds([x for x, _ in each])}
            row |= {"gradient, trained": over_seeds([x for _, x in each])}
        for difficulty in difficulties:
            at = [record["accuracy"][record["difficulty"].index(difficulty)] for record in group
                  if difficulty in record["difficulty"]]  # fmt: skip
            row[str(difficulty)] = over_seeds(at) if at else None
        out.append(row)
    return out


def _gradient(folder: Path) -> tuple[float, float]:
    """What a step back does to the gradient, at the start of training and after it."""
    opened = checkpoint.load(folder)
    task, data = tasks.get(opened.config.task), str(opened.training["data"])
    drawn = task.generate(int(np.max(opened.training["difficulty"])), INSTANCES, data=data, seed=0)
    bench = Bench.of(opened, drawn, STEPS, int(opened.training["seed"]))
    start, trained = (float(highway.way(bench, "", [model]).factor) for model in (bench.untrained, bench.model))
    return start, trained
