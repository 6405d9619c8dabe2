"""`frontier`: accuracy over difficulty x steps, with rates, interval and ceiling."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from core.commands.arguments import difficulties, positive

if TYPE_CHECKING:
    from core.frontier import Frontier

COLUMNS = 12
"""Steps shown in the table; --json has them all."""

NAME, SUMMARY = "frontier", "accuracy over difficulty x steps"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("checkpoint", metavar="CKPT", help="name, folder, .safetensors file or owner/name on the hub")
    parser.add_argument("--difficulty", type=difficulties, required=True, help="such as 5, 1-12 or 1,3,8-10")
    parser.add_argument(
        "--steps", type=positive, help="T; all of 1..T are measured (default, for a model that says it: what it needs)"
    )
    parser.add_argument("--instances", type=positive, default=500, help="for each difficulty (default 500)")
    parser.add_argument("--data", choices=("paper", "audited"), default="audited", help="default audited")


def run(args: argparse.Namespace) -> None:
    """Measures, then prints a table or JSON."""
    from tqdm import tqdm

    from core import checkpoint, frontier
    from core.plain import dumps

    opened = checkpoint.load(args.checkpoint, args.device or "cpu")
    with tqdm(total=args.instances * len(args.difficulty), unit="instance", disable=None) as bar:

        def progress(done: int, _: int) -> None:
            bar.update(done - bar.n)

        steps = args.steps or frontier.needed_steps(opened, args.difficulty, args.instances, args.data, args.seed)
        result = frontier.run(opened, args.difficulty, steps, args.instances, args.data, args.seed, progress=progress)
    if args.json:
        about = {"checkpoint": opened.name, "task": opened.config.task, "data": args.data, "seed": args.seed}
        print(dumps({**vars(result), **about}))
    else:
        print(table(result, opened.name, args.data))


def table(result: Frontier, name: str, data: str) -> str:
    """Accuracy by difficulty at some of the steps, and the ceiling where there is one."""
    last = len(result.steps) - 1
    shown = np.unique(np.linspace(0, last, min(COLUMNS, last + 1)).round().astype(int))
    lines = [f"{name}, accuracy on {data} instances, {int(result.n.min())} for each difficulty"]
    lines += _rows(result, result.accuracy, shown, "accuracy")
    if result.ceiling is not None:
        lines += ["", *_rows(result, result.ceiling, shown, "ceiling")]
    return "\n".join(lines)


def _rows(result: Frontier, values: np.ndarray, shown: np.ndarray, title: str) -> list[str]:
    head = f"{title:>12}" + "".join(f"{f'T={result.steps[t]}':>7}" for t in shown)
    rows = zip(result.difficulty, values, strict=True)
    return [head, *(f"{d:>12}" + "".join(f"{row[t]:7.3f}" for t in shown) for d, row in rows)]
