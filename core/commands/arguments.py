"""Types of arguments that several commands take, checked where they enter."""

from __future__ import annotations

import argparse

MAX_DIFFICULTIES, MAX_DIFFICULTY = 1000, 100_000


def positive(text: str) -> int:
    """A whole number from 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 10**9:
        raise argparse.ArgumentTypeError(f"should be a whole number from 1 (got {text!r:.40})")
    return value


def difficulties(text: str) -> list[int]:
    """Difficulties as `5`, `1-12` or `1,3,8-10`, without repeats."""
    levels: list[int] = []
    for part in text.split(","):
        low, dash, high = part.partition("-")
        try:
            first, last = int(low), int(high if dash else low)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"should be numbers such as 5, 1-12 or 1,3,8-10 (got {text!r:.40})"
            ) from None
        if not 1 <= first <= last <= MAX_DIFFICULTY or last - first >= MAX_DIFFICULTIES:
            raise argparse.ArgumentTypeError(f"{part!r:.40} is not a range from 1 upwards")
        levels += [value for value in range(first, last + 1) if value not in levels]
        if len(levels) > MAX_DIFFICULTIES:
            raise argparse.ArgumentTypeError(f"at most {MAX_DIFFICULTIES} difficulties are measured at once")
    return levels


def add_one_run(parser: argparse.ArgumentParser, what: str = "a file, or - for stdin") -> None:
    """Declares a checkpoint, an input and how it is read and run.

    Args:
        parser: Of the command.
        what: What the input may be.
    """
    parser.add_argument("checkpoint", metavar="CKPT", help="name, folder, .safetensors file or owner/name on the hub")
    parser.add_argument("input", metavar="INPUT", help=what)
    parser.add_argument("--source", metavar="A", help="name of the source node (graphs)")
    parser.add_argument("--target", metavar="B", help="name of the target node (graphs)")
    parser.add_argument("--steps", type=positive, metavar="T", help="default: what the instance needs, and some more")
    parser.add_argument("--format", help="format of the input; default: by its extension")
