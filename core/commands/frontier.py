"""`frontier`: accuracy over difficulty x steps, with rates, interval and ceiling."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from depthscope.core.commands.arguments import difficulties, positive

if TYPE_CHECKING:
    from depthscope.core.frontier import Frontier

COLUMNS = 12
"""Steps shown in the table; --json has them all."""

NAME, SUMMARY = "frontier", "accuracy over difficulty x steps"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("checkpoint", metavar="CKPT", help="name, folder, .safetensors file or owner/name on the hub")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--difficulty", type=difficulties, help="such as 5, 1-12 or 1,3,8-10")
    source.add_argument("--input", metavar="FILE.jsonl", help="your own instances, one a line as `trace` reads them")
    parser.add_argument(
        "--steps", type=positive, help="T; all of 1..T are measured (default, for a model that says it: what it needs)"
    )
    parser.add_argument("--instances", type=positive, default=500, help="for each difficulty (default 500)")
    parser.add_argument("--data", choices=("paper", "audited"), default="audited", help="default audited")


def run(args: argparse.Namespace) -> None:
    """Measures, then prints a table or JSON."""
    from tqdm import tqdm

    from depthscope.core import checkpoint, frontier
    from depthscope.core.exchange.npz import frontier_object
    from depthscope.core.files.strict_json import dumps
    from depthscope.core.tasks import many as lines, read as inputs

    opened = checkpoint.load(args.checkpoint, args.device or "cpu")
    with tqdm(unit="instance", disable=None) as bar:

        def progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        if args.input is not None:
            text = inputs.decode(inputs.read(args.input), args.input)
            own = lines.measurable(opened.config, text, args.input)
            steps = args.steps or frontier.needed_steps(opened, own)
            result, of = frontier.measure(opened, own, steps, progress), {"input": args.input}
        else:
            steps = args.steps
            if steps is None:
                groups = frontier.drawn(opened, args.difficulty, args.instances, args.data, args.seed)
                steps = frontier.needed_steps(opened, (x for _, instances in groups for x in instances))
            result = frontier.run(
                opened, args.difficulty, steps, args.instances, args.data, args.seed, progress=progress
            )
            of = {"data": args.data, "seed": args.seed}
    if args.json:
        print(dumps(frontier_object(result, checkpoint=opened.name, task=opened.config.task, **of)))
    else:
        print(table(result, opened.name, of.get("data", "your")))


def table(result: Frontier, name: str, data: str) -> str:
    """Accuracy by difficulty at some of the steps, the ceiling where there is one, and T75."""
    from depthscope.core.frontier import t75

    last = len(result.steps) - 1
    shown = np.unique(np.linspace(0, last, min(COLUMNS, last + 1)).round().astype(int))
    fewest, most = int(result.n.min()), int(result.n.max())
    count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    lines = [f"{name}, accuracy on {data} instances, {count} for each difficulty"]
    lines += _rows(result, result.accuracy, shown, "accuracy")
    if result.ceiling is not None:
        lines += ["", *_rows(result, result.ceiling, shown, "ceiling")]
    arrival = t75(result)
    stays = ", ".join(
        f"{_title(d)}: {t if t > 0 else '-'}" for d, t in zip(result.difficulty, arrival.steps, strict=True)
    )
    lines += ["", f"first T from which accuracy stays at .75 or above (T75): {stays}"]
    if np.isfinite(arrival.slope):
        lines.append(
            f"T75 = {round(arrival.intercept, 2) + 0.0:.2f} + {arrival.slope:.2f} h over {arrival.n} difficulties"
        )
    return "\n".join(lines)


def _title(difficulty: int) -> str:
    return "none" if difficulty < 0 else str(difficulty)


def _rows(result: Frontier, values: np.ndarray, shown: np.ndarray, title: str) -> list[str]:
    head = f"{title:>12}" + "".join(f"{f'T={result.steps[t]}':>7}" for t in shown)
    rows = zip(result.difficulty, values, strict=True)
    return [head, *(f"{_title(d):>12}" + "".join(f"{row[t]:7.3f}" for t in shown) for d, row in rows)]
