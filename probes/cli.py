"""The command line of the instruments; what each command does is in `probes.commands`, how it may end in `core.cli`."""

from __future__ import annotations

from collections.abc import Sequence

from core.cli import Parser, guarded
from probes.commands import fit

COMMANDS = (fit,)
"""Modules with NAME, SUMMARY, `add(parser)`, which declares the arguments, and `run(args)`; they import torch late."""


def parser() -> Parser:
    """The parser of `python -m probes`."""
    common = Parser(add_help=False)
    common.add_argument("checkpoint", metavar="CKPT", help="name, folder, .safetensors file or owner/name on the hub")
    common.add_argument("--json", action="store_true", help="print results as JSON")
    common.add_argument("--seed", type=int, default=0, help="of everything that is random (default 0)")
    common.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default cpu)")
    top = Parser(prog="python -m probes", description="Instruments that look inside a checkpoint.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        command = commands.add_parser(
            module.NAME, parents=[common], help=module.SUMMARY, description=module.SUMMARY.capitalize() + "."
        )
        module.add(command)
        command.set_defaults(run=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    return guarded(parser(), arguments)
