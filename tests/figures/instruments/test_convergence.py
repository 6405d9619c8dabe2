"""Movement and settling are drawn as measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depthscope.core import tasks
from depthscope.figures.instruments import convergence as drawing
from depthscope.figures.style.palette import Scheme
from depthscope.probes.instruments import convergence
from tests.probes.hand_made import wave


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_movement_and_settling(scheme: Scheme) -> None:
    found = convergence.measure(wave(), tasks.get("graph").generate(4, 12, "audited", 0), steps=8)
    fig: Any = drawing.movement_over_steps(found, "change", scheme, (5, 12))
    lines = {trace.name: trace for trace in fig.data if trace.name}
    np.testing.assert_allclose(lines["trained"].y[1:4], found.trained.change.value[1:4])
    assert fig.layout.shapes[0].x1 == 8.5  # the trained range ends with the run
    other: Any = drawing.movement_over_steps(found, "rest", scheme)
    rest = {trace.name: trace for trace in other.data if trace.name}
    assert np.isnan(rest["trained"].y[-1])  # 0 has no place on a logarithmic axis
    other = drawing.turning_over_steps(found, scheme)
    assert other.layout.yaxis.range[1] >= 95
    other = drawing.settling_against_order(found, scheme)
    settled = {trace.name: trace for trace in other.data}
    far = settled["trained"].x
    assert settled["trained"].y[far == 3] == np.median(found.trained.settled[found.far == 3])
