"""Fuzzes every parser of the project.

    python -m benchmarks.robustness.fuzz [--inputs 10000] [--parser NAME] [--seed 0] [--json] [--keep runs/fuzz]

Inputs are valid files with some damage, words of the format in any order, and documents that are nearly right, all
drawn by Hypothesis from the seed. An input counts as accepted, as refused in a sentence, or as failed: any other
exception (warnings are raised), a crash, or no answer in 30 seconds. Seconds are of the processor. Memory is the peak
while one input is read above what the process held before it: Hypothesis, in the same process, remembers what it drew.
Inputs that fail are kept. Exits with 1 if a parser fails, takes over 2 seconds or over 512 MiB. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.robustness.fuzz.measure import MAX_MIB, MAX_SECONDS, measure
from benchmarks.robustness.fuzz.parsers import parsers


def main() -> int:
    """Prints a row for each parser."""
    known = list(parsers())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="of each parser (default 10000)")
    parser.add_argument("--parser", action="append", choices=known, help="this one alone; can be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder for inputs that fail")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    if not args.json:
        print(f"{'parser':22}{'accepted':>10}{'refused':>9}{'failed':>8}{'seconds':>9}{'MiB':>7}{'bytes':>9}")
    for name in args.parser or known:
        row = measure(name, args.inputs, args.seed, args.keep)
        rows.append(row)
        if not args.json:
            mark = "" if row.holds else "  <-"
            print(f"{name:22}{row.accepted:10}{row.refused:9}{row.failed:8}{row.seconds:9.2f}{row.mib:7.0f}"
                  f"{row.largest:9}{mark}", flush=True)  # fmt: skip
            for failure in row.failures:
                print(f"    {failure}", flush=True)
    holds = all(row.holds for row in rows)
    if args.json:
        limits = {"seconds": MAX_SECONDS, "mib": MAX_MIB}
        print(json.dumps({"inputs": args.inputs, "seed": args.seed, "limits": limits, "holds": holds,
                          "parsers": [asdict(row) for row in rows]}))  # fmt: skip
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
