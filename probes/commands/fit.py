"""`fit`: fits linear probes, scores them beside their controls, and stores both with the checkpoint."""

from __future__ import annotations

import argparse

from depthscope.core.commands.arguments import positive
from depthscope.probes.commands.measuring import bar

NAME, SUMMARY = "fit", "fits and stores a linear probe per step"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--concept", metavar="C", help="what is read (default: the task's concept)")
    parser.add_argument(
        "--instances", type=positive, help="drawn to fit and score on (default 1000, fewer for large models)"
    )


def run(args: argparse.Namespace) -> None:
    """Fits, stores, then prints a table or JSON."""
    import torch

    from depthscope.core import checkpoint
    from depthscope.probes.reading import linear_probe

    torch.set_num_threads(1)  # two gain little, and lose much where other programs hold the cores
    opened = checkpoint.load(args.checkpoint, args.device)
    with bar() as progress:
        probe, scores = linear_probe.fit(
            opened, concept=args.concept, seed=args.seed, instances=args.instances, progress=progress
        )
    files = linear_probe.save(opened, probe, scores)
    print(scores.to_json() if args.json else scores.table() + f"\n\nStored in {files[0]} and {files[1].name}.")
