"""`list`: the shipped checkpoints."""

from __future__ import annotations

import argparse
from typing import Any

NAME, SUMMARY = "list", "the shipped checkpoints"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments: none of its own."""


def run(args: argparse.Namespace) -> None:
    """Prints one line a checkpoint."""
    from depthscope.core.checkpoint import available
    from depthscope.core.files.strict_json import dumps

    entries = available()
    if args.json:
        print(dumps(entries))
        return
    if not entries:
        print("no checkpoints yet: train one with `depthscope train`")
        return
    rows = [["name", "task", "recipe", "parameters", "difficulty", "steps", "sha256"]]
    for entry in entries:
        trained = [_range(entry[key]) for key in ("difficulty", "steps")]
        size = "?" if entry["parameters"] is None else f"{entry['parameters']:,}"
        rows.append([entry["name"], entry["task"], entry["recipe"], size, *trained, str(entry["sha256"])[:12]])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _range(bounds: Any) -> str:
    return "-".join(str(bound) for bound in bounds) if isinstance(bounds, list) else "?"
