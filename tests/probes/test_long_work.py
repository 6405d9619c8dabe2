"""Long work can be watched and stopped, and what would not fit in memory is refused before it starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.probes import registry
from depthscope.probes.instruments import exit as exit_rules, steps, trivial
from depthscope.probes.measuring import instances as subjects, results
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import linear_probe
from tests.probes.hand_made import untrained

COUNTS = {"commitment": 44, "foretell": 40, "repair": 40, "fixed-points": 1, "lyapunov": 2}
"""Instances of those that need more than a few, and of those that take long over each."""

SLOW = {"fixed-points": "one small instance takes it half a minute to the end; that it stops is tried below"}
"""Instruments that are not run to the end, and why."""


class StopError(Exception):
    """What a page raises to stop work."""


def work(name: str, ours: Checkpoint) -> Callable[[Progress], Any]:
    """The small work of an instrument, or of `fit`."""
    if name == "fit":
        return lambda progress: linear_probe.fit(ours, instances=linear_probe.MIN_INSTANCES, progress=progress)
    drawn = subjects.draw(ours, [4], COUNTS.get(name, 8))
    return lambda progress: registry.get(name)(ours, drawn, steps=6, progress=progress)


NAMES = ["fit", *registry.NAMES]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in SLOW])
def test_long_work_is_watched(name: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    work(name, untrained(tmp_path / "graph", "graph"))(lambda done, total: seen.append((done, total)))
    done, totals = [x for x, _ in seen], {total for _, total in seen}
    assert len(totals) == 1
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert done[-1] == totals.pop()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_long_work_stops_where_it_is_told_to(name: str, tmp_path: Path) -> None:
    ours, told = untrained(tmp_path / "graph", "graph"), 0
    before = sorted(tmp_path.rglob("*"))

    def stop(done: int, total: int) -> None:
        nonlocal told
        told += 1
        if told == 2:
            raise StopError

    with pytest.raises(StopError):
        work(name, ours)(stop)
    assert told == 2  # nothing goes on behind it
    assert sorted(tmp_path.rglob("*")) == before
    assert all(parameter.requires_grad for parameter in ours.model.parameters())


@pytest.mark.parametrize("name", ["invariances", "exit", "fit", "steps", "pca", "convergence", "commitment", "lens"])
def test_what_would_not_fit_is_refused_before_anything_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = untrained(tmp_path / "graph", "graph")
    measure, seen = work(name, ours), []
    monkeypatch.setattr(results, "MAX_BYTES", 10_000)
    with pytest.raises(InputError, match=r"would take .* GiB, over the limit of .*; take fewer") as refused:
        measure(lambda done, total: seen.append(done))
    assert "\n" not in str(refused.value)
    assert not seen


def test_trivial_rules_are_refused_before_they_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, text = untrained(tmp_path / "graph", "graph"), untrained(tmp_path / "text", "text")
    monkeypatch.setattr(results, "MAX_BYTES", 100_000)
    assert trivial.score(graph, [2], 4, "audited", 0)
    for call in (lambda: trivial.score(graph, [2, 3], 1000, "audited", 0),
                 lambda: trivial.scramble(text, [2], 1000, "audited", 0)):  # fmt: skip
        with pytest.raises(InputError, match=r"would take .* take fewer with --instances"):
            call()


def test_a_long_run_is_weighed_by_its_steps(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "graph", "graph")
    drawn = subjects.draw(ours, [4], 8)
    for module in (exit_rules, steps):
        with pytest.raises(InputError, match="take fewer instances or steps"):
            module.measure(ours, drawn * 1000, steps=results.MAX_STEPS)
