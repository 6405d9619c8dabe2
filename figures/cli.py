"""The command line of the figures; what each command does is in `figures.commands`, how it may end in `core.cli`."""

from __future__ import annotations

from collections.abc import Sequence

from depthscope.core.cli import Parser, assemble, guarded
from depthscope.figures.commands import report

COMMANDS = (report,)
"""Modules with NAME, SUMMARY, `add(parser)`, which declares the arguments, and `run(args)`."""


def parser(program: str = "python -m figures") -> Parser:
    """The parser of this part's commands, named as the program that was called."""
    common = Parser(add_help=False)
    common.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default cpu)")
    return assemble(program, "Figures to take away.", COMMANDS, common)


def main(arguments: Sequence[str] | None = None, program: str = "python -m figures") -> int:
    """Runs one command and returns the exit status."""
    return guarded(lambda: parser(program), arguments)
