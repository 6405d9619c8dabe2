"""`generate`: instances of a task in its own text format, with label and oracle."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from depthscope.core.commands.arguments import MAX_DIFFICULTY, positive
from depthscope.core.errors import InputError

if TYPE_CHECKING:
    from depthscope.core.tasks.spec import Task

MAX_COUNT = 1_000_000

NAME, SUMMARY = "generate", "instances with their oracle"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("task", metavar="TASK", help="graph, logic, text, or a task of your own")
    parser.add_argument("--difficulty", type=positive, required=True, help="hops, nesting depth, facts on the chain")
    parser.add_argument("--count", type=positive, default=1, help="default 1")
    parser.add_argument("--data", choices=("paper", "audited"), default="audited", help="default audited")


def run(args: argparse.Namespace) -> None:
    """Prints the instances, one after another or as a JSON array."""
    from depthscope.core import tasks
    from depthscope.core.files.strict_json import dumps

    if args.count > MAX_COUNT or args.difficulty > MAX_DIFFICULTY:
        raise InputError(f"at most {MAX_COUNT} instances up to difficulty {MAX_DIFFICULTY} are made at once")
    task = tasks.get(args.task)
    instances = task.generate(args.difficulty, args.count, data=args.data, seed=args.seed)
    if args.json:
        print(dumps([described(task, instance) for instance in instances]))
        return
    for i, instance in enumerate(instances):
        values = described(task, instance)
        print(f"# {args.task} {i + 1}: label {values['label']}, difficulty {args.difficulty}")
        print(f"# oracle: {task.oracle_words(values['oracle'])}")
        print(values["input"].rstrip("\n") + "\n")


def described(task: Task, instance: Any) -> dict[str, Any]:
    """An instance as `trace` reads it from a .jsonl file, with its label and oracle."""
    return {
        "task": task.name,
        "input": task.render(instance),
        **instance.question(),
        "label": instance.label,
        "difficulty": instance.difficulty,
        "oracle": task.oracle(instance),
    }
