"""What the figures of the Dynamics page hold is what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depthscope.core import tasks
from depthscope.figures.instruments import dynamics
from depthscope.figures.style.palette import Scheme
from depthscope.probes.instruments import automaton, convergence, fixed_points, lyapunov, pca
from tests.probes.hand_made import wave
from tests.probes.instruments.test_fixed_points import searches

SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.fixture(scope="module")
def graphs() -> list[Any]:
    return tasks.get("graph").generate(4, 12, "audited", 0)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_movement_and_settling(graphs: list[Any], scheme: Scheme) -> None:
    found = convergence.measure(wave(), graphs, steps=8)
    fig: Any = dynamics.movement_over_steps(found, "change", scheme, (5, 12))
    lines = {trace.name: trace for trace in fig.data if trace.name}
    np.testing.assert_allclose(lines["trained"].y[1:4], found.trained.change.value[1:4])
    assert fig.layout.shapes[0].x1 == 8.5  # the trained range ends with the run
    other: Any = dynamics.movement_over_steps(found, "rest", scheme)
    rest = {trace.name: trace for trace in other.data if trace.name}
    assert np.isnan(rest["trained"].y[-1])  # 0 has no place on a logarithmic axis
    other = dynamics.turning_over_steps(found, scheme)
    assert other.layout.yaxis.range[1] >= 95
    other = dynamics.settling_against_order(found, scheme)
    settled = {trace.name: trace for trace in other.data}
    far = settled["trained"].x
    assert settled["trained"].y[far == 3] == np.median(found.trained.settled[found.far == 3])


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_directions_and_disturbances(graphs: list[Any], scheme: Scheme) -> None:
    found = pca.measure(wave(), graphs, steps=6)
    fig: Any = dynamics.variance_over_steps(found, scheme)
    np.testing.assert_allclose(fig.data[0].y, found.trained.by_step)
    assert fig.layout.shapes[0].y0 == pytest.approx(found.permuted.sum())
    fig = dynamics.angles_over_steps(found, scheme)
    assert len(fig.data) == 5
    grown = lyapunov.measure(wave(), graphs[:2], steps=4, exponents=2)
    fig: Any = dynamics.growth_over_steps(grown, scheme)
    lines = fig.data
    np.testing.assert_allclose(lines[1].y, grown.trained.growth[:, 1])
    np.testing.assert_allclose(lines[2].y, grown.untrained.growth[:, 0])


@pytest.mark.slow
def test_spectrum_and_rules(graphs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    searches(monkeypatch, STARTS=1, ITERATIONS=5, POINTS=1, RESTARTS=1)
    found = fixed_points.measure(wave(), graphs[:2], steps=8)
    fig: Any = dynamics.spectrum(found, "light")
    circle, *points = fig.data
    np.testing.assert_allclose(np.hypot(circle.x, circle.y), 1)
    size = np.hypot(points[0].x, points[0].y).max()
    assert size == pytest.approx(found.points.radius[0], rel=1e-6)
    for name, value in {"FIT": 4, "VALIDATE": 2, "LARGER": 2, "STARTS": 1}.items():
        monkeypatch.setattr(automaton, name, value)
    machine = automaton.measure(wave(), graphs, steps=6, max_states=3)
    rows = dynamics.rules(machine, {5: "source"})
    assert sum(row["seen"] for row in rows) == machine.rule_count.sum()
    assert [row["seen"] for row in rows] == sorted((row["seen"] for row in rows), reverse=True)
    assert any(row["symbol"] == "source" for row in rows)
    bars: Any = dynamics.fidelity_of_programs(machine.test, "dark")
    assert bars.data[0].y[0] == machine.test.programs[0].both.value
