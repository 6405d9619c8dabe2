"""`sweep`: makes the runs of a plan with several workers; the same command again goes on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from depthscope.core.commands.arguments import positive
from depthscope.core.errors import InputError

NAME, SUMMARY = "sweep", "trains and measures the runs of a plan"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "plan", type=Path, nargs="?", metavar="PLAN", help="TOML or JSON; core/sweeps/plan.py shows one"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder each run, and their records")
    parser.add_argument("--workers", type=positive, default=2, help="processes (default 2)")
    parser.add_argument("--threads", type=positive, default=1, help="of torch, in each worker (default 1)")
    parser.add_argument("--backend", choices=("processes", "dask"), default="processes",
                        help="default: processes of this machine")  # fmt: skip
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that sees DIR (default: one here)")
    parser.add_argument("--show", type=Path, metavar="DIR", help="prints the records of a sweep, and does nothing else")


def run(args: argparse.Namespace) -> None:
    """Makes what is not made yet, then prints the records."""
    if args.show is not None:
        from depthscope.core.sweeps.records import records

        if args.plan is not None or args.out is not None:
            raise InputError("--show takes the folder of a sweep and no plan")
        _print(records(args.show), args.json)
        return
    if args.plan is None or args.out is None:
        raise InputError("a sweep needs a PLAN and --out DIR (see depthscope sweep --help)")
    if args.scheduler is not None and args.backend != "dask":
        raise InputError("--scheduler is for --backend dask")
    from depthscope.core.sweeps import run as sweep

    result = sweep.run(
        sweep.read_plan(args.plan),
        args.out,
        workers=args.workers,
        backend=args.backend,
        scheduler=args.scheduler,
        threads=args.threads,
        device=args.device,
    )
    _print(result, args.json)
    wrong = [record for record in result if record["status"] != "done"]
    if wrong:
        why = wrong[0]["error"] or "it was stopped"
        raise InputError(f"{len(wrong)} of {len(result)} runs are not done; {wrong[0]['name']}: {why.splitlines()[-1]}")


def _print(result: list[dict[str, Any]], as_json: bool) -> None:
    from depthscope.core.files.strict_json import dumps
    from depthscope.core.sweeps.records import line

    if as_json:
        print(dumps(result))
        return
    for record in result:
        print(line(record))
