"""Components are drawn as measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depthscope.core import tasks
from depthscope.figures.instruments import pca as drawing
from depthscope.figures.style.palette import Scheme
from depthscope.probes.instruments import pca
from tests.probes.hand_made import wave


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_directions(scheme: Scheme) -> None:
    found = pca.measure(wave(), tasks.get("graph").generate(4, 12, "audited", 0), steps=6)
    fig: Any = drawing.variance_over_steps(found, scheme)
    np.testing.assert_allclose(fig.data[0].y, found.trained.by_step)
    assert fig.layout.shapes[0].y0 == pytest.approx(found.permuted.sum())
    fig = drawing.angles_over_steps(found, scheme)
    assert len(fig.data) == 5
