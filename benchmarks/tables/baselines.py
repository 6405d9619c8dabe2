"""Table 3: baselines of equal compute, and rules without thought, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.tables import ablations
from benchmarks.tables.table import ROOT, Share, Table, even
from depthscope.core import checkpoint
from depthscope.core.sweeps.plan import read_plan
from depthscope.probes.instruments import trivial

PLAN = "benchmarks/plans/baselines.toml"

RULES = {
    "graph-house": range(1, 13),
    "logic-house-tree": (2, 4, 6, 8, 12, 16),
    "text-house-tokens": (2, 3, 4, 5, 8, 10),
}
"""Where the rules of each task are scored, at the difficulties of the plan."""


def make(runs: Path, instances: int, seed: int) -> Table:
    """Reads the sweep, as far as it has run beside the rows that are kept, and scores the rules."""
    made = ablations.with_kept(ablations.rows(runs, gradient=False), "baselines")
    planned = list(dict.fromkeys(f"{run.task} {run.recipe}" for run in read_plan(ROOT / PLAN)))
    rows = [row for _, row in sorted(made.items(), key=lambda item: planned.index(item[0][0]))]
    for name, difficulties in RULES.items():
        opened = checkpoint.load(name)
        for rule in trivial.score(opened, list(difficulties), instances, "audited", seed):
            row: dict[str, Any] = {"recipe": opened.config.task, "variant": f"rule: {rule.rule}"}
            for difficulty, x in zip(rule.difficulty, rule.accuracy, strict=True):
                row[str(difficulty)] = Share(float(x.value), float(x.low), float(x.high), int(x.n))
            rows.append(row)
    return Table(
        name="baselines",
        title="Table 3. Baselines",
        command=f"depthscope sweep {PLAN} --out runs/baselines && "
        f"python -m benchmarks.tables baselines --runs runs/baselines --instances {instances} --seed {seed}",
        notes=(
            "Task, data, loss, batches, batch size, width and T are those of the house recipe. Models: median over "
            "seeds (minimum-maximum where they differ); rules: accuracy with its 95% interval.",
        ),
        rows=even(rows),
    )
