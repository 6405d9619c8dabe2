"""Remakes one table of docs/results/tables.md and prints it; `--write` also stores it, there and as JSON.

python -m benchmarks.tables grids|ablations|baselines|interfaces|names [--instances N] [--seed S] [--write]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks.tables import ablations, baselines, grids, interfaces, names
from benchmarks.tables.table import KEPT, PAGE, Table, keep


def main() -> None:
    """Makes the requested table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("grids", "ablations", "baselines", "interfaces", "names"))
    parser.add_argument("--task", choices=("graph", "logic", "text"), help="grids: one task alone")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="ablations, baselines: folder of the sweep")
    parser.add_argument("--instances", type=int, default=500, help="for each difficulty (default 500)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="stores the JSON and changes docs/results/tables.md")
    args = parser.parse_args()
    if args.table in ("ablations", "baselines") and args.runs is None:
        parser.error(f"{args.table} are read from a sweep: --runs DIR")
    makers: dict[str, Callable[[], Table]] = {
        "grids": lambda: grids.make(args.instances, args.seed, args.task),
        "ablations": lambda: ablations.make(args.runs),
        "baselines": lambda: baselines.make(args.runs, args.instances, args.seed),
        "interfaces": lambda: interfaces.make(args.instances, args.seed),
        "names": lambda: names.make(args.instances, args.seed),
    }
    table = makers[args.table]()
    name = table.name if args.task is None else f"{table.name}-{args.task}"
    print(table.markdown())
    if args.write:
        keep(KEPT / f"{name}.json", table, PAGE, table, name)


if __name__ == "__main__":
    main()
