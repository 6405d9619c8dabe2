"""Runs the benchmarks, each in a process of its own, and compares every figure with its limit and the stored table.

    python -m benchmarks [NAME ...] [--rounds N] [--write] [--json]

Without names all of them run, which takes about three quarters of an hour on two cores. `--write` stores the table
(benchmarks/table.json) and docs/results/speed.md; figures of benchmarks that did not run stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.speed.figure import LOST, Figure
from benchmarks.tables.table import ROOT, Table, keep
from depthscope.core.files.strict_json import dumps

PAGE = ROOT / "docs" / "results" / "speed.md"
NAMES = ("capture", "frontier", "effect_map", "probe_fit", "generation", "growth", "training", "sweep", "browser")
KEPT = Path(__file__).parent / "table.json"


def kept() -> dict[str, dict[str, Any]]:
    """The kept figures by name of the benchmark: {"figures", "machine", "date"}."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def run(name: str, rounds: int | None) -> list[Figure]:
    """The figures of one benchmark, measured in a fresh process."""
    command = [sys.executable, "-m", f"benchmarks.speed.{name}", "--json"]
    command += [] if rounds is None else ["--rounds", str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [Figure(**row) for row in json.loads(done.stdout)]


def machine() -> str:
    """Cores and versions, in words."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "streamlit"))
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"


def table(measured: dict[str, dict[str, Any]]) -> Table:
    """All figures as a table."""
    rows = []
    for name, entry in measured.items():
        for figure in (Figure(**row) for row in entry["figures"]):
            limit = "" if figure.asked is None else f"{'<=' if figure.better == 'less' else '>='} {figure.asked:g}"
            middle = f"{figure.median:.3g} {figure.unit}" if figure.unit != "times" else f"{figure.median:.3g}"
            rows.append({
                "measured": figure.what,
                "median": middle,
                "quartiles": f"{figure.low:.3g}-{figure.high:.3g}",
                "rounds": figure.rounds,
                "limit": limit,
                "met": {None: "", True: "yes", False: "**no**"}[figure.holds],
                "details": figure.details,
                "command": f"`python -m benchmarks.speed.{name}`",
            })  # fmt: skip
    places = dict.fromkeys(f"{entry['machine']} ({entry['date']})" for entry in measured.values())
    return Table(
        name="benchmarks",
        title="Benchmarks",
        command="python -m benchmarks --write",
        notes=(
            "Ratios compare runs that alternate in one process: medians with quartiles, or the range for fewer than "
            "four rounds. Measured on: " + "; ".join(places) + ".",
        ),
        rows=tuple(rows),
    )


def compared(figure: Figure, before: list[dict[str, Any]]) -> str:
    """The figure, and by how much it is worse than the kept one if that is more than it may be."""
    old = next((row["median"] for row in before if row["what"] == figure.what), None)
    if old is None or figure.lost(old) <= LOST:
        return str(figure)
    return f"{figure}\n    WORSE than the kept {old:.3g} by {figure.lost(old):.0%}"


def main() -> None:
    """Measures, compares, and keeps if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--rounds", type=int, help="in place of each benchmark's own")
    parser.add_argument("--write", action="store_true", help="stores the figures and changes docs/results/speed.md")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}")
    before, measured = kept(), {}
    for name in tqdm(args.names or NAMES, disable=None, unit="benchmark"):
        figures = run(name, args.rounds)
        measured[name] = {"figures": figures, "machine": machine(), "date": time.strftime("%Y-%m-%d")}
        if not args.json:
            tqdm.write("\n".join(compared(figure, before.get(name, {}).get("figures", [])) for figure in figures))
    if args.json:
        print(dumps(measured, indent=1))
    if args.write:
        whole = json.loads(dumps({**before, **measured}))
        whole = {name: whole[name] for name in NAMES if name in whole}
        keep(KEPT, whole, PAGE, table(whole))


if __name__ == "__main__":
    main()
