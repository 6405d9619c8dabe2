"""Graphs too large to draw, in groups: every number is the mean, share or count of the nodes it stands for."""

from __future__ import annotations

import base64
import json
from typing import Any

import networkx as nx
import numpy as np
import pytest

from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.trace import Trace
from depthscope.figures.linked_views import drawn as drawing, grouped_payload, groups
from depthscope.figures.linked_views.groups import MAX_COMMUNITIES, MAX_LAYERS, grouping
from tests.figures.hand_made import chain, graph_trace, layered_graph, readings


@pytest.fixture(scope="module")
def large() -> Trace:
    return graph_trace(layered_graph((1, 40, 300, 280, 60, 1), stranded=30, seed=2), 8)


def packed(trace: Trace, by: groups.By = "layers", opened: int | None = None) -> dict[str, Any]:
    found = grouping(trace, by)
    made = grouped_payload.payload(trace, readings(trace), found, opened, title="t", trained_steps=None)
    return json.loads(json.dumps(made))


def array(made: dict[str, Any], name: str, dtype: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(made[name]), dtype=dtype).reshape(shape)


def test_groups_are_for_graphs_that_are_too_large(large: Trace) -> None:
    assert groups.applies(large)
    assert not groups.applies(graph_trace(chain(9), 10))


def test_layers_are_hops_from_the_source(large: Trace) -> None:
    found = grouping(large, "layers")
    hops = large.instance.distance
    assert found.names == ("0 hops", "1 hop", "2 hops", "3 hops", "4 hops", "5 hops", "no path")
    assert np.array_equal(found.of, np.where(hops < 0, 6, hops))


@pytest.mark.parametrize("stranded", [0, 5])
def test_many_layers_are_put_together(stranded: int) -> None:
    instance = layered_graph((1,) * 700, stranded=stranded)
    found = grouping(graph_trace(instance, 3), "layers")
    hops = instance.distance
    assert len(found.names) <= MAX_LAYERS
    assert found.names[0] == "0–36 hops"
    assert found.names[-1] == ("no path" if stranded else f"{hops[found.of == found.of.max()].min()}–699 hops")
    for k in range(len(found.names) - bool(stranded)):
        assert found.names[k] == f"{hops[found.of == k].min()}–{hops[found.of == k].max()} hops"


def test_communities_are_found_again() -> None:
    blocks = nx.planted_partition_graph(12, 60, 0.3, 0.002, seed=1)
    edges = np.array(list(nx.DiGraph(blocks).edges), dtype=np.int64)
    instance = GraphInstance(tuple(f"v{i}" for i in range(720)), edges, 0, 719)
    trace = graph_trace(instance, 3)
    found = grouping(trace, "communities")
    assert len(found.names) <= MAX_COMMUNITIES
    planted = np.arange(720) // 60
    pure = sum(np.bincount(planted[found.of == k]).max() for k in range(len(found.names)))
    assert pure / 720 > 0.95
    assert len(found.names) >= 8
    assert found.names[0].startswith("around v")
    assert np.array_equal(found.of, grouping(trace, "communities").of)


@pytest.mark.parametrize(("by", "opened"), [("layers", None), ("layers", 2), ("communities", None), ("communities", 0)])
def test_every_node_is_in_one_unit_and_its_numbers_in_the_mean(large: Trace, by: groups.By, opened: int | None) -> None:
    found = grouping(large, by)
    drawn, made = grouped_payload.units(large, found, opened), packed(large, by, opened)
    u, rows = len(drawn.node), large.steps + 1
    assert made["meta"]["n_nodes"] == u
    assert sum(made["meta"]["count"]) == large.n_nodes
    given = {**readings(large)}
    r = len(made["meta"]["readings"])
    shown = array(made, "readings", "u1", r, rows, u)
    reached, wrong = array(made, "reached", "u1", rows, u), array(made, "wrong", "u1", r, rows, u)
    truth = large.truth == large.encoding.asked
    for k in range(u):
        members = np.flatnonzero(drawn.of == k)
        assert drawn.node[k] == members[0] if drawn.node[k] >= 0 else len(set(found.of[members])) == 1
        assert made["meta"]["front"][k] == min((x for x in large.instance.distance[members] if x >= 0), default=-1)
        for j, (name, values) in enumerate(given.items()):
            assert np.abs(values[:, members].mean(1) - shown[j, :, k] / 254).max() <= 1 / 254
            off = ((values > 0.5) != truth)[:, members].mean(1) if made["meta"]["readings"][j]["belief"] else 0
            assert np.abs(off - wrong[j, :, k] / 255).max() <= 1 / 255, name
        assert np.abs(truth[:, members].mean(1) - reached[:, k] / 255).max() <= 1 / 255
    alone = set(drawn.node.tolist())
    assert {large.encoding.source, large.encoding.answer} <= alone
    members = np.flatnonzero(found.of == opened) if opened is not None else []
    assert len(alone & {int(x) for x in members}) >= min(len(members), grouped_payload.MAX_OPEN)


def test_lines_stand_for_the_edges_between_units(large: Trace) -> None:
    drawn = grouped_payload.units(large, grouping(large, "layers"))
    found = grouped_payload.lines(large, drawn)
    own, decisive = drawing.drawing_of(large).links(large.instance, large.encoding)
    code = [tuple(x) for x in drawn.of[own].T.tolist()]
    for k, ends in enumerate(found.ends.T.tolist()):
        mine = [i for i, pair in enumerate(code) if pair == tuple(ends)]
        assert found.count[k] == len(mine)
        assert found.decisive[k] == decisive[mine].any()
    assert found.count.sum() == sum(a != b for a, b in code)


def test_attention_on_a_line_is_the_mean_along_its_edges(large: Trace) -> None:
    from dataclasses import replace

    ran = large.encoding.edge_index
    assert ran is not None
    rng = np.random.default_rng(0)
    weights = rng.random((large.steps, 2, ran.shape[1])).astype(np.float32)
    trace = replace(large, attention=weights, edge_index=ran)
    drawn = grouped_payload.units(trace, grouping(trace, "layers"))
    found = grouped_payload.lines(trace, drawn)
    assert found.attention is not None
    for k, (start, end) in enumerate(found.ends.T.tolist()):
        mine = (drawn.of[ran[1]] == start) & (drawn.of[ran[0]] == end)
        np.testing.assert_allclose(found.attention[:, :, k], weights[:, :, mine].mean(-1), rtol=1e-4)


def test_an_open_group_shows_its_path_first_and_is_bounded() -> None:
    trace = graph_trace(layered_graph((1, 700, 3, 1), seed=4), 5)
    drawn = grouped_payload.units(trace, grouping(trace, "layers"), 1)
    own, decisive = drawing.drawing_of(trace).links(trace.instance, trace.encoding)
    path = np.unique(own[:, decisive])
    alone = drawn.node[drawn.node >= 0]
    assert grouped_payload.MAX_OPEN <= len(alone) <= grouped_payload.MAX_OPEN + 2
    assert set(path[trace.instance.distance[path] == 1]) <= set(alone)
    assert "160 of 700 are drawn" in packed(trace, "layers", 1)["meta"]["notice"]
    assert len(json.dumps(packed(trace, "layers", 1))) < 2_000_000


def test_readings_of_another_shape_are_refused(large: Trace) -> None:
    with pytest.raises(ValueError, match="expected"):
        grouped_payload.payload(
            large, {"x": np.zeros((2, 2))}, grouping(large, "layers"), title="t", trained_steps=None
        )
