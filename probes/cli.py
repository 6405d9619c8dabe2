"""The command line of the instruments; what each command does is in `probes.commands`, how it may end in `core.cli`."""

from __future__ import annotations

from collections.abc import Sequence

from depthscope.core.cli import Parser, assemble, guarded
from depthscope.probes.commands import fit, trivial
from depthscope.probes.commands.measuring import Measuring
from depthscope.probes.registry import INSTRUMENTS

COMMANDS = (fit, trivial, *map(Measuring, INSTRUMENTS))
"""Modules or objects with NAME, SUMMARY, `add(parser)`, which declares the arguments, and `run(args)`."""


def parser(program: str = "python -m probes") -> Parser:
    """The parser of this part's commands, named as the program that was called."""
    common = Parser(add_help=False)
    common.add_argument("checkpoint", metavar="CKPT", help="name, folder, .safetensors file or owner/name on the hub")
    common.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default cpu)")
    return assemble(program, "Instruments that look inside a checkpoint.", COMMANDS, common)


def main(arguments: Sequence[str] | None = None, program: str = "python -m probes") -> int:
    """Runs one command and returns the exit status."""
    return guarded(parser(program), arguments)
