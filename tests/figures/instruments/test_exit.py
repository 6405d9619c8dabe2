"""The curves of exit rules are the scores, and the sentence names the cheapest that is good enough."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest

from depthscope.figures.instruments import exit as exit_curves
from depthscope.probes.instruments.exit import ExitCurve, ExitScores
from depthscope.probes.measuring.estimate import Estimate


def curve(title: str, threshold: list[float], accuracy: list[float], steps: list[float]) -> ExitCurve:
    k, a, s = np.array(threshold), np.array(accuracy), np.array(steps)
    right, run = Estimate(a, a - 0.05, np.minimum(a + 0.05, 1), 10), Estimate(s, s - 0.1, s + 0.1, 10)
    return ExitCurve(title, k, right, run, a - 0.2, Estimate(a * 0 + 0.2, a * 0, a * 0 + 0.3, 10))


def scores(best: float = 1.0) -> ExitScores:
    rules = {
        "kl": curve("still", [0.1, 0.01], [0.6, 0.7], [1.5, 4.0]),
        "change_all": curve("all still", [0.5, 0.1, 0.01], [0.8, best, best], [2.0, 6.1, 9.0]),
    }
    fixed = curve("fixed number of steps", [1, 2, 3], [0.5, 0.8, 1.0], [1, 2, 3])
    oracle = curve("oracle", [np.nan], [1.0], [1.4])
    idle = {"oracle": curve("oracle", [np.nan], [0.5], [1.4])}
    return ExitScores("x", "", 3, 0, (1, 2), 10, rules, fixed, oracle, idle)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_points_are_the_scores(scheme: Any) -> None:
    fig: Any = exit_curves.accuracy_over_mean_steps(scores(), scheme)
    lines = {trace.name: trace for trace in fig.data}
    assert list(lines["all still"].x) == [2.0, 6.1, 9.0]
    assert list(lines["all still"].y) == [0.8, 1, 1]
    np.testing.assert_allclose(lines["all still: random exits"].y, [0.6, 0.8, 0.8])
    np.testing.assert_allclose(lines["all still"].error_x.array, 0.1)
    assert "threshold 0.5" in lines["all still"].customdata[0]
    assert "accuracy 0.800 [0.750, 0.850]<br>steps 2.00 [1.90, 2.10]" in lines["all still"].customdata[0]
    assert "gain +0.200 [+0.000, +0.300]" in lines["all still"].customdata[0]
    assert "threshold" not in lines["oracle"].customdata[0]


def test_the_sentence() -> None:
    assert exit_curves.best_rule(scores()) == (
        "“all still” is right on 1.000 after 6.1 steps on average, where random exits get 0.800; "
        "the same takes a fixed 3 steps, and the oracle needs 1.4."
    )
    assert exit_curves.best_rule(scores(0.9)).startswith("No rule comes within .01 of the full run")


def test_the_csv_holds_every_point() -> None:
    rows = list(csv.DictReader(io.StringIO(exit_curves.as_csv(scores()))))
    assert [row["rule"] for row in rows] == ["kl"] * 2 + ["change_all"] * 3 + ["fixed"] * 3 + [
        "oracle",
        "untrained oracle",
    ]
    assert rows[-2]["threshold"] == ""
    assert [float(row["accuracy"]) for row in rows[-2:]] == [1, 0.5]
    assert [float(rows[2][x]) for x in ("steps", "steps_low", "steps_high", "gain_high")] == [2, 1.9, 2.1, 0.3]
