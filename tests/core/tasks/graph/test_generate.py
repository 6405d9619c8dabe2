"""Graph generators and the graph oracle against networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from depthscope.core.encoding import NEVER
from depthscope.core.errors import InputError
from depthscope.core.tasks.graph import TASK as graph, generate as graph_data  # noqa: N811
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.training import recipes


def to_networkx(instance: GraphInstance) -> nx.DiGraph:
    g = nx.DiGraph()
    g.add_nodes_from(range(instance.n_nodes))
    g.add_edges_from(instance.edges.tolist())
    return g


@pytest.mark.parametrize("hops", [1, 3, 12, 40])
def test_twins_have_equal_degrees_and_opposite_labels(hops: int) -> None:
    drawn = graph.generate(hops, 20, seed=1)
    for yes, no in zip(drawn[::2], drawn[1::2], strict=True):
        assert (yes.label, no.label) == (1, 0)
        assert (yes.source, yes.target, yes.names) == (no.source, no.target, no.names)
        a, b = to_networkx(yes), to_networkx(no)
        assert dict(a.in_degree) == dict(b.in_degree)
        assert dict(a.out_degree) == dict(b.out_degree)
        assert nx.shortest_path_length(a, yes.source, yes.target) == hops == yes.difficulty
        assert not nx.has_path(b, no.source, no.target)
        assert len(set(a.edges) - set(b.edges)) == 2  # one double edge swap


def test_the_degree_rule_scores_one_half_on_twins_and_far_more_on_the_papers_graphs() -> None:
    def rule(instance: GraphInstance) -> int:
        g = to_networkx(instance)
        return int(g.out_degree(instance.source) > 0 and g.in_degree(instance.target) > 0)

    score = {
        data: np.mean([rule(i) == i.label for hops in (2, 6, 12) for i in graph.generate(hops, 200, data=data)])
        for data in ("audited", "paper")
    }
    assert score["audited"] == 0.5
    assert score["paper"] > 0.8


@pytest.mark.parametrize("hops", [1, 4, 12])
def test_the_papers_graphs_keep_their_distance(hops: int) -> None:
    for instance in graph.generate(hops, 40, data="paper", seed=2):
        g = to_networkx(instance)
        assert nx.has_path(g, instance.source, instance.target) == instance.label
        if instance.label:
            assert nx.shortest_path_length(g, instance.source, instance.target) == hops


def test_the_oracle_agrees_with_networkx() -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        g = nx.gnp_random_graph(14, 0.12, seed=seed, directed=True)
        source, target = rng.integers(0, 14, 2)
        edges = np.array(list(g.edges), dtype=np.int64).reshape(-1, 2)
        instance = GraphInstance(tuple(map(str, range(14))), edges, int(source), int(target))
        due = nx.single_source_shortest_path_length(g, source)
        assert instance.distance.tolist() == [due.get(i, -1) for i in range(14)]
        ancestors = nx.single_source_shortest_path_length(g.reverse(), target)
        assert instance.target_ancestor_depth == max(ancestors.values())
        ceiling = instance.ceiling(20)
        for t in range(1, 21):
            within = due.get(int(target), 99) <= t
            exhausted = max(ancestors.values()) < t
            assert ceiling[t - 1] == (1.0 if within or (not instance.label and exhausted) else 0.5)


def test_batched_distances_agree_with_one_by_one() -> None:
    arrays = graph_data.draw(np.random.default_rng(5), np.array([2, 2, 5, 5, 9, 9]), "audited")
    for b, instance in enumerate(arrays.instances()):
        assert arrays.distance[b, : instance.n_nodes].tolist() == instance.distance.tolist()


def test_same_seed_same_graphs_and_the_splits_differ() -> None:
    assert graph.generate(4, 6, seed=3) == graph.generate(4, 6, seed=3)
    assert graph.generate(4, 6, seed=3) == graph.generate(4, 100, seed=3)[:6]
    assert graph.generate(4, 6, seed=3) != graph.generate(4, 6, seed=4)
    assert graph.generate(4, 6, seed=3) != graph.generate(4, 6, seed=3, split="train")


def test_truth_is_reached_within_t_hops() -> None:
    instance = graph.generate(5, 1)[0]
    encoding = graph.encode(instance, recipes.get("graph", "house").model)
    truth, known = encoding.truth(7)
    reached = (instance.distance >= 0)[None] & (instance.distance[None] <= np.arange(8)[:, None])
    assert truth.tolist() == reached.astype(int).tolist()
    assert known.all()
    assert (encoding.true_from[instance.distance < 0] == NEVER).all()


def test_nodes_attend_to_where_edges_come_from_and_to_themselves() -> None:
    instance = GraphInstance(("A", "B", "C"), np.array([[0, 1], [1, 2]]), 0, 2)
    encoding = graph.encode(instance, recipes.get("graph", "paper").model)
    assert encoding.edge_index is not None
    assert sorted(map(tuple, encoding.edge_index.T.tolist())) == [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]
    assert encoding.token_ids.tolist() == [1, 2, 3]


@pytest.mark.parametrize(("difficulty", "data"), [(0, "audited"), (10**9, "audited"), (25, "paper"), (3, "else")])
def test_what_cannot_be_generated_is_said(difficulty: int, data: str) -> None:
    with pytest.raises(InputError):
        graph.generate(difficulty, 2, data=data)


def test_nodes_that_no_token_names_are_told_of() -> None:
    names = ("A", "B", "x" * 100, "lonely", "**", "fifth", "C")
    instance = GraphInstance(names, np.array([[0, 1], [1, 6]]), 0, 6)
    assert graph.encode(instance, recipes.get("graph", "house").model).notes == ()
    (note,) = graph.encode(instance, recipes.get("graph", "house-tokens").model).notes
    assert note.startswith(f"{'x' * 23}…, lonely, ** and 1 more have no edge and are not drawn: ")
    joined = GraphInstance(("A", "B"), np.array([[0, 1]]), 0, 1)
    assert graph.encode(joined, recipes.get("graph", "house-tokens").model).notes == ()
