"""The table of a figure holds each of its points and cells."""

from __future__ import annotations

import csv
import io

import numpy as np
import plotly.graph_objects as go
import pytest

from depthscope.figures.style.numbers import as_csv


def rows(fig: go.Figure) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(fig))))


def test_lines_bars_and_their_bounds() -> None:
    fig = go.Figure()
    fig.add_scatter(
        x=[1, 2], y=np.array([0.25, np.nan]), name="own", error_y={"array": [0.1, 0.1], "arrayminus": [0.05, 0]}
    )
    fig.add_bar(x=["a, b", "c"], y=[3, 4])
    found = rows(fig)
    assert found[0] == {"series": "own", "x": "1", "y": "0.25", "low": "0.2", "high": "0.35"}
    assert found[1]["y"] == ""
    assert [(r["series"], r["x"], r["y"]) for r in found[2:]] == [("series 2", "a, b", "3"), ("series 2", "c", "4")]


def test_cells_of_a_heatmap() -> None:
    z = np.arange(6).reshape(2, 3) / 4
    fig = go.Figure(go.Heatmap(z=z, x=[10, 20, 30], y=["u", "v"], text=[["p"] * 3, ["q"] * 3]))
    found = rows(fig)
    assert [float(r["z"]) for r in found] == z.ravel().tolist()
    assert found[4] == {"series": "series 1", "x": "20", "y": "v", "z": "1", "label": "q"}


def test_nothing_drawn_is_an_empty_table_and_strangers_are_refused() -> None:
    assert rows(go.Figure()) == []
    with pytest.raises(ValueError, match="pie"):
        as_csv(go.Figure(go.Pie(values=[1])))


def test_labels_are_words_and_not_markup() -> None:
    text = [["<b>&lt;b&gt; &amp; co</b><br>share 0.5"]]
    fig = go.Figure(go.Heatmap(z=[[1]], text=text, name="&lt;script&gt;"))
    assert rows(fig)[0] == {"series": "<script>", "x": "0", "y": "0", "z": "1", "label": "<b> & co; share 0.5"}
