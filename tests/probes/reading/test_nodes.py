"""Which nodes probes see: whole pairs on one side, features and labels that the oracle's own words confirm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from depthscope.core import tasks, trace
from depthscope.core.encoding import NEVER
from depthscope.core.tasks import concepts, twins
from depthscope.core.tasks.concepts import concept_of
from depthscope.core.tasks.logic.instance import CLS, VOCABULARY
from depthscope.core.tasks.text.instance import NOT_JOINED, RELATIONS
from depthscope.probes.measuring import controls, instances as subjects
from depthscope.probes.reading import nodes as sample
from depthscope.probes.reading.nodes import FIT, HARDER, HELD
from depthscope.probes.reading.scores import balanced_accuracy
from tests.probes.hand_made import CONFIGS, flood, untrained


@pytest.mark.parametrize("kind", ["graph", "tree", "text"])
def test_twins_and_equal_formulas_never_straddle_the_split(kind: str, tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", kind)
    concept = concept_of(ours.config.task)
    nodes = sample.draw(ours, concept, 3, 200, seed=5)
    sides: dict[object, set[str]] = {}
    for i, purpose in zip(nodes.instance, nodes.purpose, strict=True):
        encoding = nodes.encodings[i]
        if kind == "tree":
            assert encoding.edge_index is not None
            key: object = (encoding.labels, encoding.edge_index.tobytes())
        elif kind == "text":
            key = (encoding.labels[1::7], encoding.n_nodes)
            assert nodes.group[i] == nodes.group[i ^ 1]
        else:  # twins share degrees, node by node
            key = concepts.features(concept, encoding, ours.config).tobytes()
            assert nodes.group[i] == nodes.group[i ^ 1]
        sides.setdefault(key, set()).add(str(purpose))
    assert all(len(found) == 1 for found in sides.values())
    assert set.union(*sides.values()) == {FIT, HELD, HARDER}


@pytest.mark.parametrize("task", ["graph", "text"])
def test_pairs_are_twins_wherever_they_stand(task: str) -> None:
    """An odd number of each difficulty leaves one of its last pair out, and shifts all that follow."""
    drawn = [x for difficulty in (1, 2, 3, 5) for x in tasks.get(task).generate(difficulty, 5)]
    group = sample.groups_of(drawn)
    due = np.concatenate([np.array([0, 0, 1, 1, 2]) + 3 * k for k in range(4)])
    np.testing.assert_array_equal(group, due)
    order = np.r_[0:20:2, 1:20:2]
    apart, due = sample.groups_of([drawn[i] for i in order]), due[order]
    np.testing.assert_array_equal(apart[:, None] == apart, due[:, None] == due)


def test_drawn_subjects_of_several_difficulties_keep_their_pairs() -> None:
    drawn = subjects.draw(flood(), [2, 4], 3)
    assert sample.groups_of(drawn).tolist() == [0, 0, 1, 2, 2, 3]


def test_lines_of_an_own_file_are_groups_of_their_own() -> None:
    graphs = [tasks.get("graph").parse(text, source="A", target="C") for text in ("A B\nB C", "A B\nC B", "A C\nB C")]
    assert sample.groups_of(graphs).tolist() == [0, 1, 2]
    twin = twins.find(tasks.get("graph").generate(3, 1)[0]).instance
    shuffled = replace(twin, edges=twin.edges[::-1])
    assert sample.groups_of([*graphs, twin, shuffled, graphs[0]]).tolist() == [0, 1, 2, 3, 3, 0]
    said = "A is the parent of B. B is the {} of C. query: A is the {} of C"
    texts = [
        tasks.get("text").parse(said.format("parent", "grandparent")),
        tasks.get("text").parse("Ann is the parent of Bob. query: Bob is the parent of Ann"),
        tasks.get("text").parse(said.format("child", "grandparent")),  # one relation, the other answer
        tasks.get("text").parse(said.format("child", "sibling")),  # another question
    ]
    assert sample.groups_of(texts).tolist() == [0, 1, 0, 2]


def test_equal_formulas_share_a_group_and_no_others() -> None:
    formulas = [tasks.get("logic").parse(text) for text in ("T&F", "T|F", "(T & F)", "T&T")]
    assert sample.groups_of(formulas).tolist() == [0, 1, 0, 2]


def test_a_split_holds_out_whole_groups() -> None:
    group = np.repeat(np.arange(50), 2)
    held = sample.split(np.random.default_rng(0), group)
    assert (held[::2] == held[1::2]).all()
    assert held.sum() == 40
    assert sample.split(np.random.default_rng(0), np.array([0, 0, 1, 1])).sum() == 2


@pytest.mark.slow
def test_labels_and_states_are_those_of_the_nodes(tmp_path: Path) -> None:
    for kind in CONFIGS:
        ours = untrained(tmp_path / kind, kind)
        nodes = sample.draw(ours, concepts.concept_for(ours.config), 4, 60, seed=1)
        kept = sample.states(ours.model, nodes, 4)
        assert kept.shape == (5, len(nodes.node), 8)
        for row in np.random.default_rng(0).choice(len(nodes.node), 12, replace=False):
            encoding, i = nodes.encodings[nodes.instance[row]], nodes.node[row]
            if kind == "text":
                due = np.full(5, NOT_JOINED if encoding.true_from[i] == NEVER else encoding.value[i])
            else:  # over tokens a hop takes two steps
                due = encoding.truth(4)[0][:, i] if kind != "edge list" else encoding.truth(2)[0][[0, 0, 1, 1, 2], i]
            np.testing.assert_array_equal(nodes.truth[:, row], due)
            assert encoding.carries[i]
            with torch.inference_mode():
                alone = trace.run(ours.model, trace.collate([encoding]), 4).hidden[:, 0, i].numpy()
            np.testing.assert_allclose(kept[:, row], alone, atol=1e-5)


def test_distances_fitted_on_are_known() -> None:
    nodes = sample.draw(flood(), concept_of("graph"), 20, 100, seed=2)
    from_source = [int(nodes.encodings[i].true_from[k]) for i, k in zip(nodes.instance, nodes.node, strict=True)]
    distance = np.array(from_source)
    fitted = nodes.purpose == FIT
    assert set(distance[fitted]) == {0, 1, 2, 3, 4, 5, NEVER}
    unseen = distance[(nodes.purpose == HARDER) & nodes.parts["unseen"]]
    assert unseen.min() == 6
    assert 12 <= unseen.max() < 100
    assert nodes.truth[6, (nodes.purpose == HARDER)].sum() > nodes.truth[5, (nodes.purpose == HARDER)].sum()


def test_features_of_graphs_are_what_networkx_counts() -> None:
    concept = concept_of("graph")
    for instance in tasks.get("graph").generate(4, 6):
        graph = nx.DiGraph([(int(a), int(b)) for a, b in instance.edges])
        graph.add_nodes_from(range(instance.n_nodes))
        encoding = tasks.get("graph").encode(instance, CONFIGS["graph"])
        found = concepts.features(concept, encoding, CONFIGS["graph"])
        due = [[graph.in_degree(i), graph.out_degree(i), i == instance.source] for i in range(instance.n_nodes)]
        np.testing.assert_array_equal(found, np.array(due, dtype=float))


def test_features_of_tokens_are_those_of_the_node_that_is_named() -> None:
    concept = concept_of("graph")
    for instance in tasks.get("graph").generate(3, 4):
        whole = tasks.get("graph").encode(instance, CONFIGS["graph"])
        nodes = concepts.features(concept, whole, CONFIGS["graph"])
        encoding = tasks.get("graph").encode(instance, CONFIGS["edge list"])
        found = concepts.features(concept, encoding, CONFIGS["edge list"])
        np.testing.assert_array_equal(found[:, :3], nodes[encoding.instance_node])
        assert (found[:, 3:].argmax(1) == encoding.token_ids).all()


def test_features_of_mentions_are_what_the_text_says() -> None:
    concept, task = concept_of("text"), tasks.get("text")
    instance = task.parse("Ann is the parent of Bob. Bob is the child of Cy. query: Bob is the grandparent of Cy")
    encoding = task.encode(instance, CONFIGS["text"])
    found = concepts.features(concept, encoding, CONFIGS["text"])
    rows = {}
    for i in np.flatnonzero(encoding.carries):
        relation = found[i, 1:-3].argmax() - 1
        rows[int(i)] = (encoding.labels[i], found[i, 0], RELATIONS[relation], found[i, -3], found[i, -2], found[i, -1])
    assert list(rows.values()) == [
        ("Ann", 0, "parent", 1, 0, 1), ("Bob", 1, "parent", 3, 1, 6), ("Bob", 0, "child", 3, 1, 8),
        ("Cy", 1, "child", 2, 0, 13), ("Bob", 0, "grandparent", 3, 1, 17), ("Cy", 1, "grandparent", 2, 0, 22),
    ]  # fmt: skip
    np.testing.assert_array_equal(concepts.final(concept, encoding)[list(rows)], [-1, 0, 0, -1, 0, -1])


def test_features_of_formulas_are_kind_place_and_level() -> None:
    concept, task = concept_of("logic"), tasks.get("logic")
    instance = task.parse("((T&F)|!(T^T))")
    tree = concepts.features(concept, task.encode(instance, CONFIGS["tree"]), CONFIGS["tree"])
    np.testing.assert_array_equal(tree[:, -1], instance.level)
    np.testing.assert_array_equal(tree[:, -2], np.arange(instance.n_subformulas))
    encoding = task.encode(instance, CONFIGS["tokens"])
    tokens = concepts.features(concept, encoding, CONFIGS["tokens"])
    assert encoding.bracket is not None
    np.testing.assert_array_equal(tokens[:, -1], encoding.bracket)
    assert (tokens[:, : len(VOCABULARY)].argmax(1) == encoding.token_ids).all()
    operators = concepts.parts(concept, encoding)["operators"]
    assert [encoding.labels[i] for i in np.flatnonzero(operators)] == [VOCABULARY[CLS], "&", "|", "!", "^"]


def test_control_labels_follow_identity_and_nothing_else() -> None:
    identities = np.random.default_rng(0).integers(0, 20, (500, 2))
    labels = controls.control_labels(identities, seed=1)
    order = np.random.default_rng(1).permutation(500)
    np.testing.assert_array_equal(controls.control_labels(identities[order], seed=1), labels[order])
    again = controls.control_labels(np.concatenate([identities, identities[:7]]), seed=1)
    np.testing.assert_array_equal(again[500:], labels[:7])
    assert 0.35 < labels.mean() < 0.65
    several = controls.control_labels(identities, seed=1, values=(-4, 0, 4))
    assert set(several.tolist()) == {-4, 0, 4}
    np.testing.assert_array_equal(several[order], controls.control_labels(identities[order], seed=1, values=(-4, 0, 4)))
    assert 0.35 < (labels == controls.control_labels(identities, seed=2)).mean() < 0.65


def test_nodes_with_names_are_identified_by_them() -> None:
    task = tasks.get("graph")
    encoding = task.encode(task.generate(3, 1)[0], CONFIGS["named"])
    found = concepts.identities(concept_of("graph"), encoding, CONFIGS["named"])
    np.testing.assert_array_equal(found[:, 0], encoding.token_ids)


def test_an_untrained_network_is_seeded_and_leaves_the_random_state_alone(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", "graph")
    before = torch.random.get_rng_state()
    blank = [controls.untrained(ours, seed).token.weight for seed in (0, 0, 1)]
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(blank[0], blank[1])
    assert not torch.equal(blank[0], blank[2])
    assert not torch.equal(blank[0], ours.model.token.weight)


def test_balanced_accuracy_by_hand() -> None:
    truth = np.array([[True, True, False, False, False, False], [True] * 6])
    predicted = np.array([[True, False, False, False, False, True], [True] * 6])
    both, alone = balanced_accuracy(predicted, truth, np.array([0, 0, 1, 1, 2, 2]))
    assert both.value == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert both.low <= both.value <= both.high
    assert both.n == 6
    assert np.isnan([alone.value, alone.low, alone.high]).all()  # one class alone


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Groups that are right or wrong as a whole: an interval over nodes would be far too narrow."""
    rng = np.random.default_rng(0)
    covered = []
    for k in range(60):
        right = np.repeat(rng.random(80) < 0.8, 10)
        truth = np.tile([True, False], 400)
        accuracy = balanced_accuracy((right == truth)[None], truth[None], np.repeat(np.arange(80), 10), seed=k)[0]
        covered.append(accuracy.low <= 0.8 <= accuracy.high)
    assert np.mean(covered) > 0.85
