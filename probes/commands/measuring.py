"""One command for every instrument: an own instance, a file of many or drawn ones in; a table, JSON or a file out."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthscope.core import checkpoint, frontier
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.commands.arguments import difficulties, positive
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.probes.instrument import Instrument
from depthscope.probes.measuring import instances, results


@dataclass(frozen=True)
class Measuring:
    """The command of an instrument."""

    instrument: Instrument

    @property
    def NAME(self) -> str:  # noqa: N802 - as a module has it
        """Of the command."""
        return self.instrument.name

    @property
    def SUMMARY(self) -> str:  # noqa: N802
        """What it asks."""
        return self.instrument.asks

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Declares the arguments."""
        count = self.instrument.instances
        levels = "to twice the trained" if self.instrument.spread else "the hardest trained"
        parser.add_argument("input", metavar="INPUT", nargs="?", help="a file, many in a .jsonl file, or - for stdin")
        parser.add_argument("--input", dest="lines", metavar="FILE.jsonl", help="the same, one instance a line")
        parser.add_argument("--source", metavar="A", help="name of the source node (graphs)")
        parser.add_argument("--target", metavar="B", help="name of the target node (graphs)")
        parser.add_argument("--format", help="format of the input; default: by its extension")
        parser.add_argument("--difficulty", type=difficulties, help=f"of drawn instances (default: {levels})")
        parser.add_argument("--instances", type=positive, help=f"drawn of each difficulty (default {count})")
        parser.add_argument("--data", choices=("paper", "audited"), help="drawn from (default: audited where it can)")
        parser.add_argument("--steps", type=positive, metavar="T", help="default: what the instances need")
        parser.add_argument("--out", type=Path, metavar="FILE.npz", help="keeps the arrays of the result")
        for flag, keyword, settings in self.instrument.arguments():
            parser.add_argument(flag, dest=keyword, **settings)

    def run(self, args: argparse.Namespace) -> None:
        """Measures, then prints a table or JSON."""
        opened = checkpoint.load(args.checkpoint, args.device)
        reason = self.instrument.unfit(opened)
        if reason is not None:
            raise InputError(f"{self.NAME} does not apply to {opened.name}: {reason}")
        options = {keyword: getattr(args, keyword) for _, keyword, _ in self.instrument.arguments()}
        with bar() as progress:
            given = self._instances(args, opened)
            result = self.instrument(opened, given, steps=args.steps, seed=args.seed, progress=progress, **options)
        if args.out is not None:
            results.save_npz(result, args.out)
        print(dumps(result) if args.json else self.instrument.table(result))

    def _instances(self, args: argparse.Namespace, opened: Checkpoint) -> list[Any]:
        name: str | None = args.input
        if name is None and args.lines is None:
            if args.source is not None or args.target is not None or args.format is not None:
                raise InputError("--source, --target and --format are for an INPUT")
            count = args.instances or self.instrument.instances
            spread = frontier.default_difficulties(opened) if self.instrument.spread else None
            return instances.draw(opened, args.difficulty or spread, count, args.data, args.seed)
        if args.difficulty is not None or args.instances is not None or args.data is not None:
            raise InputError("--difficulty, --instances and --data are for drawn instances, without an INPUT")
        if name is not None and args.lines is None:
            return instances.read(opened, name, args.source, args.target, args.format)
        if (name, args.source, args.target) != (None, None, None):
            raise InputError("--input names a file of many instances: give no INPUT, --source and --target beside it")
        return instances.read_lines(opened, args.lines, args.format)


@contextlib.contextmanager
def bar() -> Iterator[Any]:
    """A progress bar on stderr, as a function of what is done and the total."""
    from tqdm import tqdm

    with tqdm(total=0, disable=None, leave=False) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress
