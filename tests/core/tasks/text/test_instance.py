"""The oracle of the text task against brute force: networkx for distances, solved levels for offsets."""

import networkx as nx
import numpy as np
import pytest

from depthscope.core.encoding import NEVER
from depthscope.core.tasks.text.instance import (
    NAMES,
    OFFSET_OF,
    RELATIONS,
    TOKEN,
    VOCABULARY,
    TextInstance,
    relation_word,
)


def drawn(rng: np.random.Generator) -> tuple[TextInstance, np.ndarray]:
    """Consistent facts about people of random levels, and the levels."""
    m = int(rng.integers(2, 9))
    level = rng.integers(0, 4, m)
    pairs = [(a, b) for a in range(m) for b in range(m) if a != b and abs(level[a] - level[b]) <= 1]
    rng.shuffle(pairs)
    facts = [(a, level[a] - level[b], b) for a, b in pairs[: int(rng.integers(0, 9))]]
    query = (int(rng.integers(m)), int(rng.integers(-3, 4)), int(rng.integers(m)))
    return TextInstance(NAMES[:m], np.array(facts, dtype=np.int64).reshape(-1, 3), query), level


@pytest.mark.parametrize("seed", range(200))
def test_distances_offsets_and_label(seed: int) -> None:
    instance, level = drawn(np.random.default_rng(seed))
    graph = nx.Graph(instance.facts[:, [0, 2]].tolist())
    graph.add_nodes_from(range(instance.n_names))
    start, asked, person = instance.query
    hops = nx.single_source_shortest_path_length(graph, start)
    assert instance.distance.tolist() == [hops.get(i, -1) for i in range(instance.n_names)]
    for i in hops:
        assert instance.offset[i] == level[start] - level[i]
    if person in hops:
        assert instance.label == int(level[start] - level[person] == asked)
        assert instance.first_decidable_step() == instance.difficulty == hops[person]
        assert instance.default_steps == 2 * hops[person] + 8
        assert instance.ceiling(9).tolist() == [1.0 if t > hops[person] else 0.5 for t in range(1, 10)]
    else:
        assert instance.label is instance.difficulty is None
        assert instance.first_decidable_step() == NEVER
        assert (instance.ceiling(9) == 0.5).all()


def test_renaming_and_order_of_facts_change_nothing() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        instance, _ = drawn(rng)
        order, new = rng.permutation(len(instance.facts)), rng.permutation(instance.n_names)
        facts = instance.facts[order]
        facts[:, [0, 2]] = new[facts[:, [0, 2]]]
        query = (int(new[instance.query[0]]), instance.query[1], int(new[instance.query[2]]))
        again = TextInstance(instance.names, facts, query)
        assert (again.label, again.difficulty) == (instance.label, instance.difficulty)


def test_words_for_relations() -> None:
    assert [relation_word(k) for k in (1, -1, 2, -2, 3, -4, 0)] == [
        "parent", "child", "grandparent", "grandchild", "great-grandparent", "great-great-grandchild", "sibling",
    ]  # fmt: skip
    assert len(set(RELATIONS)) == len(OFFSET_OF) == 25
    assert len(VOCABULARY) == len(TOKEN) == 54


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 2\), expected \(F, 3\)"):
        TextInstance(("A",), np.zeros((2, 2), dtype=np.int64), (0, 0, 0))
    with pytest.raises(ValueError, match="1 people"):
        TextInstance(("A",), np.zeros((0, 3), dtype=np.int64), (0, 0, 1))
