"""`generate`: instances of a task in its own text format, with label and oracle."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from depthscope.core.arguments import MAX_DIFFICULTY, positive
from depthscope.core.errors import InputError

MAX_COUNT = 1_000_000

NAME, SUMMARY = "generate", "instances with their oracle"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("task", metavar="TASK", help="graph, logic or text")
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
        print(f"# oracle: {_sentence(values['oracle'])}")
        print(values["input"].rstrip("\n") + "\n")


def described(task: Any, instance: Any) -> dict[str, Any]:
    """An instance as `trace` reads it from a .jsonl file, with its label and oracle."""
    values: dict[str, Any] = {"task": instance.task, "input": task.render(instance)}
    if instance.task == "graph":
        values |= {"source": instance.names[instance.source], "target": instance.names[instance.target]}
    return {**values, "label": instance.label, "difficulty": instance.difficulty, "oracle": oracle(instance)}


def oracle(instance: Any) -> dict[str, Any]:
    """What is true of an instance, and from which step it can be known."""
    from depthscope.core.encoding import NEVER

    if instance.task == "graph":
        distance = [int(d) if d >= 0 else None for d in instance.distance]
        known = {"concept": instance.concept, "distance": dict(zip(instance.names, distance, strict=True))}
    elif instance.task == "text":
        joined = instance.distance >= 0
        known = {
            "concept": instance.concept,
            "from": instance.names[instance.query[0]],
            "facts": _by_name(instance.names, instance.distance, joined),
            "offset": _by_name(instance.names, instance.offset, joined),
        }
    else:
        known = {
            "concept": instance.concept,
            "token": instance.position,
            "value": instance.value,
            "step": instance.decided_from,
            "kappa": instance.kappa,
        }
    first = instance.first_decidable_step()
    return {**known, "first_decidable_step": None if first == NEVER else first}


def _by_name(names: tuple[str, ...], values: np.ndarray, joined: np.ndarray) -> dict[str, int | None]:
    """Name to value; None for those whom nothing joins to the question."""
    return {name: int(v) if has else None for name, v, has in zip(names, values, joined, strict=True)}


def _sentence(known: dict[str, Any]) -> str:
    if "offset" in known:
        steps = [known["facts"][name] for name in known["offset"]]
        far = ", ".join(
            f"{name} -" if step is None else f"{name} {step} {offset:+d}".replace("+0", "0")
            for (name, offset), step in zip(known["offset"].items(), steps, strict=True)
        )
        return f"facts and generations from {known['from']}: {far}; decidable from step {known['first_decidable_step']}"
    if "distance" in known:
        far = ", ".join(f"{name} {'-' if d is None else d}" for name, d in known["distance"].items())
        return f"hops from the source: {far}; decidable from step {known['first_decidable_step']}"
    values = "".join(str(int(v)) for v in known["value"])
    return (
        f"values of the subformulas in the order of their operators and atoms: {values}; "
        f"kappa {known['kappa']}; decidable from step {known['first_decidable_step']}"
    )
