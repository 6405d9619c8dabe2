"""Growth of disturbances is drawn as measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depthscope.core import tasks
from depthscope.figures.instruments import lyapunov as drawing
from depthscope.figures.style.palette import Scheme
from depthscope.probes.instruments import lyapunov
from tests.probes.hand_made import wave


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_disturbances(scheme: Scheme) -> None:
    grown = lyapunov.measure(wave(), tasks.get("graph").generate(4, 2, "audited", 0), steps=4, exponents=2)
    fig: Any = drawing.growth_over_steps(grown, scheme)
    lines = fig.data
    np.testing.assert_allclose(lines[1].y, grown.trained.growth[:, 1])
    np.testing.assert_allclose(lines[2].y, grown.untrained.growth[:, 0])
