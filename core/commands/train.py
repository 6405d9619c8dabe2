"""`train`: trains a recipe; stopped at any moment, `--resume` goes on."""

from __future__ import annotations

import argparse
from pathlib import Path

from depthscope.core.commands.arguments import positive

NAME, SUMMARY = "train", "trains a recipe"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("task", metavar="TASK", help="graph, logic, text, or a task of your own")
    parser.add_argument("--recipe", required=True, help="such as house or paper")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="overrides",
        help="overrides a setting of the recipe, such as alpha=1 or model.gate_bias=null; can be repeated",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the checkpoint is written")
    parser.add_argument("--resume", action="store_true", help="goes on where an earlier run in DIR was stopped")
    parser.add_argument("--max-seconds", type=float, default=None, help="stops, resumably, after so much time")
    parser.add_argument("--threads", type=positive, default=None, help="of torch (default: all cores)")


def run(args: argparse.Namespace) -> None:
    """Trains and says where the checkpoint is."""
    from depthscope.core.files.strict_json import dumps
    from depthscope.core.training.overrides import assignment
    from depthscope.core.training.train import train

    train(
        args.task,
        args.recipe,
        args.out,
        changes=dict(map(assignment, args.overrides)),
        seed=args.seed,
        device=args.device,
        resume=args.resume,
        max_seconds=args.max_seconds,
        threads=args.threads,
    )
    print(dumps({"checkpoint": str(args.out)}) if args.json else f"the checkpoint is in {args.out}")
