"""Time of fitting the probes of all steps, against a plain loop of regressions, and of the whole command.

    python -m benchmarks.speed.probe_fit [CKPT ...] [--rounds 5] [--json]

The loop standardises and fits each step from nothing. Ours starts each step from the one before and fits what has not
changed once. Both see the same states of graph-house, one thread; how often both say the same is given.

`depthscope probe fit CKPT`, from its start to its end, is timed once for every shipped checkpoint, or those named, on a
copy: what it stores goes with it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.speed.figure import Figure, absolute, in_turn, main, ratio
from depthscope.core import checkpoint
from depthscope.core.tasks import concepts
from depthscope.probes.reading import nodes as sample
from depthscope.probes.reading.regression import fit_steps

STEPS, INSTANCES = 32, 300

SECONDS = 60
"""What a whole fit may take on two cores."""


def plain_loop(hidden: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What a regression for each step says of the nodes it was fitted on, (T+1, N) bool."""
    answers = np.empty(labels.shape, dtype=bool)
    for t, (x, y) in enumerate(zip(hidden, labels, strict=True)):
        if len(np.unique(y)) == 1:
            answers[t] = y
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=3000))
        answers[t] = model.fit(x.astype(np.float64), y).predict(x.astype(np.float64))
    return answers


def whole(name: str) -> Figure:
    """Seconds of `depthscope probe fit` on a copy of a shipped checkpoint."""
    with tempfile.TemporaryDirectory(prefix="probe-fit-") as folder:
        copy = Path(folder) / name
        shutil.copytree(checkpoint.CHECKPOINTS / name, copy)
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "probes", "fit", str(copy), "--json"], check=True, stdout=subprocess.DEVNULL
        )
        return absolute(f"depthscope probe fit {name}, whole", [time.perf_counter() - start], "s", "less", SECONDS)


def measure(rounds: int, names: Sequence[str] = ()) -> Sequence[Figure]:
    """How many times faster ours is, and the whole command for each checkpoint."""
    return [against_loop(rounds), *map(whole, names or [entry["name"] for entry in checkpoint.available()])]


def against_loop(rounds: int) -> Figure:
    """How many times faster ours is."""
    opened = checkpoint.load("graph-house")
    concept = concepts.concept_for(opened.config, None)
    nodes = sample.draw(opened, concept, STEPS, INSTANCES, 0)
    hidden, labels = sample.states(opened.model, nodes, STEPS), nodes.truth

    def ours() -> np.ndarray:
        probe = fit_steps(hidden, labels, concept.name)
        return probe.says(probe.logits(hidden))

    with threadpool_limits(limits=1, user_api="blas"):
        ways = {"plain loop": lambda: plain_loop(hidden, labels), "ours": ours}
        same = float((ways["plain loop"]() == ways["ours"]()).mean())
        took = in_turn(ways, rounds, warm=0)
    what = f"a plain loop over our probes, {STEPS + 1} steps, {hidden.shape[1]:,} nodes"
    return ratio(what, took, "plain loop", "ours", "more", 1.0, f"the same of {same:.5f} of the nodes")


if __name__ == "__main__":
    main(measure, __doc__, 5, [entry["name"] for entry in checkpoint.available()])
