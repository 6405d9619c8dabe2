import base64
import dataclasses
import json
import time
from typing import Any

import networkx as nx
import numpy as np
import pytest

from depthscope.core.tasks.logic.encode import without_xor
from depthscope.core.tasks.logic.instance import XOR, F, LogicInstance, T
from depthscope.core.trace import Trace
from depthscope.figures.linked_views import payload as linked_views
from depthscope.figures.linked_views.drawn import MAX_NODES
from depthscope.figures.linked_views.payload import FLOWS_A_STEP, MIN_FLOW, MIN_OF_UNIFORM, payload
from tests.figures.hand_made import chain, formula, formula_trace, graph_trace, layered_graph, readings

HOSTILE = ("</script><script>alert(1)</script>", "x" * 10_000, "", "a\nb\u2028c", "\ud800", *"FGHIJKLMN")


def packed(trace: Trace, given: dict[str, np.ndarray] | None = None, **options: Any) -> dict[str, Any]:
    given = readings(trace) if given is None else given
    made: dict[str, Any] = payload(trace, given, title="a title", trained_steps=(1, 12), **options)
    return json.loads(json.dumps(made))


def array(made: dict[str, Any], name: str, dtype: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(made[name]), dtype=dtype).reshape(shape)


@pytest.fixture
def small() -> Trace:
    return graph_trace(layered_graph((1, 2, 3, 2, 2, 1), stranded=3, seed=3), 20)


def test_readings_come_back_within_a_quantum_and_nan_stays_nan(small: Trace) -> None:
    given = readings(small)
    given["model readout"][3, 5] = np.nan
    made = packed(small, given)
    names = [r["name"] for r in made["meta"]["readings"]]
    assert names == [*given, "change of state"]
    q = array(made, "readings", "u1", len(names), 21, small.n_nodes)
    for k, values in enumerate(given.values()):
        assert (np.isnan(values) == (q[k] == 255)).all()
        assert np.nanmax(np.abs(values - np.where(q[k] == 255, np.nan, q[k] / 254))) <= 1 / 255
    assert [r["belief"] for r in made["meta"]["readings"]] == [True, True, False]


def test_the_answer_is_not_quantised(small: Trace) -> None:
    made = packed(small)
    assert (array(made, "logits", "<f4", 21) == small.logits).all()
    expected = 1 / (1 + np.exp(-small.logits.astype(np.float64)))
    assert array(made, "probability", "<f4", 21) == pytest.approx(expected, abs=1e-7)


def test_oracle_bits(small: Trace) -> None:
    bits = array(packed(small), "oracle", "u1", 21, small.n_nodes)
    assert ((bits & 1) == (small.truth > 0)).all()
    assert ((bits & 2 > 0) == small.known).all()
    assert (bits & 4).all()


def test_the_front_is_the_last_word_of_the_oracle(small: Trace) -> None:
    meta = packed(small)["meta"]
    assert meta["front"] == small.instance.distance.tolist()  # -1 where there is no path
    assert meta["always_known"]
    assert [meta["front"][i] for i in meta["order"]] == [0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, -1, -1, -1]
    instance = formula()
    meta = packed(formula_trace(instance, 12, "tokens"))["meta"]
    assert not meta["always_known"]
    fronts = [meta["front"][i] for i in meta["order"]]
    n_values = instance.n_subformulas + 1
    assert fronts[:n_values] == sorted([*instance.decided_from.tolist(), instance.first_decidable_step()])
    assert set(fronts[n_values:]) == {-1}
    assert meta["order"][n_values - 1] == 0 or meta["node"][meta["order"][n_values - 2]] == 0  # [CLS] with the root


def test_a_rewritten_formula_is_drawn_as_the_model_got_it() -> None:
    given = LogicInstance(np.array([T, XOR, F], np.int8), np.array([-1, 0, -1]), np.array([-1, 2, -1]), 1)
    trace = formula_trace(without_xor(given), 12, "tokens")
    made = packed(dataclasses.replace(trace, instance=given))
    assert made["meta"]["n_nodes"] == trace.n_nodes > 6
    assert made["meta"]["first_decidable"] == without_xor(given).first_decidable_step() > 1
    assert without_xor(given).text in made["meta"]["names"]


@pytest.mark.parametrize("dense", [False, True])
def test_attention_lies_on_its_edge_in_the_direction_of_information(dense: bool) -> None:
    trace = graph_trace(layered_graph((1, 3, 3, 1), stranded=2, seed=5), 6, dense=dense)
    made = packed(trace)
    n_edges = made["meta"]["n_edges"]
    edges = array(made, "edges", "<u2", 2, n_edges)
    assert {tuple(e) for e in edges.T.tolist()} == {tuple(e) for e in trace.instance.edges.tolist()}
    weight = array(made, "attention", "u1", 6, 4, n_edges) / 255
    assert trace.attention is not None
    index = trace.encoding.edge_index
    assert index is not None
    for e, (sender, receiver) in enumerate(edges.T):
        if dense:
            expected = trace.attention[:, :, receiver, sender]
        else:
            expected = trace.attention[:, :, np.flatnonzero((index[0] == receiver) & (index[1] == sender))[0]]
        assert np.abs(weight[:, :, e] - expected).max() <= 0.5 / 255 + 1e-6


def test_decisive_edges_are_those_of_all_shortest_paths() -> None:
    trace = graph_trace(layered_graph((1, 2, 1), seed=0), 4)
    made = packed(trace)
    edges = array(made, "edges", "<u2", 2, made["meta"]["n_edges"])
    kind = array(made, "edge_kind", "u1", made["meta"]["n_edges"])
    hops = trace.instance.distance
    for (a, b), k in zip(edges.T, kind, strict=True):
        assert (k & 1) <= (hops[b] == hops[a] + 1)
    assert (kind & 1).sum() >= trace.instance.difficulty


def test_a_formula_rests_on_its_deciding_child() -> None:
    instance = formula()  # the right side of the disjunction is false only since everything in it is true
    made = packed(formula_trace(instance, 12, "edges"))
    edges = array(made, "edges", "<u2", 2, made["meta"]["n_edges"])
    kind = array(made, "edge_kind", "u1", made["meta"]["n_edges"])
    left = int(instance.left[instance.root])  # (T&F): F decides it alone
    into = {int(a): int(k) & 1 for (a, b), k in zip(edges.T, kind, strict=True) if b == left}
    assert into == {int(instance.left[left]): 0, int(instance.right[left]): 1}
    assert made["meta"]["names"][instance.root] == instance.text


def test_full_attention_keeps_the_strongest_keys_within_bounds() -> None:
    trace = formula_trace(formula(), 8, "tokens")
    made = packed(trace)
    start = array(made, "flow_start", "<u4", 9)
    total = int(start[-1])
    source, to = array(made, "flow_from", "<u2", total), array(made, "flow_to", "<u2", total)
    head, weight = array(made, "flow_head", "u1", total), array(made, "flow_weight", "u1", total)
    assert np.diff(start).max() <= FLOWS_A_STEP
    assert (source != to).all()
    assert weight.min() >= int(255 * min(MIN_FLOW, MIN_OF_UNIFORM / trace.n_nodes))
    assert trace.attention is not None
    for t in range(8):
        k = slice(start[t], start[t + 1])
        assert np.abs(trace.attention[t, head[k], to[k], source[k]] - weight[k] / 255).max() <= 0.5 / 255 + 1e-6
        off = trace.attention[t].copy()
        off[:, np.arange(trace.n_nodes), np.arange(trace.n_nodes)] = 0
        strongest = np.unravel_index(off.argmax(), off.shape)
        assert (head[k][0], to[k][0], source[k][0]) == strongest


def test_hostile_labels_stay_text() -> None:
    graph = layered_graph((1, 2, 3, 2, 2, 1), stranded=3, seed=3, names=HOSTILE)
    made = payload(graph_trace(graph, 8), {}, title="</script>" * 99, trained_steps=None)
    meta: Any = made["meta"]
    assert meta["labels"][0] == HOSTILE[0]
    assert meta["labels"][2] == ""
    assert max(map(len, meta["labels"])) <= 200
    assert len(meta["title"]) <= 200
    json.loads(json.dumps(made))
    assert "innerHTML" not in linked_views.JS


def test_id_is_of_the_run_and_not_of_what_is_shown(small: Trace) -> None:
    first = packed(small)["meta"]["id"]
    assert packed(small, {})["meta"]["id"] == first
    assert packed(dataclasses.replace(small, logits=small.logits + 1))["meta"]["id"] != first


def test_wrong_shape_is_named(small: Trace) -> None:
    with pytest.raises(ValueError, match=r"'model readout' has shape \(3, 2\), expected \(21, 14\)"):
        payload(small, {"model readout": np.zeros((3, 2))}, title="", trained_steps=None)


def test_few_edges_are_drawn_and_those_on_the_path_first(small: Trace) -> None:
    made = packed(small, max_edges=10)
    assert made["meta"]["n_edges"] == 10
    assert "10 of" in made["meta"]["notice"]
    assert (array(made, "edge_kind", "u1", 10) & 1).sum() >= 5


@pytest.mark.slow
def test_large_graph_degrades_quickly() -> None:
    graph = layered_graph((1, *[1000] * 19, 1), stranded=998, seed=1)
    trace = graph_trace(graph, 3, n_heads=2)
    began = time.perf_counter()
    made = packed(trace)
    assert time.perf_counter() - began < 5
    meta = made["meta"]
    assert meta["n_nodes"] <= MAX_NODES
    assert meta["n_nodes_total"] == 20_000
    assert "of 20,000 nodes" in meta["notice"]
    drawn = set(meta["node"])
    assert {graph.source, graph.target} <= drawn
    edges = array(made, "edges", "<u2", 2, meta["n_edges"])
    kind = array(made, "edge_kind", "u1", meta["n_edges"])
    on = nx.DiGraph(edges[:, kind & 1 > 0].T.tolist())
    assert nx.shortest_path_length(on, meta["source"][0], meta["target"][0]) == graph.difficulty
    layers = {int(graph.distance[i]) for i in drawn}
    assert layers == {-1, *range(21)}


def test_a_path_longer_than_the_drawing_is_a_chain_of_jumps() -> None:
    trace = graph_trace(chain(1500), 4, n_heads=1)
    made = packed(trace)
    kind = array(made, "edge_kind", "u1", made["meta"]["n_edges"])
    assert made["meta"]["n_nodes"] <= MAX_NODES
    assert (kind & 4).any()


def test_no_attention_no_heads(small: Trace) -> None:
    made = packed(dataclasses.replace(small, attention=None, edge_index=None))
    assert made["meta"]["n_heads"] == 0
    assert "attention" not in made
    assert "flow_start" not in made


def test_the_component_is_one_module_with_one_default_export() -> None:
    assert linked_views.JS.count("export default function") == 1
    assert "import " not in linked_views.JS.replace("@import", "")
    assert "http" not in linked_views.JS + linked_views.CSS + linked_views.HTML
    for text in (linked_views.JS, linked_views.CSS, linked_views.HTML):
        assert "\n" in text.strip()  # Streamlit takes a single line for a path
