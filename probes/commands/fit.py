"""`fit`: fits linear probes, scores them beside their controls, and stores both with the checkpoint."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from depthscope.core.arguments import positive

if TYPE_CHECKING:
    from depthscope.probes.reading.scores import AcrossSteps, ProbeScores, StepScores

NAME, SUMMARY = "fit", "fits and stores a linear probe per step"

CONTROLS = {"untrained": "untrained", "embedding": "h[0]", "features": "features", "control_task": "control task"}
SHOWN = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24)
"""Steps in the table, beside the last; --json has them all."""

CROSSED = (1, 2, 4, 8, 12, 16, 24)
"""Steps in the table of probes read at other steps, beside the last."""


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--concept", metavar="C", help="what is read (default: the task's concept)")
    parser.add_argument(
        "--instances", type=positive, help="drawn to fit and score on (default 1000, fewer for large models)"
    )


def run(args: argparse.Namespace) -> None:
    """Fits, stores, then prints a table or JSON."""
    import torch
    from tqdm import tqdm

    from depthscope.core import checkpoint
    from depthscope.probes.reading import linear_probe

    torch.set_num_threads(1)  # two gain little, and lose much where other programs hold the cores
    opened = checkpoint.load(args.checkpoint, args.device)
    with tqdm(unit="part", disable=None) as bar:

        def progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        probe, scores = linear_probe.fit(
            opened, concept=args.concept, seed=args.seed, instances=args.instances, progress=progress
        )
    files = linear_probe.save(opened, probe, scores)
    print(scores.to_json() if args.json else table(scores) + f"\n\nStored in {files[0]} and {files[1].name}.")


def table(scores: ProbeScores) -> str:
    """Balanced accuracy at some of the steps, the controls beside it, for each set of nodes."""
    seen = f"fitted on {scores.n_train:,} nodes of {scores.data} instances"
    parts = [f"{scores.checkpoint}: {scores.meaning!r}, balanced accuracy; {seen}"]
    if scores.constant:
        parts.append(f"one class alone at steps {', '.join(map(str, scores.constant))}: a constant, not a probe")
    return "\n\n".join([*parts, *(_block(test) for test in scores.tests.values()), _square(scores.across)])


def _block(test: StepScores) -> str:
    lines = [f"{test.title}: {test.n_test:,} nodes of {test.n_instances:,} instances"]
    lines.append(f"{'step':>6}{'accuracy':>10}{'95% interval':>16}" + "".join(f"{x:>14}" for x in CONTROLS.values()))
    last = len(test.accuracy) - 1
    for t in (*(t for t in SHOWN if t < last), last):
        if np.isnan(test.accuracy[t]):
            continue
        beside = "".join(f"{test.controls[name][t]:14.3f}" for name in CONTROLS)
        lines.append(f"{t:>6}{test.accuracy[t]:10.3f}{f'[{test.low[t]:.3f}, {test.high[t]:.3f}]':>16}{beside}")
    return "\n".join(lines)


def _square(found: AcrossSteps) -> str:
    """The probe of one step on the states of another, an untrained network's in brackets."""
    last = len(found.accuracy) - 1
    shown = [*(t for t in CROSSED if t < last), last]
    lines = [f"the probe of one step (rows) on the states of another (columns), untrained in brackets; {found.title}"]
    lines.append(" " * 6 + "".join(f"{t:>14}" for t in shown))
    for t in shown:
        cells = (f"{found.accuracy[t, u]:.3f} ({found.untrained[t, u]:.3f})" for u in shown)
        lines.append(f"{t:>6}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines).replace("nan (nan)", "      -  ")
