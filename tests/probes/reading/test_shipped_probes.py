"""What the probes that are shipped with graph-house must reach, with their controls beside them."""

from __future__ import annotations

import numpy as np

from depthscope.core import checkpoint
from depthscope.probes.reading import linear_probe

FIRST = 4
"""Step from which the probes are held to it: before, nodes that the source has not reached share one state."""


def test_the_wave_is_read_at_distances_the_probes_were_not_fitted_on() -> None:
    scores = linear_probe.load_scores(checkpoint.load("graph-house"))
    assert scores is not None
    for name in ("unseen", "harder"):
        test = scores.tests[name]
        told = np.isfinite(test.accuracy.value)  # where only one class occurs there is no balanced accuracy
        told[:FIRST] = False
        assert told.sum() >= 6
        assert (test.accuracy.low[told] >= 0.99).all()
        for control in ("untrained", "embedding", "features", "control_task"):
            assert np.nanmax(test.controls[control][told]) < 0.8
