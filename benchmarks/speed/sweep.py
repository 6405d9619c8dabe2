"""Time of a plan of short trainings with one worker against two, from the first to the last line of the command.

    python -m benchmarks.speed.sweep [--rounds 3] [--json]

Each round makes all runs anew, once with each number of workers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed.figure import Figure, in_turn, main, ratio

PLAN = Path(__file__).parents[1] / "plans" / "eight-short.toml"


def swept(workers: int) -> None:
    """Runs the plan in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "core", "sweep", str(PLAN), "--workers", str(workers), "--out", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})


def measure(rounds: int) -> Sequence[Figure]:
    """How many times faster two workers are."""
    took = in_turn({"one worker": lambda: swept(1), "two": lambda: swept(2)}, rounds, warm=0)
    what = f"one worker over two, sweep of eight short runs, {os.cpu_count()} cores"
    return [ratio(what, took, "one worker", "two", "more", 1.8)]


if __name__ == "__main__":
    main(measure, __doc__, 3)
