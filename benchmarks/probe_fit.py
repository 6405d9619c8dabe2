"""Time of fitting the probes of all steps, against a plain loop of scikit-learn's regressions.

    python -m benchmarks.probe_fit [--rounds 5] [--json]

The loop standardises and fits each step from nothing. Ours starts each step from the one before and fits what has not
changed once. Both see the same states of graph-house, one thread; how often both say the same is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.figure import Figure, in_turn, main, ratio
from core import checkpoint
from probes import concepts, sample
from probes.regression import fit_steps

STEPS, INSTANCES = 32, 300


def plain_loop(hidden: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What a regression for each step says of the nodes it was fitted on, (T+1, N) bool."""
    said = np.empty(labels.shape, dtype=bool)
    for t, (x, y) in enumerate(zip(hidden, labels, strict=True)):
        if len(np.unique(y)) == 1:
            said[t] = y
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=3000))
        said[t] = model.fit(x.astype(np.float64), y).predict(x.astype(np.float64))
    return said


def measure(rounds: int) -> Sequence[Figure]:
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
    return [ratio(what, took, "plain loop", "ours", "more", 1.0, f"the same of {same:.5f} of the nodes")]


if __name__ == "__main__":
    main(measure, __doc__, 5)
