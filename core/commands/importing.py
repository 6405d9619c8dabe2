"""`import`: turns weights in the paper's released format into a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME, SUMMARY = "import", "weights of the paper's release become a checkpoint"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE.pt", help="a state dict as the paper's code saves it")
    parser.add_argument("--task", required=True, choices=("graph", "logic", "text"))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the checkpoint is written")


def run(args: argparse.Namespace) -> None:
    """Imports, saves, opens again, and says what came in."""
    from depthscope.core import checkpoint
    from depthscope.core.exchange.paper_import import convert
    from depthscope.core.files.strict_json import dumps

    name = args.out.resolve().name
    notes = convert(args.file, args.task, args.out, name)
    opened = checkpoint.load(args.out)
    if args.json:
        about = {"name": name, "task": args.task, "parameters": opened.n_parameters, "sha256": opened.sha256}
        print(dumps({**about, "checkpoint": str(args.out), "notes": notes}))
        return
    print(f"{args.file} is now the checkpoint {args.out} ({opened.n_parameters:,} parameters)")
    for note in notes:
        print(f"- {note}")
