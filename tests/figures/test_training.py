"""The curves of a training hold what was logged; cells and words say the same accuracies."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthscope.core.training.log import Log, read
from depthscope.figures import training as training_curves
from depthscope.figures.style.palette import Scheme

SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.fixture
def log() -> Log:
    batch = np.arange(1, 41)
    validation = ((20, {1: 0.5, 2: 0.5, 6: 0.5}), (40, {1: 1.0, 2: 0.9, 6: 0.6}))
    return Log(batch, batch / 2.0, 1.0 / batch, np.full(40, 0.75), np.ones(40, int), validation)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_loss_and_its_mean(log: Log, scheme: Scheme) -> None:
    fig: Any = training_curves.loss_over_batches(log, 100, scheme)
    lines = {trace.name: trace for trace in fig.data}
    np.testing.assert_allclose(lines["one batch"].y, log.loss)
    np.testing.assert_allclose(lines["running mean"].y[-1], log.loss[-training_curves.SMOOTHED :].mean())
    assert lines["running mean"].y[0] == log.loss[0]
    assert list(lines["untrained"].y) == [log.loss[0]] * 2
    assert fig.layout.xaxis.range[1] >= 100  # room for what is to come


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_validation_grows_and_stands_beside_another(log: Log, scheme: Scheme) -> None:
    beside = ("shipped", {1: 1.0, 2: 1.0})
    fig: Any = training_curves.validation_over_batches(
        log, [20, 40, 60], (1, 2, 6), "graph", scheme, trained=(1, 2), beside=beside
    )
    due = [[0.5, 1.0, np.nan, np.nan, 1.0], [0.5, 0.9, np.nan, np.nan, 1.0], [0.5, 0.6, np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(fig.data[0].z, due)
    assert "2 hops, batch 40: 0.900" in fig.data[0].text[1]
    assert fig.layout.shapes[0].y1 == 1.5  # the frame ends above the hardest of the trained
    assert fig.layout.xaxis.ticktext[-1] == "shipped"
    alone: Any = training_curves.validation_over_batches(log, [20, 40], (1, 2, 6), "logic", scheme)
    assert np.shape(alone.data[0].z) == (3, 2)
    assert not alone.layout.shapes


def test_nothing_logged_yet_is_drawn(tmp_path: Path) -> None:
    empty = read(tmp_path)
    fig: Any = training_curves.loss_over_batches(empty, 10, "light")
    assert len(fig.data) == 0
    fig = training_curves.validation_over_batches(empty, [5, 10], (1, 2), "text", "light", (1, 1))
    assert np.isnan(np.asarray(fig.data[0].z, dtype=float)).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_cells_say_every_difficulty_and_underline_the_trained(scheme: Scheme) -> None:
    html = training_curves.accuracy_cells({1: 1.0, 2: 0.5, 12: 0.983}, scheme, (1, 2))
    assert re.findall(r'title="difficulty (\d+): ([\d.]+)"', html) == [("1", "1.000"), ("2", "0.500"), ("12", "0.983")]
    assert html.count("transparent") == 1
    assert 'aria-label="1.000 at 1; .500 at 2; .983 at 12"' in html
    colours = re.findall(r"background:(rgb\([\d,]+\))", html)
    assert len(set(colours)) == 3


def test_words_draw_neighbours_together() -> None:
    assert training_curves.told({1: 1.0, 2: 1.0, 3: 1.0, 8: 1.0, 12: 0.9}) == "1.000 at 1–3, 8; .900 at 12"
    assert training_curves.told({}) == ""


def test_the_table_has_every_number(log: Log) -> None:
    rows = list(csv.DictReader(io.StringIO(training_curves.as_csv(log))))
    loss = [float(row["value"]) for row in rows if row["what"] == "loss"]
    np.testing.assert_allclose(loss, log.loss, rtol=1e-5)
    last = {
        row["difficulty"]: row["value"] for row in rows if row["what"] == "validation accuracy" and row["batch"] == "40"
    }
    assert last == {"1": "1", "2": "0.9", "6": "0.6"}
