from __future__ import annotations

import json

import pytest
import torch

from benchmarks import __main__ as suite
from benchmarks.speed import capture, generation
from benchmarks.speed.figure import Figure, absolute, in_turn, ratio
from depthscope.core.files.strict_json import dumps
from depthscope.core.trace import run


def test_ways_are_run_in_turn_and_each_pair_gives_one_ratio() -> None:
    order: list[str] = []
    took = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2, warm=1)
    assert order == ["b", "a", "a", "b", "b", "a"]
    assert {name: len(seconds) for name, seconds in took.items()} == {"a": 2, "b": 2}
    figure = ratio("x", {"slow": [4.0, 9.0, 6.0], "fast": [2.0, 3.0, 1.0]}, "slow", "fast", "more", 2.5)
    assert (figure.median, figure.low, figure.high, figure.rounds) == (3.0, 2.0, 6.0, 3)
    assert figure.holds
    assert figure.details == "slow 6 s, fast 2 s"


def test_a_figure_says_whether_it_keeps_its_limit_and_what_it_lost() -> None:
    less, more = (Figure("x", 1.2, 1.0, 1.4, "times", better, 1.1, 9) for better in ("less", "more"))
    assert less.holds is False
    assert more.holds is True
    assert less.lost(1.0) == pytest.approx(0.2)
    assert more.lost(1.5) == pytest.approx(0.25)
    assert absolute("y", [1.0, 2.0], "s", "less").holds is None
    with pytest.raises(ValueError, match="lies outside"):
        Figure("x", 2.0, 0.0, 1.0, "times", "less", None, 3)


def test_a_figure_that_fell_is_pointed_out() -> None:
    now = Figure("x", 8.0, 7.0, 9.0, "times", "more", 10, 5)
    assert "WORSE than the kept 10 by 25%" in suite.compared(now, [{"what": "x", "median": 10.0}])
    assert "WORSE" not in suite.compared(now, [{"what": "x", "median": 9.0}])
    assert "WORSE" not in suite.compared(now, [{"what": "another", "median": 100.0}])


def test_the_table_is_made_from_what_is_kept() -> None:
    figures = [Figure("x", 8.0, 7.0, 9.0, "times", "more", 10, 5, "a 1 s"), absolute("y", [1.5], "s", "less", 2)]
    entry = json.loads(dumps({"capture": {"figures": figures, "machine": "two cores", "date": "2026-01-01"}}))
    made = suite.table(entry)
    assert [row["met"] for row in made.rows] == ["**no**", "yes"]
    assert "two cores (2026-01-01)" in made.markdown()


def test_an_unknown_benchmark_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "speed"])
    with pytest.raises(SystemExit) as stop:
        suite.main()
    assert stop.value.code == 2
    assert "no benchmark 'speed'" in capsys.readouterr().err


@pytest.mark.slow
def test_hooks_keep_what_a_capture_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "STEPS", 3)
    model, batch = capture.subject(2)
    ours, hooked = run(model, batch, 3), capture.by_hooks(model, batch)
    assert capture.differs(ours, hooked) < 1e-5
    torch.nn.init.constant_(model.block.norm1.weight, 2.0)
    assert capture.differs(ours, capture.by_hooks(model, batch)) > 1e-3


@pytest.mark.slow
def test_the_loop_draws_what_the_generator_draws() -> None:
    generation.check(3)
