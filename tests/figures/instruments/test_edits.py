"""Interventions drawn: what is said and drawn is what was measured, with the controls beside it."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest

from depthscope.core.encoding import NEVER
from depthscope.figures.instruments import edits as drawing
from depthscope.probes.instruments.do import Replayed
from depthscope.probes.instruments.patch import DIRECTIONS, MEANS, EffectMap, Summary
from depthscope.probes.measuring.estimate import Estimate

SAID = ("reachable", "unreachable")
BEFORE = np.array([-1.0, -2, -3, 4, 5, 6])


def run(
    after: Any, random: Any = (), edits: tuple[str, ...] = ("zero t=2 node=C",), untrained: float = 0.0
) -> Replayed:
    drawn = np.array(random, dtype=float).reshape(-1, 6)
    return Replayed(edits, "", BEFORE, np.array(after, dtype=float), drawn, np.zeros(6), np.full(6, untrained))


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (BEFORE, "Nothing changes, the logit of the answer is the same to the bit."),
        (
            [-1, -2, -3, -4, -5, -6],
            "The answer turns from reachable to unreachable; the logit falls most at step 5, by",
        ),
        ([-1, -2, -3, -4, 5, 6], "stays reachable, but only from step 4 on, where it was from step 3; the logit falls"),
        (
            [-1, -2, 3, 4, 5, 6],
            "stays reachable, but already from step 2 on, where it was from step 3; the logit rises",
        ),
        ([-1, 2, -3, 4, 5, 6], "stays reachable, but is another at 1 step on the way; the logit rises most at step 1"),
        ([-1, -2, -3, 4, 5, 9], "The answer stays reachable, at every step as it was; the logit rises most at step 5"),
    ],
)
def test_what_happened_to_the_answer(after: Any, says: str) -> None:
    assert says in drawing.what_happened(run(after), SAID)


def test_the_controls_are_told_at_the_same_step() -> None:
    after = BEFORE.copy()
    after[4] = -8.8
    random = np.stack([BEFORE, BEFORE])
    random[0, 4] -= 0.5
    random[1, 4] += 0.3
    said = drawing.what_happened(run(after, random, untrained=0.03), SAID)
    assert said.endswith(
        "falls most at step 4, by 13.8. The same edit at random nodes moves it there by 0.40 on average of 2 draws, "
        "in an untrained model by 0.03."
    )
    none = drawing.what_happened(run(after, edits=("hold t=4", "repeat t=5")), SAID)
    assert none.endswith("The same edits move it there in an untrained model by 0.0.")
    still = drawing.what_happened(run(BEFORE, random), SAID)
    assert "The same edit at random nodes moves it by up to 0.40 on average, in an untrained model" in still
    both = drawing.what_happened(run(after, random, ("cut t=1 edge=B<A", "zero t=1 node=C")), SAID)
    assert "at random nodes and edges move it" in both
    assert "at random edges moves it" in drawing.what_happened(run(after, random, ("cut t=1 edge=B<A",)), SAID)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lines_are_the_logits(scheme: Any) -> None:
    random = np.stack([BEFORE - 1, BEFORE + 3])
    fig: Any = drawing.logit_over_steps(run(BEFORE - 2, random, untrained=0.5), [(2, 2), (3, 5)], scheme, (3, 9))
    lines = {trace.name: trace.y for trace in fig.data if trace.name}
    np.testing.assert_array_equal(lines["undisturbed"], BEFORE)
    np.testing.assert_array_equal(lines["edited"], BEFORE - 2)
    np.testing.assert_array_equal(lines["at random nodes, mean and range of 2"], BEFORE + 1)
    np.testing.assert_array_equal(lines["untrained, edited"], 0.5)
    np.testing.assert_array_equal(fig.data[0].y, BEFORE + 3)
    np.testing.assert_array_equal(fig.data[1].y, BEFORE - 1)
    assert any("first edit" in (note.text or "") for note in fig.layout.annotations)
    bare: Any = drawing.logit_over_steps(run(BEFORE), [(2, 2)], scheme)
    assert not any("random" in (trace.name or "") for trace in bare.data)


def test_the_csv_of_logits() -> None:
    rows = list(csv.DictReader(io.StringIO(drawing.as_csv(run(BEFORE - 2, [BEFORE, BEFORE + 4])))))
    assert [float(row["before"]) for row in rows] == BEFORE.tolist()
    assert [float(row["after"]) for row in rows] == (BEFORE - 2).tolist()
    assert [float(row["random_mean"]) for row in rows] == (BEFORE + 2).tolist()
    assert [float(row["random_high"]) for row in rows] == (BEFORE + 4).tolist()
    assert drawing.as_csv(run(BEFORE)).splitlines()[1] == "0,-1,-1,,,,0,0"


def effect_map() -> EffectMap:
    """Three nodes, four steps; the wave comes c, a, never b."""
    effect = np.array([[0.0, 0, 0], [0, 0, 0.9], [0.7, -0.2, 0], [0, 0, 1.2]])
    front = np.zeros((4, 3), dtype=bool)
    front[1, 2] = front[2, 0] = True
    path, edits = np.array([True, False, True]), tuple(f"patch t={{t}} node=#{i}" for i in range(3))
    return EffectMap(
        DIRECTIONS[0], ("a<b>", "b", "c"), effect, front, path, 5.0, -5.0, "a became b", edits, "", ""
    )  # fmt: skip


TIME = np.array([2, NEVER, 1])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_rows_follow_the_oracle_and_cells_are_the_effect(scheme: Any) -> None:
    found = effect_map()
    fig: Any = drawing.effect_heatmap(found, TIME, scheme, chosen=(3, 1))
    heat = fig.data[0]
    np.testing.assert_array_equal(heat.z, found.effect[:, [2, 0, 1]].T)
    assert list(fig.layout.yaxis.ticktext) == ["c", "a&lt;b&gt;", "b"]
    lines = {trace.name: trace for trace in fig.data if trace.name}
    front = lines["the oracle's front"]
    assert (list(front.x), list(front.y)) == ([1, 2], [0, 1])
    assert (lines["chosen"].x[0], lines["chosen"].y[0]) == (3, 2)
    points = next(trace for trace in fig.data if trace.customdata is not None)
    cells = {(x, y): tuple(data) for x, y, data in zip(points.x, points.y, points.customdata, strict=True)}
    assert cells[3, 2] == (3, 1)
    assert cells[1, 0] == (1, 2)
    assert len(cells) == 12
    assert "on the oracle's front" in heat.text[0][1]
    assert "R = -0.20" in heat.text[2][2]


def test_a_large_map_has_no_points_to_click() -> None:
    n, rows = 100, 80
    blank = np.zeros((rows, n), dtype=bool)
    found = EffectMap(DIRECTIONS[1], ("x",) * n, np.zeros((rows, n)), blank, blank[0], 1.0, 0.0, "", ("",) * n, "", "")
    fig: Any = drawing.effect_heatmap(found, np.full(n, NEVER), "light")
    assert len(fig.data) == 1
    assert fig.layout.height == drawing.MOST


def summary(**given: float) -> Summary:
    plain: Any = {"direction": DIRECTIONS[0], "pairs": 1, "silent": 0, "silent_untrained": 0, "path_nodes": 0.0}
    plain |= {name: Estimate(x, np.nan, np.nan, 1) for name, x in (dict.fromkeys(MEANS, 0.0) | given).items()}
    return Summary(**plain)


def test_the_sentence_of_a_map_has_its_controls() -> None:
    said = drawing.what_patching_does(
        effect_map(), summary(effect_front=0.8, effect_random=-0.001, effect_same=0.09), SAID
    )
    assert said.startswith(
        "2 single states before the last step bring half of the other answer or more (“reachable” into"
    )
    assert (
        "front is 0.80, of random other nodes at the same steps 0.00, |R| of a donor of the same label 0.09, " in said
    )
    assert said.endswith("in an untrained network 0.00.")
    nan = float("nan")
    said = drawing.what_patching_does(effect_map(), summary(effect_front=nan, effect_random=nan, effect_same=nan), SAID)
    assert "no path" in said
    said = drawing.what_patching_does(effect_map(), summary(effect_front=0.8, effect_random=nan, effect_same=nan), SAID)
    assert "none to draw, no donor of the same label" in said


def test_the_csv_of_effects() -> None:
    rows = list(csv.DictReader(io.StringIO(drawing.effects_csv(effect_map()))))
    assert len(rows) == 12
    assert rows[5] == {"step": "1", "node": "2", "label": "c", "effect": "0.9", "front": "1", "path": "1"}
