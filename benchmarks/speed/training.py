"""Time until a perfect staircase: from the start of the training command to accuracy .99 at 1 to 12 hops.

    python -m benchmarks.speed.training [--rounds 3] [--json]

Trains `graph house` (hops 1 to 5) from a different seed each round, as the command line does, validation and start of
Python included. The staircase is there at the first validation in which every bucket of 1 to 12 hops is at .99; the
whole run, with its weights written, is a figure of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed.figure import Figure, absolute, main

PERFECT = 0.99


def trained(seed: int) -> tuple[float, float]:
    """Seconds to the staircase and to the end; the first is infinite if it never came."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "core", "train", "graph", "--recipe", "house", "--seed", str(seed)]
        start = time.perf_counter()
        subprocess.run([*command, "--out", folder], check=True, capture_output=True)
        whole = time.perf_counter() - start
        metrics = json.loads((Path(folder) / "metrics.json").read_text())
    log = metrics["validation"]
    before = whole - log[-1]["seconds"]  # what the log's clock does not see: the start of Python, the end
    perfect = [row["seconds"] for row in log if min(row["accuracy"].values()) >= PERFECT]
    return (before + perfect[0] if perfect else float("inf")), whole


def measure(rounds: int) -> Sequence[Figure]:
    """Seconds to the staircase and of the whole run."""
    runs = [trained(seed) for seed in range(rounds)]
    return [
        absolute("training to a perfect staircase, 1-12 hops", [x for x, _ in runs], "s", "less", 40),
        absolute("the whole training run", [x for _, x in runs], "s", "less", None),
    ]


if __name__ == "__main__":
    main(measure, __doc__, 3)
