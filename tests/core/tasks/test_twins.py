"""Twins: the answer turns, one thing differs, nothing is contradicted; where there is none, no change was possible."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.tasks.logic.instance import BINARY, NOT, F, LogicInstance, T
from depthscope.core.tasks.logic.twin import decides
from depthscope.core.tasks.text import twin as text_twin
from depthscope.core.tasks.text.instance import TextInstance

SEEDS = st.integers(0, 3)


def found(instance: Any, seed: int = 0) -> Any:
    """The twin, None where there is none."""
    try:
        return twins.find(instance, seed).instance
    except InputError:
        return None


def rows(instance: GraphInstance) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in instance.edges}


def turned_by_some_swap(graph: GraphInstance) -> bool:
    """Whether any double edge swap turns the answer, by trying each and asking networkx."""
    edges = rows(graph)
    for (a, b), (c, d) in combinations(sorted(edges), 2):
        if a == d or c == b or (a, d) in edges or (c, b) in edges:
            continue
        other = nx.DiGraph([*(edges - {(a, b), (c, d)}), (a, d), (c, b)])
        other.add_nodes_from(range(graph.n_nodes))
        if nx.has_path(other, graph.source, graph.target) != bool(graph.label):
            return True
    return False


def check_graph(graph: GraphInstance, other: GraphInstance) -> None:
    assert other.label == 1 - graph.label
    assert (other.names, other.source, other.target) == (graph.names, graph.source, graph.target)
    for end in (0, 1):  # out-degrees, in-degrees
        np.testing.assert_array_equal(
            np.bincount(graph.edges[:, end], minlength=graph.n_nodes),
            np.bincount(other.edges[:, end], minlength=graph.n_nodes),
        )
    assert len(rows(other)) == len(rows(graph)) == len(other.edges)  # no edge twice
    assert all(a != b for a, b in rows(other))
    assert len(rows(graph) - rows(other)) == 2


@st.composite
def graphs(draw: st.DrawFn) -> GraphInstance:
    n = draw(st.integers(2, 6))
    pairs = draw(st.lists(st.sampled_from(list(permutations(range(n), 2))), unique=True, max_size=9))
    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return GraphInstance(tuple("abcdef"[:n]), edges, draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1)))


@given(graphs(), SEEDS)
@settings(deadline=None, max_examples=120)
def test_a_graph_has_a_twin_exactly_where_a_swap_turns_its_answer(graph: GraphInstance, seed: int) -> None:
    other = found(graph, seed)
    assert (other is not None) == turned_by_some_swap(graph)
    if other is not None:
        check_graph(graph, other)


@pytest.mark.parametrize("data", ["audited", "paper"])
def test_drawn_graphs_have_twins_of_the_same_degrees(data: str) -> None:
    for hops in (1, 3, 5, 12):
        drawn = tasks.get("graph").generate(hops, 10, data, seed=3)
        made = [found(graph) for graph in drawn]
        for graph, other in zip(drawn, made, strict=True):
            if other is not None:
                check_graph(graph, other)
        assert data == "paper" or all(made)  # the paper's may be too dense for one swap to cut


def test_the_sentence_names_the_edges_that_moved() -> None:
    graph = tasks.get("graph").parse("s a\na t\nu v\n", "g.txt").asked("s", "t")
    twin = twins.find(graph)
    gone, come = rows(graph) - rows(twin.instance), rows(twin.instance) - rows(graph)
    before, after = twin.change.split(" became ")
    for sentence, edges in ((before, gone), (after, come)):
        said = {tuple(edge.split(" → ")) for edge in sentence.split(" and ")}
        assert said == {(graph.names[a], graph.names[b]) for a, b in edges}


def test_a_cut_sees_the_way_round_by_both_new_edges() -> None:
    """Swapped with d → c or c → d, the edge s → t would become a way through both; only u → v is left."""
    graph = GraphInstance(tuple("stcduv"), np.array([[0, 1], [3, 2], [2, 3], [4, 5]]), 0, 1)
    for seed in range(6):
        other = found(graph, seed)
        check_graph(graph, other)
        assert rows(other) == {(0, 5), (4, 1), (3, 2), (2, 3)}


def formulas(draw: st.DrawFn, depth: int) -> LogicInstance:
    """A random tree, its subformulas in the order of their tokens."""
    kind: list[int] = []
    left: list[int] = []
    right: list[int] = []

    def grow(left_over: int) -> int:
        choice = draw(st.sampled_from((T, F, *(() if left_over == 0 else (*BINARY, NOT)))))
        if choice in (T, F):
            children = (-1, -1)
        elif choice == NOT:
            at = len(kind)
            kind.append(choice)
            left.append(-1)
            right.append(-1)
            left[at] = grow(left_over - 1)
            return at
        else:
            first = grow(left_over - 1)
            at = len(kind)
            kind.append(choice)
            left.append(first)
            right.append(-1)
            right[at] = grow(left_over - 1)
            return at
        kind.append(choice)
        left.append(children[0])
        right.append(children[1])
        return len(kind) - 1

    root = grow(depth)
    return LogicInstance(np.array(kind, np.int8), np.array(left, np.int32), np.array(right, np.int32), root)


def flipped(formula: LogicInstance, atom: int) -> LogicInstance:
    kind = formula.kind.copy()
    kind[atom] = T + F - kind[atom]
    return replace(formula, kind=kind)


@given(st.data(), SEEDS)
@settings(deadline=None, max_examples=80)
def test_a_formula_has_a_twin_exactly_where_an_atom_turns_it(data: st.DataObject, seed: int) -> None:
    formula = data.draw(st.composite(formulas)(4))
    atoms = np.flatnonzero(formula.left < 0)
    turn = [int(i) for i in atoms if flipped(formula, int(i)).label != formula.label]
    np.testing.assert_array_equal(np.flatnonzero(decides(formula) & (formula.left < 0)), turn)
    other = found(formula, seed)
    assert (other is not None) == bool(turn)
    if other is not None:
        differs = np.flatnonzero(other.kind != formula.kind)
        assert len(differs) == 1
        assert differs[0] in turn
        assert formula.level[differs[0]] == max(formula.level[i] for i in turn)
        assert other == flipped(formula, int(differs[0]))
        before, after = (tasks.get("logic").parse(x.text).label for x in (formula, other))
        assert before == 1 - after


def test_the_sentence_names_the_atom() -> None:
    formula = tasks.get("logic").parse("((T|F)&F)")
    twin = twins.find(formula)
    assert (twin.change, twin.instance.text) == ("F became T at token 8", "((T|F)&T)")


def check_text(text: TextInstance, other: TextInstance) -> None:
    assert other.label == 1 - (text.label or 0)
    assert (other.names, other.query) == (text.names, text.query)
    differs = (other.facts != text.facts).any(axis=1)
    assert differs.sum() == 1
    np.testing.assert_array_equal(other.facts[:, [0, 2]], text.facts[:, [0, 2]])
    assert set(other.facts[:, 1]) <= {-1, 0, 1}
    task = tasks.get("text")
    read = task.parse(task.render(other))  # the parser refuses facts that contradict each other, wherever they are
    assert read.label == other.label


@pytest.mark.parametrize("data", ["audited", "paper"])
@pytest.mark.parametrize("chain", [1, 2, 5, 10])
def test_texts_have_twins_that_differ_in_one_fact(chain: int, data: str) -> None:
    drawn = tasks.get("text").generate(chain, 40, data, seed=2)
    made = [found(text, seed) for seed, text in enumerate(drawn)]
    for text, other in zip(drawn, made, strict=True):
        if other is not None:
            check_text(text, other)
        else:
            assert not turned_by_some_fact(text)
    assert data == "paper" or all(made)  # a wrong question of the paper may be four generations off


def turned_by_some_fact(text: TextInstance) -> bool:
    """Whether changing any one fact to another of the three relations turns the answer without a contradiction."""
    task = tasks.get("text")
    for row in range(len(text.facts)):
        for offset in {-1, 0, 1} - {int(text.facts[row, 1])}:
            facts = text.facts.copy()
            facts[row, 1] = offset
            try:
                if task.parse(task.render(replace(text, facts=facts))).label == 1 - (text.label or 0):
                    return True
            except InputError:
                pass
    return False


@st.composite
def texts(draw: st.DrawFn) -> TextInstance:
    """People at some heights and facts that follow from them, so that there are rings and repeats but no lie."""
    m = draw(st.integers(2, 5))
    height = draw(st.lists(st.integers(-1, 1), min_size=m, max_size=m))
    pairs = [(a, b) for a, b in permutations(range(m), 2) if abs(height[a] - height[b]) <= 1]
    chosen = draw(st.lists(st.sampled_from(pairs or [(0, 1)]), min_size=1, max_size=6))
    facts = np.array([(a, max(-1, min(1, height[a] - height[b])), b) for a, b in chosen], np.int64)
    a, b = draw(st.sampled_from(list(permutations(range(m), 2))))
    names = ("Alice", "Bob", "Carol", "Dave", "Eve")[:m]
    return TextInstance(names, facts, (a, draw(st.integers(-2, 2)), b))


@given(texts(), SEEDS)
@settings(deadline=None, max_examples=60)
def test_a_text_has_a_twin_exactly_where_a_fact_turns_it(text: TextInstance, seed: int) -> None:
    other = found(text, seed)
    if text.label is None:
        assert other is None
        return
    assert (other is not None) == turned_by_some_fact(text)
    if other is not None:
        check_text(text, other)
        assert text_twin.consistent(other)


@pytest.mark.parametrize("task", ["graph", "logic", "text"])
def test_the_seed_decides(task: str) -> None:
    made = tasks.get(task).generate(5, 8, seed=1)
    for instance in made:
        assert twins.find(instance, 4) == twins.find(instance, 4)
        assert twins.find(instance, 4).instance != instance
    if task != "logic":  # the audited path has one deepest atom that decides
        several = [{twins.find(x, seed).change for seed in range(12)} for x in made]
        assert max(map(len, several)) > 1


@pytest.mark.parametrize(
    ("task", "content", "reason"),
    [
        ("graph", "a b\nb a\n", "cuts every path"),
        ("graph", "a b\n", "cuts every path"),
        ("logic", "(T|T)", "no single atom"),
        ("text", "A is the parent of B. B is the child of A. query: A is the parent of B", "contradicting"),
        ("text", "A is the parent of B. C is the parent of D. query: A is the parent of D", "no facts join"),
    ],
)
def test_where_there_is_none_a_sentence_says_so(task: str, content: str, reason: str) -> None:
    instance = tasks.get(task).parse(content)
    if task == "graph":
        instance = instance.asked("a", "b")
    with pytest.raises(InputError, match=reason):
        twins.find(instance)
