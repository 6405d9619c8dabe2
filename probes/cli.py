"""The command line of the instruments; what each command does is in `probes.commands`, how it may end in `core.cli`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from depthscope.core.cli import Parser, assemble, guarded
from depthscope.probes import registry
from depthscope.probes.commands import fit, trivial
from depthscope.probes.commands.measuring import Measuring

OWN = (fit, trivial)
"""Commands that are no instruments; modules with NAME, SUMMARY, `add(parser)` and `run(args)`."""


def parser(program: str = "python -m probes", command: str | None = None) -> Parser:
    """The parser of this part's commands, or of one of them, so that no other has to be imported.

    Args:
        program: Named as it was called.
        command: The only one that is wanted.
    """
    common = Parser(add_help=False)
    common.add_argument("checkpoint", metavar="CKPT", help="name, folder, .safetensors file or owner/name on the hub")
    common.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default cpu)")
    common.add_argument("--instrument", action="append", metavar="MODULE:NAME", help="an instrument of yours")
    wanted = (command,) if command in registry.names() else registry.names()
    commands = () if command in (one.NAME for one in OWN) else [Measuring(registry.get(name)) for name in wanted]
    return assemble(program, "Instruments that look inside a checkpoint.", (*OWN, *commands), common)


def main(arguments: Sequence[str] | None = None, program: str = "python -m probes") -> int:
    """Runs one command and returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)

    def made() -> Parser:
        first = Parser(add_help=False)
        first.add_argument("--instrument", action="append", default=[])
        registry.name_all(first.parse_known_args(words)[0].instrument)
        return parser(program, next((word for word in words if not word.startswith("-")), None))

    return guarded(made, words)
