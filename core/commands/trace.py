"""`trace`: runs an input and prints label, answer and logit at each step."""

from __future__ import annotations

import argparse
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from core.commands.arguments import add_one_run
from core.errors import InputError

if TYPE_CHECKING:
    from core.checkpoint import Checkpoint

LINES_AT_ONCE = 512

NAME, SUMMARY = "trace", "runs an input, step by step"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_one_run(parser, "a file, many instances in a .jsonl file, or - for stdin")
    parser.add_argument("--out", type=Path, metavar="trace.npz", help="keeps states, attention, gates and readouts")


def run(args: argparse.Namespace) -> None:
    """Prints the answers, and writes the trace if asked to."""
    from core import checkpoint, inputs
    from core.answers import MAX_STEPS

    if args.steps is not None and args.steps > MAX_STEPS:
        raise InputError(f"--steps should be at most {MAX_STEPS} (got {args.steps})")
    content = inputs.read(args.input)
    opened = checkpoint.load(args.checkpoint, args.device or "cpu")
    if PurePath(args.input).suffix == ".jsonl":
        _run_lines(args, opened, inputs.decode(content, args.input))
    else:
        _run_one(args, opened, content)


def _run_one(args: argparse.Namespace, opened: Checkpoint, content: bytes) -> None:
    from core import export, inputs, lines, trace
    from core.plain import dumps

    filename = None if args.input == inputs.STDIN else PurePath(args.input).name
    instance = lines.parsed(opened.config.task, content, args.source, args.target, filename, args.format)
    recorded = trace.record(opened, instance, args.steps)
    if args.out is not None:
        export.save_npz(recorded, args.out)
    notes = dict.fromkeys((*instance.notes, *recorded.encoding.notes, *recorded.notes))
    answer = export.answer_object(opened.name, instance, recorded.logits, notes)
    if args.json:
        print(dumps(answer))
        return
    asked = f", from {answer['source']!r} to {answer['target']!r}" if "source" in answer else ""
    asked = f", {answer['question']!r}" if "question" in answer else asked
    label = "unknown" if answer["label"] is None else answer["label"]
    print(f"{opened.name}{asked}: label {label}, answer {answer['answer']} after {answer['steps']} steps")
    for note in answer["notes"]:
        print(f"- {note}")
    print("step answer     logit")
    for t, logit in enumerate(answer["logits"]):
        print(f"{t:4d} {int(logit > 0):6d} {logit:9.3f}")


def _run_lines(args: argparse.Namespace, opened: Checkpoint, text: str) -> None:
    """Answers every line of a .jsonl file with one JSON object a line; all lines are read before the first is run."""
    from core import lines, tasks
    from core.answers import batches, logits_by_step
    from core.export import answer_object
    from core.plain import dumps
    from core.trace import default_steps, notes_on

    if args.out is not None or args.source is not None or args.target is not None:
        raise InputError("--out, --source and --target are for one instance; in a .jsonl file each line names its own")
    task, config = tasks.get(opened.config.task), opened.config
    instances = [instance for _, instance in lines.read(config.task, text, args.input, args.format)]
    for start in range(0, len(instances), LINES_AT_ONCE):
        part = instances[start : start + LINES_AT_ONCE]
        encodings = [task.encode(instance, config) for instance in part]
        answers: dict[int, str] = {}
        for index in batches(encodings, config.width, config.heads):
            steps = [args.steps or default_steps(opened, part[i]) for i in index]
            logits = logits_by_step(opened, [encodings[i] for i in index], max(steps))
            for column, (i, last) in enumerate(zip(index, steps, strict=True)):
                notes = dict.fromkeys((*part[i].notes, *encodings[i].notes, *notes_on(opened, last)))
                answers[int(i)] = dumps(answer_object(opened.name, part[i], logits[: last + 1, column], notes))
        for i in range(len(part)):
            print(answers[i])
