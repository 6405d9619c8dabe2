"""Attention that is known: a wave whose weights are set by hand, weights put on the path, and noise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depthscope.core import tasks, trace
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks.paths import Routes, routes
from depthscope.probes.cli import main
from depthscope.probes.instruments import attention
from depthscope.probes.instruments.attention import Weights
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import save_npz
from tests.probes.hand_made import CONFIGS, untrained, wave

GRAPH = tasks.get("graph").parse("A B\nB C\nC D\nA E\nE C\nF D\nF B\n", "x.txt").asked("A", "D")


def on_path(text: str, task: str, config: ModelConfig) -> tuple[Routes, set[tuple[str, str, int]]]:
    instance = tasks.get(task).parse(text)
    encoding = tasks.get(task).encode(instance, config)
    route = routes(instance, encoding, config)
    on = route.from_step != NEVER
    rows = zip(route.pairs.T[on].tolist(), route.from_step[on].tolist(), strict=True)
    return route, {(encoding.labels[q], encoding.labels[k], t) for (q, k), t in rows}


def test_the_links_of_a_graph() -> None:
    encoding = tasks.get("graph").encode(GRAPH, CONFIGS["graph"])
    route = routes(GRAPH, encoding, CONFIGS["graph"])
    hops = {(GRAPH.names[k], GRAPH.names[q]): t for (q, k), t in zip(route.pairs.T, route.from_step, strict=True)}
    due = {("A", "B"): 1, ("A", "E"): 1, ("B", "C"): 2, ("E", "C"): 2, ("C", "D"): 3}
    assert hops == {**due, ("F", "D"): NEVER, ("F", "B"): NEVER}
    assert [[GRAPH.names[k] for _, k in route.cut_pairs(units)] for units in route.cuts] == [["C"]]  # the bridge
    two_ways = tasks.get("graph").parse("A B\nB D\nA C\nC D\n", "x.txt").asked("A", "D")
    route = routes(two_ways, tasks.get("graph").encode(two_ways, CONFIGS["graph"]), CONFIGS["graph"])
    assert len(route.cuts) == 1
    assert len(route.cuts[0]) == 2


def test_the_links_of_formulas() -> None:
    text = "((T|F)&(F|F))"  # the left side does not decide
    _, tree = on_path(text, "logic", CONFIGS["tree"])
    assert tree == {("&", "|", 2), ("|", "F", 1)}
    route, tokens = on_path(text, "logic", CONFIGS["tokens"])
    assert tokens == {("&", "|", 2), ("|", "F", 1), ("[CLS]", "&", 3)}
    assert [len(route.cut_pairs(units)) for units in route.cuts] == [1, 5, 1]  # F, (F|F), F


def test_the_links_of_texts() -> None:
    text = "Ann is the parent of Bo. Cy is the child of Bo. Di is the parent of Cy. query: Ann is the grandparent of Cy"
    full = ModelConfig("text", 54, width=8, heads=2, mlp_width=8, attention="full", position="rope", readout="offset")
    route, links = on_path(text, "text", full)
    assert {t for *_, t in links} == {1, 2}
    assert ("Bo", "Bo", 1) in links  # from the first fact to the second
    assert ("Cy", "Cy", 2) in links
    assert not any("Di" in link for link in links)
    assert route.cuts == ((1,), (0,)) or route.cuts == ((0,), (1,))
    facts = ModelConfig("text", 54, width=8, heads=2, mlp_width=8, readout="offset")
    assert on_path(text, "text", facts)[1] == links


@pytest.mark.slow
def test_the_wave_takes_its_first_step_along_the_path() -> None:
    graphs = tasks.get("graph").generate(4, 12)
    scores = attention.measure(wave(), graphs)
    assert (scores.n, scores.left_out, scores.steps) == (6, 6, 12)
    np.testing.assert_allclose(scores.mass.trained.value[0], 1, atol=1e-3)  # nothing but the source is reached
    assert (scores.mass.uniform[0] < 0.5).all()
    assert (scores.auroc.trained.value[0] > 0.95).all()
    assert (scores.mass.excess.low[[0, 3, 11]] > 0).all()
    assert (scores.rollout_mass.trained.value <= 1).all()


def test_weights_on_the_path_score_one_and_noise_a_half() -> None:
    rng, found, lost = np.random.default_rng(0), [], []
    for graph in tasks.get("graph").generate(4, 40)[::2]:
        encoding = tasks.get("graph").encode(graph, CONFIGS["graph"])
        route = routes(graph, encoding, CONFIGS["graph"])
        assert encoding.edge_index is not None
        pairs, n = encoding.edge_index, encoding.n_nodes
        links = {tuple(x) for x in route.pairs[:, route.from_step != NEVER].T.tolist()}
        on = np.array([tuple(x) in links for x in pairs.T.tolist()])
        logits = np.where(on, 50.0, 0.0) + rng.normal(size=(2, 3, len(on)))
        logits[1] -= np.where(on, 50.0, 0.0)  # the second step is noise
        weight = np.exp(logits)
        own = np.eye(n)[pairs[0]]  # (M, n): whose query it is
        weights = Weights(pairs, weight / (weight @ own)[:, :, pairs[0]], np.ones((2, n)))
        route = Routes(route.pairs, np.minimum(route.from_step, np.where(route.from_step < NEVER, 1, NEVER)),
                       route.hop, route.span, route.span_unit, route.cuts)  # fmt: skip
        dealt = attention.permuted(weights, rng)
        np.testing.assert_allclose(dealt.attention @ own, 1)
        both = [attention.figures(w, route, encoding.answer, n) for w in (weights, dealt)]
        assert both[0]["mass"][0] == pytest.approx(1)
        assert (both[0]["auroc"][0] > 0.9).all()
        found.append(both[0]["auroc"][1] - both[1]["auroc"][1])
        lost.append(both[1]["mass"][0])
    assert np.mean(lost) < 0.9
    noise = Estimate.mean(np.stack(found, axis=-1), np.arange(len(found)), rng)
    assert ((noise.low < 0) & (noise.high > 0)).all()


def test_controls_of_geometric_attention_stay_on_the_side_that_a_head_sees(tmp_path: Path) -> None:
    ours, rng = untrained(tmp_path / "ours", "nearest match"), np.random.default_rng(0)
    own = attention.weights_of(trace.record(ours, tasks.get("logic").parse("((T|F)&!F)"), 3), ours)
    n = own.gate.shape[1]

    def matrices(weights: Weights) -> np.ndarray:
        kept = np.zeros((*weights.attention.shape[:2], n, n))
        kept[:, :, weights.pairs[0], weights.pairs[1]] = weights.attention
        return kept

    found = {"own": own, "even": attention.uniform(own), "dealt": attention.permuted(own, rng)}
    mine, even, dealt = map(matrices, found.values())
    for weights in (mine, even, dealt):
        np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
        assert not np.triu(weights[:, 0], 1).any()
        assert not np.tril(weights[:, 1], -1).any()
    np.testing.assert_allclose(even[0, 0, 3], np.r_[np.ones(3) / 3, np.zeros(n - 3)])
    np.testing.assert_allclose(even[2, 1, n - 3], np.r_[np.zeros(n - 2), 0.5, 0.5])
    assert (even[:, 0, 0, 0] == 1).all()  # nothing is left of the first
    own_share = np.diagonal(mine, axis1=2, axis2=3)
    np.testing.assert_array_equal(np.diagonal(dealt, axis1=2, axis2=3), own_share)
    assert (own_share[:, 0, 1:] > 0).any()
    np.testing.assert_array_equal(np.sort(dealt[:, 0], -1), np.sort(mine[:, 0], -1))
    assert (dealt[:, 0] != mine[:, 0]).any()
    scores = attention.measure(ours, tasks.get("logic").generate(2, 4), steps=3)
    assert np.isfinite(scores.mass.uniform).any()


@pytest.mark.slow
def test_an_untrained_network_does_not_know_the_path(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", "graph")
    scores = attention.measure(ours, tasks.get("graph").generate(4, 24), steps=5)
    assert abs(scores.auroc.excess.value[1:].mean()) < 0.05  # at step 1 any network may look at the source
    assert (np.abs(scores.mass.excess.value) < 0.1).all()


def test_the_rollout_is_the_product_of_matrices() -> None:
    rng, n, steps = np.random.default_rng(1), 5, 4
    pairs = np.stack(np.divmod(np.arange(n * n), n))
    a = rng.dirichlet(np.ones(n), size=(steps, 2, n))  # (T, heads, n, n)
    gate = rng.random((steps, n))
    rolled = attention.rollout(Weights(pairs, a.reshape(steps, 2, -1), gate), 3, n)
    product = np.eye(n)
    for t in range(steps):
        product = (np.diag(1 - gate[t]) + np.diag(gate[t]) @ a[t].mean(0)) @ product
        np.testing.assert_allclose(rolled[t], product[3])
    np.testing.assert_allclose(rolled.sum(1), 1)


def test_auroc_by_hand() -> None:
    on, off = np.array([[3.0, 1.0], [1, 1]]), np.array([[2.0, 0.0], [1, 1]])
    np.testing.assert_allclose(attention.auroc(on, off), [0.75, 0.5])
    assert np.isnan(attention.auroc(on, off[:, :0])).all()


def test_sparse_and_dense_attention_agree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", "graph")
    dense = attention.measure(ours, [GRAPH], steps=4)
    for module in ("depthscope.core.encoding", "depthscope.core.trace", "depthscope.probes.instruments.attention"):
        monkeypatch.setattr(f"{module}.SPARSE_ABOVE", 2)
    sparse = attention.measure(ours, [GRAPH], steps=4)
    np.testing.assert_allclose(dense.auroc.trained.value, sparse.auroc.trained.value)
    np.testing.assert_allclose(dense.rollout_mass.trained.value, sparse.rollout_mass.trained.value, atol=1e-6)
    assert np.isnan(dense.mass.trained.low).all()  # one instance has nothing to resample


@pytest.mark.slow
def test_results_and_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    scores = attention.measure(wave(), [GRAPH], progress=lambda *x: seen.append(x))
    assert seen == [(1, 1)]
    assert len(json.loads(dumps(scores))["mass"]["trained"]["value"]) == scores.steps
    save_npz(scores, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as kept:
        assert kept["auroc.trained.value"].shape == scores.auroc.trained.shape
    with pytest.raises(InputError, match="no instance has a path"):
        attention.measure(wave(), [GRAPH.asked("D", "A")])
    with pytest.raises(ValueError, match=r"uniform.*\(1, 2\).*\(11, 2\)"):
        replace(scores.mass, uniform=np.zeros((1, 2)))
    assert main(["attention", "logic-gru"]) == 2
    assert "no attention" in capsys.readouterr().err
    folder = untrained(tmp_path / "tree", "tree").folder
    assert main(["attention", str(folder), "--difficulty", "2", "--instances", "6", "--steps", "5"]) == 0
    assert "rollout" in capsys.readouterr().out


def test_a_link_that_the_mask_does_not_allow_holds_no_mass() -> None:
    """Along facts a model may lack links of the task; with all weight evenly on what it has, no share passes one."""
    config = ModelConfig("text", 54, width=8, heads=2, mlp_width=8, readout="offset")
    for seed in range(6):
        instance = tasks.get("text").generate(4, 2, "audited", seed)[0]
        encoding = tasks.get("text").encode(instance, config)
        assert encoding.edge_index is not None
        route, pairs, n = routes(instance, encoding, config), encoding.edge_index, encoding.n_nodes
        pairs = pairs[:, np.lexsort((pairs[1], pairs[0]))]
        even = 1 / np.bincount(pairs[0], minlength=n)[pairs[0]]
        weights = Weights(pairs, np.broadcast_to(even, (6, 2, len(even))), np.ones((6, n)))
        mass = attention.figures(weights, route, encoding.answer, n)["mass"]
        assert np.nanmax(mass) <= 1 + 1e-9
        there = {(int(q), int(k)) for q, k in pairs.T}
        last = route.from_step <= 6
        on = [(int(q), int(k)) for q, k in route.pairs[:, last].T if (int(q), int(k)) in there]
        share = sum(1 / sum(p[0] == q for p in there) for q, _ in on) / len({q for q, _ in on})
        assert mass[-1] == pytest.approx([share, share])
