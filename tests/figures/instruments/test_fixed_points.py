"""The spectrum is drawn as measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depthscope.core import tasks
from depthscope.figures.instruments import fixed_points as drawing
from depthscope.probes.instruments import fixed_points
from tests.probes.hand_made import wave
from tests.probes.instruments.test_fixed_points import searches


@pytest.mark.slow
def test_spectrum(monkeypatch: pytest.MonkeyPatch) -> None:
    searches(monkeypatch, STARTS=1, ITERATIONS=5, POINTS=1, RESTARTS=1)
    found = fixed_points.measure(wave(), tasks.get("graph").generate(4, 2, "audited", 0), steps=8)
    fig: Any = drawing.spectrum(found, "light")
    circle, *points = fig.data
    np.testing.assert_allclose(np.hypot(circle.x, circle.y), 1)
    size = np.hypot(points[0].x, points[0].y).max()
    assert size == pytest.approx(found.points.radius[0], rel=1e-6)
