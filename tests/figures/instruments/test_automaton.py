"""Rules and fidelity of an automaton are shown as measured."""

from __future__ import annotations

from typing import Any

import pytest

from depthscope.core import tasks
from depthscope.figures.instruments import automaton as drawing
from depthscope.probes.instruments import automaton
from tests.probes.hand_made import wave


@pytest.mark.slow
def test_rules_and_fidelity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FIT": 4, "VALIDATE": 2, "LARGER": 2, "STARTS": 1}.items():
        monkeypatch.setattr(automaton, name, value)
    machine = automaton.measure(wave(), tasks.get("graph").generate(4, 12, "audited", 0), steps=6, max_states=3)
    rows = drawing.rules(machine, {5: "source"})
    assert sum(row["seen"] for row in rows) == machine.rule_count.sum()
    assert [row["seen"] for row in rows] == sorted((row["seen"] for row in rows), reverse=True)
    assert any(row["symbol"] == "source" for row in rows)
    bars: Any = drawing.fidelity_of_programs(machine.test, "dark")
    assert bars.data[0].y[0] == machine.test.programs[0].both.value
