"""`trivial`: what rules without thought get on the instances that a checkpoint is measured on."""

from __future__ import annotations

import argparse

from depthscope.core.commands.arguments import difficulties, positive

NAME, SUMMARY = "trivial", "what counting and other trivial rules get on the checkpoint's task"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--difficulty", type=difficulties, required=True, help="such as 5, 1-12 or 1,3,8-10")
    parser.add_argument("--instances", type=positive, default=1000, help="for each difficulty (default 1000)")
    parser.add_argument("--data", choices=("paper", "audited"), default="audited", help="default audited")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--scramble", action="store_true", help="texts: the checkpoint itself, its names scrambled")
    instead.add_argument("--where-wrong", action="store_true", help="the checkpoint itself, where each rule is wrong")


def run(args: argparse.Namespace) -> None:
    """Scores the rules, then prints a table or JSON."""
    from depthscope.core import checkpoint
    from depthscope.core.files.strict_json import dumps
    from depthscope.probes.instruments import trivial

    opened = checkpoint.load(args.checkpoint, args.device)
    measure = trivial.scramble if args.scramble else trivial.where_wrong if args.where_wrong else trivial.score
    rules = measure(opened, args.difficulty, args.instances, args.data, args.seed)
    if args.json:
        print(dumps(rules))
        return
    where = f"where a rule is wrong, of {args.instances}" if args.where_wrong else f"{args.instances}"
    print(f"accuracy on {args.data} instances of {opened.config.task}, {where} for each difficulty")
    print(f"{'':>19}" + "".join(f"{d:>22}" for d in args.difficulty))
    for scores in rules:
        cells = (f"{accuracy}" if accuracy.n else "none" for accuracy in scores.accuracy)
        print(f"{scores.rule:>19}" + "".join(f"{cell:>22}" for cell in cells))
