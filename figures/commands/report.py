"""`report`: runs an input and writes its linked views as one page that needs no network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path, PurePath

from depthscope.core.commands.arguments import add_one_run
from depthscope.core.errors import InputError

NAME, SUMMARY = "report", "writes the linked views of one run as a single page that needs no network"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_one_run(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="report.html", help="the page")


def run(args: argparse.Namespace) -> None:
    """Runs the input and writes the page, whole or not at all."""
    from depthscope.core import checkpoint, trace
    from depthscope.core.exchange import npz as export
    from depthscope.core.files import atomic
    from depthscope.core.files.strict_json import dumps
    from depthscope.core.tasks import many as lines, read as inputs
    from depthscope.figures.report_page import report
    from depthscope.probes.reading.of_trace import readings

    content = inputs.read(args.input)
    if PurePath(args.input).suffix == ".jsonl":
        raise InputError("a report shows one instance; a .jsonl file holds many")
    opened = checkpoint.load(args.checkpoint, args.device or "cpu")
    filename = None if args.input == inputs.STDIN else PurePath(args.input).name
    instance = lines.parsed(opened.config.task, content, args.source, args.target, filename, args.format)
    recorded = trace.record(opened, instance, args.steps)
    values, notes = readings(opened, recorded)
    atomic.write(args.out, report.page(recorded, opened, values, about=filename or ""))
    for note in notes:
        print(note, file=sys.stderr)
    if args.json:
        told = dict.fromkeys((*instance.notes, *recorded.encoding.notes, *recorded.notes))
        print(dumps(export.answer_object(opened.name, instance, recorded.logits, told) | {"out": str(args.out)}))
    else:
        print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB; open it in a browser")
