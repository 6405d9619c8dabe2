"""Time of a plan with one worker against the same plan with several, from the first to the last line of the command.

    python -m benchmarks.sweep [PLAN] [--workers 2] [--rounds 3] [--json]

Each round makes all runs anew, once with one worker and once with several, in turn; the figure is the median of the
ratios of the rounds. Whatever else the machine does shows in it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAN = Path(__file__).parent / "plans" / "eight-short.toml"


def timed(plan: Path, workers: int) -> float:
    """Seconds that the command takes in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "core", "sweep", str(plan), "--workers", str(workers), "--out", folder]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
        return time.perf_counter() - start


def ratios(plan: Path, workers: int, rounds: int) -> dict[str, float]:
    """Median, least and greatest ratio over the rounds, and the median seconds of each side."""
    took: dict[int, list[float]] = {1: [], workers: []}
    for i in range(rounds):
        for count in (1, workers) if i % 2 == 0 else (workers, 1):
            took[count].append(timed(plan, count))
    found = [one / several for one, several in zip(took[1], took[workers], strict=True)]
    seconds = {"one": statistics.median(took[1]), "several": statistics.median(took[workers])}
    return {"median": statistics.median(found), "low": min(found), "high": max(found), **seconds}


def main() -> None:
    """Prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path, nargs="?", default=PLAN, metavar="PLAN")
    parser.add_argument("--workers", type=int, default=2, choices=range(2, 65), metavar="N", help="default 2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    row = ratios(args.plan, args.workers, args.rounds)
    if args.json:
        print(json.dumps(row))
        return
    print(f"{args.plan.name}, one worker / {args.workers} workers, {args.rounds} rounds on {os.cpu_count()} cores")
    print(f"median {row['median']:.2f}  from {row['low']:.2f} to {row['high']:.2f}"
          f"  ({row['one']:.0f} s, {row['several']:.0f} s)")  # fmt: skip


if __name__ == "__main__":
    main()
