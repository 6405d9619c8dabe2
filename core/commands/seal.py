"""`seal`: accepts the files of a checkpoint as they are, after a change that is yours."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME, SUMMARY = "seal", "accepts changed files of a checkpoint: writes its digests anew"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="of the checkpoint")


def run(args: argparse.Namespace) -> None:
    """Writes the index anew, opens the checkpoint, and says what it covers."""
    from depthscope.core import checkpoint
    from depthscope.core.files.strict_json import dumps

    covered = checkpoint.seal(args.folder)
    checkpoint.load(args.folder, args.device or "cpu")
    if args.json:
        print(dumps({"checkpoint": str(args.folder), "sha256": covered}))
        return
    for name, digest in covered.items():
        print(f"{digest}  {name}")
