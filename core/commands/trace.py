"""`trace`: runs an input and prints label, answer and logit at each step."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from depthscope.core.commands.arguments import add_one_run
from depthscope.core.errors import InputError

if TYPE_CHECKING:
    from depthscope.core.checkpoint import Checkpoint

NAME, SUMMARY = "trace", "runs an input, step by step"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_one_run(parser, "a file, many instances in a .jsonl file, or - for stdin")
    parser.add_argument("--out", type=Path, metavar="trace.npz", help="keeps states, attention, gates and readouts")
    parser.add_argument(
        "--keep",
        type=kept,
        metavar="NAMES",
        help="which of hidden,attention,gate,readout go into --out (default: all)",
    )


def kept(text: str) -> tuple[str, ...]:
    """Names of arrays, checked later against those a trace has."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def run(args: argparse.Namespace) -> None:
    """Prints the answers, and writes the trace if asked to."""
    from depthscope.core import checkpoint
    from depthscope.core.answers import MAX_STEPS
    from depthscope.core.tasks import read as inputs

    if args.steps is not None and args.steps > MAX_STEPS:
        raise InputError(f"--steps should be at most {MAX_STEPS} (got {args.steps})")
    many = PurePath(args.input).suffix == ".jsonl"
    content = b"" if many else inputs.read(args.input)
    opened = checkpoint.load(args.checkpoint, args.device or "cpu")
    if many:
        _run_lines(args, opened)
    else:
        _run_one(args, opened, content)


def _run_one(args: argparse.Namespace, opened: Checkpoint, content: bytes) -> None:
    from depthscope.core import trace
    from depthscope.core.encoding import SPARSE_ABOVE
    from depthscope.core.exchange import npz as export
    from depthscope.core.files.strict_json import dumps
    from depthscope.core.tasks import many as lines, read as inputs

    filename = None if args.input == inputs.STDIN else PurePath(args.input).name
    instance = lines.parsed(opened.config.task, content, args.source, args.target, filename, args.format)
    keep = trace.KEPT if args.keep is None else args.keep
    if unknown := [name for name in keep if name not in trace.KEPT]:
        raise InputError(f"--keep takes {', '.join(trace.KEPT)} (got {unknown[0]!r:.40})")
    if args.keep is not None and args.out is None:
        raise InputError("--keep says what goes into a file; name the file with --out")
    steps = trace.default_steps(opened, instance) if args.steps is None else args.steps
    if args.out is None and getattr(instance, "n_nodes", 0) > SPARSE_ABOVE:
        keep = ()  # nobody looks at more than the answers
    recorded = trace.record(opened, instance, steps, keep)
    if args.out is not None:
        export.save_npz(recorded, args.out)
    notes = dict.fromkeys((*instance.notes, *recorded.encoding.notes, *recorded.notes))
    answer = export.answer_object(opened.name, instance, recorded.logits, notes)
    if args.json:
        print(dumps(answer))
        return
    question = f", from {answer['source']!r} to {answer['target']!r}" if "source" in answer else ""
    question = f", {answer['question']!r}" if "question" in answer else question
    label = "unknown" if answer["label"] is None else answer["label"]
    print(f"{opened.name}{question}: label {label}, answer {answer['answer']} after {answer['steps']} steps")
    for note in answer["notes"]:
        print(f"- {note}")
    print("step answer     logit")
    for t, logit in enumerate(answer["logits"]):
        print(f"{t:4d} {int(logit > 0):6d} {logit:9.3f}")


def _run_lines(args: argparse.Namespace, opened: Checkpoint) -> None:
    """Answers every line of a .jsonl file with one JSON object a line, as batches are done.

    The file is read twice: a line that is wrong is said before the first is run, and none but those of the current
    batches is in memory.
    """
    from tqdm import tqdm

    from depthscope.core.answer_many import answered
    from depthscope.core.files.strict_json import dumps
    from depthscope.core.tasks import many as lines, read as inputs

    if any(x is not None for x in (args.out, args.keep, args.source, args.target)):
        raise InputError(
            "--out, --keep, --source and --target are for one instance; in a .jsonl file each line names its own"
        )
    task, path = opened.config.task, inputs.path(args.input)
    if path.is_fifo():
        raise InputError(f"{args.input!r:.80} is a pipe, but lines are read twice; write them to a file first")
    total = sum(1 for _ in lines.stream(task, path, args.format))
    instances = (instance for _, instance in lines.stream(task, path, args.format))
    quiet = True if sys.stdout.isatty() else None  # a bar among the answers would break them up
    with tqdm(total=total, unit="instance", disable=quiet) as bar:

        def progress(done: int) -> None:
            bar.update(done - bar.n)

        for answer in answered(opened, instances, args.steps, progress):
            sys.stdout.write(dumps(answer) + "\n")  # in one piece, also when the user stops the work
            sys.stdout.flush()
