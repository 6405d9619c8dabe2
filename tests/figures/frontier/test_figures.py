"""Figures of frontiers made by hand: what is drawn is what was measured."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest

from depthscope.core.frontier import NO_DIFFICULTY, Frontier, wilson
from depthscope.figures.frontier import beside_paper, figures as drawing
from depthscope.figures.frontier.published import GRAPH, published
from depthscope.figures.frontier.words import difficulty_title, sentence, spans
from depthscope.figures.style.plotly import INK, colourscale, config


def staircase(difficulty: list[int], arrives: list[int], steps: int = 10, ceiling: bool = True) -> Frontier:
    """Accuracy .5 before a row arrives and 1 from then on; a row that arrives after the last step never does."""
    accuracy = np.where(np.arange(1, steps + 1) >= np.array(arrives)[:, None], 1.0, 0.5)
    n = np.full(len(difficulty), 40)
    low, high = wilson(accuracy * 40, 40)
    none = np.full(accuracy.shape, np.nan)
    tnr = np.ones_like(accuracy)
    rates = (2 * accuracy - 1, none if NO_DIFFICULTY in difficulty else tnr)
    of = accuracy if ceiling else None
    return Frontier(np.array(difficulty), np.arange(1, steps + 1), accuracy, *rates, low, high, of, n, n)


WAVE = staircase([1, 2, 3, 5], [1, 2, 3, 5])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("measured", ["accuracy", "ceiling", "tpr", "tnr"])
def test_a_cell_is_what_was_measured_and_unmeasured_rows_are_blank(scheme: Any, measured: Any) -> None:
    fig: Any = drawing.accuracy_heatmap(WAVE, "graph", scheme, measured, asked=[1, 2, 3, 4, 5], trained=(1, 2))
    heat = fig.data[0]
    np.testing.assert_array_equal(heat.z[[0, 1, 2, 4]], getattr(WAVE, measured))
    assert np.isnan(heat.z[3]).all()
    assert [fig.layout.yaxis.ticktext[i] for i in (0, 3)] == ["1", "4"]
    assert "accuracy 0.500" in heat.text[1, 0]
    assert heat.text[3, 0] == ""


def test_the_stair_and_the_frame_are_where_they_should_be() -> None:
    fig: Any = drawing.accuracy_heatmap(
        WAVE, "graph", "light", asked=[1, 2, 3, 4, 5], trained=(2, 3), trained_steps=(4, 40)
    )
    stair = next(trace for trace in fig.data if trace.name == "T75")
    assert stair.line.color == INK["light"]
    pairs = [(x, y) for x, y in zip(stair.x, stair.y, strict=True) if x is not None and x == x]
    assert pairs == [
        (0.5, -0.5), (0.5, 0.5), (1.5, 0.5), (1.5, 1.5), (2.5, 1.5), (2.5, 2.5), (4.5, 3.5), (4.5, 4.5),
    ]  # fmt: skip
    frame = next(trace for trace in fig.data if trace.name == "trained on")
    assert (min(frame.x), max(frame.x), min(frame.y), max(frame.y)) == (3.5, 10.5, 0.5, 2.5)


def test_full_attention_has_no_ceiling_to_draw() -> None:
    bare = staircase([1, 2], [1, 99], ceiling=False)
    with pytest.raises(ValueError, match="no ceiling"):
        drawing.accuracy_heatmap(bare, "logic", "light", "ceiling")
    fig: Any = drawing.accuracy_over_steps(bare, 1, "logic", "dark", (2, 4))
    names = [trace.name for trace in fig.data]
    assert "ceiling" not in names
    assert drawing.arrival_over_difficulty(bare, "logic", "dark", None)


def test_one_difficulty_over_steps() -> None:
    fig: Any = drawing.accuracy_over_steps(WAVE, 3, "graph", "light", (4, 6))
    lines = {trace.name: trace.y for trace in fig.data if trace.name}
    np.testing.assert_array_equal(lines["accuracy, 95% interval"], WAVE.accuracy[3])
    np.testing.assert_array_equal(lines["positives"], WAVE.tpr[3])
    np.testing.assert_array_equal(lines["negatives"], WAVE.tnr[3])
    np.testing.assert_array_equal(fig.data[0].y, WAVE.high[3])
    np.testing.assert_array_equal(fig.data[1].y, WAVE.low[3])
    assert any("T75 = 5" in (note.text or "") for note in fig.layout.annotations)


def test_arrivals_and_those_that_never_do() -> None:
    fig: Any = drawing.arrival_over_difficulty(staircase([1, 2, 3, 5, 8], [1, 2, 3, 5, 99]), "graph", "light", (1, 3))
    lines = {trace.name: trace for trace in fig.data}
    assert list(lines["T75"].y) == [1, 2, 3, 5]
    assert list(lines["not within T = 10"].x) == [8]
    assert "0.00 + 1.00 h, R² 1.00" in lines


def test_the_csv_holds_every_cell() -> None:
    mixed = staircase([2, NO_DIFFICULTY], [2, 1], steps=3)
    rows = list(csv.DictReader(io.StringIO(drawing.as_csv(mixed, "graph"))))
    assert [row["difficulty"] for row in rows] == ["2"] * 3 + ["no path"] * 3
    assert [float(row["accuracy"]) for row in rows[:3]] == [0.5, 1, 1]
    assert rows[0]["tnr"] == ""


@pytest.mark.parametrize(
    ("frontier", "says"),
    [
        (WAVE, "x stays at .75 or above at 1–3, 5 hops within 10 steps; T75 = 0.00 + 1.00 h."),
        (staircase([1, 2, 4], [1, 2, 99]), "x stays at .75 or above up to 2 hops, and not at 4 within 10 steps."),
        (
            staircase([1, 2, 3, 4, 5], [1, 1, 1, 1, 9]),
            "x stays at .75 or above at 1–5 hops within 10 steps; T75 follows no straight line (R² 0.50).",
        ),
        (staircase([3], [99], steps=1), "x stays at .75 or above nowhere at 3 hops within 1 step."),
        (staircase([3, 4], [99, 4]), "x fails at 3 hops within 10 steps, but not everywhere."),
        (staircase([NO_DIFFICULTY], [1]), "x is right on 1.000 of the instances after 10 steps."),
    ],
)
def test_the_sentence(frontier: Frontier, says: str) -> None:
    assert sentence(frontier, "x", "graph") == says


def test_words() -> None:
    assert spans([1, 2, 3, 8, 10, 11]) == "1–3, 8, 10–11"
    assert difficulty_title("text", 4, unit=True) == "length of the chain 4"
    assert difficulty_title("logic", NO_DIFFICULTY) == "no difficulty"


@pytest.mark.slow
def test_the_papers_numbers_are_drawn_as_published_and_ours_told_beside_them() -> None:
    fig: Any = beside_paper.paper_grid(GRAPH, WAVE, "ours", "light")
    np.testing.assert_array_equal(fig.data[0].z, GRAPH.accuracy)
    assert fig.data[0].text[1][1] == "<b>hops 2, T = 2</b><br>paper 0.98<br>ours 1.000"
    assert "not measured" in fig.data[0].text[7][7]
    cells = beside_paper.cells_of(GRAPH, WAVE)
    assert np.isfinite(cells).sum() == 3 * 5  # hops 1 2 3; steps 1 2 3 5 8
    texts = published("text")
    assert texts is not None
    best: Any = beside_paper.paper_beside(WAVE, "text", "ours", "dark")
    np.testing.assert_array_equal(best.data[0].y, texts.accuracy)
    np.testing.assert_array_equal(best.data[1].y, 1)
    with pytest.raises(ValueError, match="chess"):
        beside_paper.paper_beside(None, "chess", "x", "light")
    assert published("chess") is None


def test_pictures_and_colours() -> None:
    assert config("a", "svg")["toImageButtonOptions"] == {"format": "svg", "filename": "a", "scale": 1}
    light, dark = colourscale("light"), colourscale("dark")
    assert [stop[0] for stop in light] == pytest.approx(np.linspace(0, 1, 33))
    assert light[0][1] == dark[-1][1]
