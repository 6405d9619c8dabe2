"""The measurement of scale, at a size that takes a second."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.speed import scale


def test_a_graph_is_random_but_the_same_each_time() -> None:
    edges = scale.edge_list(300, 1200)
    assert edges.shape == (1200, 2)
    assert (edges[:, 0] != edges[:, 1]).all()
    assert len(np.unique(edges, axis=0)) == 1200
    assert np.array_equal(edges, scale.edge_list(300, 1200))
    assert not np.array_equal(edges, scale.edge_list(300, 1200, seed=1))


@pytest.mark.slow
def test_every_part_gives_figures() -> None:
    row = scale.graph(700, 2800, 20)
    assert row["right"]
    assert row["npz_bytes"] > row["due_bytes"] > 4 * 21 * 700 * 64
    assert row["sample_drawing_bytes"] > 10_000
    assert scale.chain(700)["steps"] == 700
    found = scale.attention(600, dense=False)
    assert found["s"] > 0
    lines = list(
        scale.text_lines({"graph": row, "attention_edges": {**scale.slopes([found, {**found, "nodes": 1200}])}})
    )
    assert lines[0].startswith("graph: nodes 700")
    json.dumps(row)


def test_slopes_are_those_of_powers() -> None:
    rows = [{"nodes": n, "s": 3e-6 * n, "added_bytes": 7 * n**2} for n in (100, 200, 800)]
    assert scale.slopes(rows) == pytest.approx({"time_slope": 1, "memory_slope": 2})
