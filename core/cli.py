"""The command line: arguments in, one exit status out. What each command does is in `core.commands`.

Whatever a user can cause ends as one line on stderr and exit status 2; Ctrl-C ends with 130. Results go to stdout,
progress and logs to stderr.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from depthscope.core import tasks
from depthscope.core.commands import check, frontier, generate, importing, listing, seal, sweep, trace, train
from depthscope.core.errors import InputError
from depthscope.core.files import atomic

COMMANDS = (listing, trace, frontier, generate, train, sweep, importing, check, seal)
"""Modules with NAME, SUMMARY, `add(parser)`, which declares the arguments, and `run(args)`; they import torch late."""

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 130, 141


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong and leaves."""
        print(f"error: {one_line(message)} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(BAD_INPUT)


def one_line(message: object) -> str:
    """A message without line breaks and control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(message)).split())


def parser(program: str = "python -m core") -> Parser:
    """The parser of this part's commands, named as the program that was called."""
    common = Parser(add_help=False)
    common.add_argument("--device", default=None, help="cpu, cuda, cuda:1, ... (default: cpu; train: a GPU if any)")
    return assemble(program, "Trace, measure, generate, train and import recurrent reasoners.", COMMANDS, common)


def assemble(program: str, description: str, modules: Sequence[Any], common: Parser) -> Parser:
    """The parser of a program with one command a module.

    Args:
        program: How it is called.
        description: What it is for.
        modules: Its commands, as in `COMMANDS`.
        common: Arguments that all of them take; --json, --seed, --adapter and --task are added here.
    """
    common.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="MODULE:CLASS",
        help="a recurrent model of yours, whose checkpoints may be opened; can be given again",
    )
    common.add_argument("--json", action="store_true", help="print results as JSON")
    common.add_argument("--seed", type=int, default=0, help="of everything that is random (default 0)")
    top = Parser(prog=program, description=description)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in modules:
        command = commands.add_parser(
            module.NAME,
            parents=[common],
            help=module.SUMMARY,
            description=module.SUMMARY.capitalize() + ".",
        )
        module.add(command)
        with suppress(argparse.ArgumentError):  # a command whose own --task says something else has that one
            command.add_argument(
                "--task",
                action="append",
                metavar="MODULE:TASK",
                dest="own_tasks",
                help="a task of yours, whose checkpoints may be opened; can be given again",
            )
        command.set_defaults(run=module.run, own_tasks=[])
    return top


def main(arguments: Sequence[str] | None = None, program: str = "python -m core") -> int:
    """Runs one command and returns the exit status."""
    return guarded(lambda: parser(program), arguments)


def guarded(made: Callable[[], argparse.ArgumentParser], arguments: Sequence[str] | None = None) -> int:
    """Runs the command that a parser's `run` default names; what a user can cause becomes one line and a status."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no reason to stop
    try:
        args = made().parse_args(arguments)
        _name(args.own_tasks, args.adapter)
        args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has left
        _silence(sys.stdout)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit:  # after --help, or a complaint
        if not _flushed():
            return _refuse(f"the output cannot be written: {atomic.FULL}")
        raise
    except InputError as error:
        return _refuse(error)
    except OSError as error:
        if error.filename is None and error.errno in atomic.REASONS:
            _flushed()
            return _refuse(f"the output cannot be written: {atomic.reason(error)}")
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error)
    except MemoryError:
        return _refuse("there is not enough memory for this")
    except RuntimeError as error:
        if not _out_of_memory(error):
            raise
        return _refuse("there is not enough memory for this; fewer steps or a smaller input need less")
    return 0


def _flushed() -> bool:
    """Whether all that was printed could be written; what could not is given up, so that the end is silent."""
    try:
        sys.stdout.flush()
    except OSError:
        _silence(sys.stdout)
        return False
    return True


def _silence(stream: TextIO) -> None:
    """Lets what a stream still holds go nowhere, so that the end of the program does not stumble on it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _name(own_tasks: list[str], adapters: list[str]) -> None:
    """Imports what the user named, before anything is opened; torch only comes along if there is something."""
    tasks.name_all(own_tasks)
    if adapters or os.environ.get("DEPTHSCOPE_ADAPTERS"):
        from depthscope.core.kinds import name_all

        name_all(adapters)


def _refuse(message: object) -> int:
    try:
        print(f"error: {one_line(message)}", file=sys.stderr, flush=True)
    except OSError:  # stderr goes to the disk that is full
        _silence(sys.stderr)
    return BAD_INPUT


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed to allocate; it has no exception of its own for that on the CPU."""
    text = str(error).lower()
    return "out of memory" in text or "allocate memory" in text or "not enough memory" in text
