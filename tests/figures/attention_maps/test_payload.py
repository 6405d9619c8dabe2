"""What the attention maps are given is the attention that was recorded, within a quantum; the table has it whole."""

from __future__ import annotations

import base64
import csv
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from depthscope.core.encoding import NEVER
from depthscope.core.tasks.paths import Routes, routes
from depthscope.core.trace import Trace
from depthscope.figures.attention_maps import payload as attention_maps
from depthscope.figures.attention_maps.payload import as_csv, evenly, maps, pairs_of, payload
from tests.figures.hand_made import formula, formula_trace, graph_trace, layered_graph, text_trace
from tests.probes.hand_made import CONFIGS

TEXT = "Ada is the parent of Bob. Bob is the parent of Cyd. Cyd is the sibling of Dan. Is Ada the grandparent of Cyd?"


def packed(trace: Trace, route: Routes | None = None) -> dict[str, Any]:
    return json.loads(json.dumps(payload(trace, route, title="a title")))


def array(made: dict[str, Any], name: str, dtype: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(made[name]), dtype=dtype).reshape(shape)


def weights(made: dict[str, Any]) -> np.ndarray:
    meta = made["meta"]
    root = array(made, "root", "u1", len(meta["held"]), meta["n_heads"], meta["pairs"])
    return (root / 255.0) ** 2


@pytest.fixture
def graph() -> Trace:
    return graph_trace(layered_graph((1, 2, 3, 2, 1), stranded=2, seed=3), 9)


def test_weights_of_edges_come_back_within_a_quantum(graph: Trace) -> None:
    made = packed(graph)
    assert graph.edge_index is not None
    assert graph.attention is not None
    assert (array(made, "query", "<u4", made["meta"]["pairs"]) == graph.edge_index[0]).all()
    assert (array(made, "key", "<u4", made["meta"]["pairs"]) == graph.edge_index[1]).all()
    got = weights(made)
    assert np.abs(np.sqrt(got) - np.sqrt(graph.attention)).max() <= 0.5001 / 255
    assert made["meta"]["held"] == list(range(1, 10))
    assert made["meta"]["notice"] is None
    assert not made["meta"]["full"]


def test_dense_and_sparse_attention_are_drawn_alike(graph: Trace) -> None:
    dense = graph_trace(graph.instance, 9, dense=True)
    one, other = packed(graph), packed(dense)
    assert one.keys() == other.keys()
    for name in ("query", "key", "root"):
        assert one[name] == other[name]


def test_rows_of_a_graph_stand_in_the_order_of_the_wave(graph: Trace) -> None:
    (order,) = packed(graph)["meta"]["orders"]
    distance = graph.instance.distance[order["rows"]]
    reached = distance[distance >= 0]
    assert (np.diff(reached) >= 0).all()
    assert (distance[len(reached) :] < 0).all()


def test_full_attention_is_held_whole_and_can_be_read_in_two_orders() -> None:
    trace = formula_trace(formula(), 7, "tokens")
    made = packed(trace)
    meta, n = made["meta"], trace.n_nodes
    assert [order["name"] for order in meta["orders"]] == ["as read", "by the oracle's time"]
    assert all(sorted(order["rows"]) == list(range(n)) for order in meta["orders"])
    assert meta["full"]
    assert "query" not in made
    rows = weights(made).reshape(7, 4, n, n).sum(-1)
    np.testing.assert_allclose(rows, 1, atol=0.12)
    assert meta["labels"][0] == "[CLS]"
    assert any("(" in name and "&" in name for name in meta["names"])  # subformulas, for the pointer


def test_many_nodes_share_rows_and_a_cell_is_their_largest_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = formula_trace(formula(), 3, "tokens")
    monkeypatch.setattr(attention_maps, "MAX_SIDE", 8)
    found, n = maps(trace), trace.n_nodes
    assert trace.attention is not None
    assert found.side == -(-n // found.block) <= 8
    cells = found.weight.reshape(3, 4, found.side, found.side)
    last = (found.side - 1) * found.block
    assert cells[1, 2, 0, 1] == trace.attention[1, 2, : found.block, found.block : 2 * found.block].max()
    assert cells[2, 0, -1, -1] == trace.attention[2, 0, last:, last:].max()
    meta = packed(trace)["meta"]
    assert f"{found.block} share a row" in meta["notice"]
    assert len(meta["labels"]) == len(meta["node"]) == found.side
    assert [order["name"] for order in meta["orders"]] == ["as read"]


def test_long_runs_hold_some_steps_the_first_and_last_among_them(graph: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert graph.attention is not None
    monkeypatch.setattr(attention_maps, "MAX_BYTES", 4 * graph.attention[0].size)
    meta = packed(graph)["meta"]
    assert meta["held"][0] == 1
    assert meta["held"][-1] == 9
    assert len(meta["held"]) == 4
    assert "4 of 9 steps" in meta["notice"]
    np.testing.assert_array_equal(evenly(5, 100), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(evenly(1, 1), [1])


def test_links_on_the_path_are_marked_from_their_step(graph: Trace) -> None:
    route = routes(graph.instance, graph.encoding, CONFIGS["graph"])
    made = packed(graph, route)
    path = array(made, "path", "<u4", 3, made["meta"]["links"])
    on = route.from_step != NEVER
    assert set(map(tuple, path[:2].T.tolist())) == set(map(tuple, route.pairs[:, on].T.tolist()))
    assert (path[2] == graph.instance.distance[path[0]]).all()


def test_links_that_the_mask_has_no_place_for_are_not_marked() -> None:
    trace = text_trace(TEXT, 4, "facts")
    route = routes(trace.instance, trace.encoding, replace(CONFIGS["text"], attention="edges"))
    found = maps(trace)
    path = attention_maps.on_path(route, found, trace.n_nodes)
    allowed = set(map(tuple, np.stack([found.query, found.key]).T.tolist()))
    assert path.shape[1] < (route.from_step != NEVER).sum()  # a relation attends to nobody
    assert {(q, k) for q, k, _ in path.T.tolist()} <= allowed


def test_the_table_has_every_weight(graph: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert graph.attention is not None
    route = routes(graph.instance, graph.encoding, CONFIGS["graph"])
    rows = list(csv.DictReader(io.StringIO(as_csv(graph, route))))
    pairs, full = pairs_of(graph)
    assert not full
    assert len(rows) == graph.attention.size
    first = graph.attention[0, 0]
    np.testing.assert_allclose([float(row["weight"]) for row in rows[: len(first)]], first, rtol=1e-5)
    assert rows[0]["query"] == str(pairs[0, 0])
    marked = [row for row in rows[: len(first)] if row["on path from step"]]
    assert len(marked) == (route.from_step != NEVER).sum()
    monkeypatch.setattr(attention_maps, "MAX_ROWS", 3 * graph.attention[0].size)
    few = csv.DictReader(io.StringIO(as_csv(graph, None)))
    assert sorted({int(row["step"]) for row in few}) == [1, 5, 9]


def test_hostile_labels_are_text(graph: Trace) -> None:
    names = ("</script><script>alert(1)</script>", "x" * 10_000, "", "a\nb", "\ud800")
    labels = names + graph.encoding.labels[len(names) :]
    made = packed(replace(graph, encoding=replace(graph.encoding, labels=labels)))
    assert all(0 < len(label) <= attention_maps.MAX_LABEL for label in made["meta"]["labels"])
    json.dumps(made).encode("utf-8")
    assert "innerHTML" not in attention_maps.JS
    assert "http" not in attention_maps.JS.replace("http://www.w3.org", "")
