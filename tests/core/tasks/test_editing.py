"""Edits by hand: they do what they say, the oracle follows, what must stay stays, and they read back as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks.editing import edit
from depthscope.core.tasks.logic.instance import LogicInstance

SEEDS = st.integers(0, 10_000)


def drawn(task: str, difficulty: int, seed: int) -> Any:
    return tasks.get(task).generate(difficulty, 2, "audited", seed)[seed % 2]


def read_back(instance: Any) -> Any:
    module = tasks.get(instance.task)
    return module.parse(module.render(instance))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(tasks.BUILT_IN), SEEDS, st.data())
def test_any_row_of_edits_gives_an_instance_that_reads_back(task: str, seed: int, data: st.DataObject) -> None:
    instance = drawn(task, 3, seed)
    for _ in range(6):
        name = data.draw(st.sampled_from(sorted(tasks.get(task).edits)))
        size = {"graph": "names", "logic": "kind", "text": "facts"}[task]
        places = st.integers(0, len(getattr(instance, size)) - (task != "text"))
        takes = {"edge": 2, "harder": 0, "easier": 0}.get(name, 1)
        try:
            edited = edit(instance, name, *(data.draw(places) for _ in range(takes)))
        except InputError:
            continue
        assert edited.change
        instance = edited.instance
        again = read_back(instance)
        if task == "text":  # a person whom nothing mentions any more is not read back
            assert (again.label, again.difficulty) == (instance.label, instance.difficulty)
        else:
            assert again == instance


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(tasks.BUILT_IN), st.integers(2, 5), SEEDS)
def test_harder_and_easier_move_the_difficulty_by_one_and_keep_the_answer(task: str, start: int, seed: int) -> None:
    instance = drawn(task, start, seed)
    harder = edit(instance, "harder").instance
    assert harder.label == instance.label
    back = edit(harder, "easier").instance
    assert back.label == instance.label
    if instance.difficulty is None:
        assert harder.first_decidable_step() == instance.first_decidable_step() + 1
        assert back.first_decidable_step() == instance.first_decidable_step()
    else:
        assert harder.difficulty == instance.difficulty + 1
        assert back.difficulty == instance.difficulty


@pytest.mark.slow
@given(SEEDS, st.data())
def test_an_edge_comes_and_goes_as_networkx_says(seed: int, data: st.DataObject) -> None:
    graph = drawn("graph", 3, seed)
    a, b = data.draw(st.lists(st.integers(0, graph.n_nodes - 1), min_size=2, max_size=2, unique=True))
    beside = nx.DiGraph(graph.edges.tolist())
    beside.add_nodes_from(range(graph.n_nodes))
    (beside.remove_edge if beside.has_edge(a, b) else beside.add_edge)(a, b)
    edited = edit(graph, "edge", a, b).instance
    assert {(int(x), int(y)) for x, y in edited.edges} == set(beside.edges)
    assert edited.label == nx.has_path(beside, graph.source, graph.target)
    twice = edit(edited, "edge", a, b).instance
    assert {tuple(e) for e in twice.edges.tolist()} == {tuple(e) for e in graph.edges.tolist()}


def test_nodes_of_a_graph() -> None:
    graph = tasks.get("graph").parse("A B\nB C\nC D\n", source="A", target="D")
    added = edit(graph, "add", 1)
    assert added.instance.names == ("A", "B", "C", "D", "E")
    assert added.instance.edges.tolist()[-1] == [1, 4]
    assert "E" in added.change
    without = edit(graph, "remove", 1).instance
    assert without.names == ("A", "C", "D")
    assert without.edges.tolist() == [[1, 2]]
    assert (without.source, without.target, without.label) == (0, 2, 0)
    with pytest.raises(InputError, match="A is the source"):
        edit(graph, "remove", 0)
    with pytest.raises(InputError, match="two nodes"):
        edit(graph, "edge", 2, 2)
    with pytest.raises(InputError, match="no node number 9"):
        edit(graph, "edge", 0, 9)
    with pytest.raises(InputError, match="cannot be made easier"):
        edit(replace(graph, target=1), "easier")


def formula(text: str) -> LogicInstance:
    return tasks.get("logic").parse(text)


@pytest.mark.parametrize(
    ("text", "name", "token", "expected"),
    [
        ("((T&F)|T)", "turn", 2, "((F&F)|T)"),
        ("((T&F)|T)", "turn", 3, "((T|F)|T)"),
        ("((T|F)|T)", "turn", 3, "((T^F)|T)"),
        ("((T&F)|T)", "negate", 3, "(!(T&F)|T)"),
        ("(!(T&F)|T)", "negate", 1, "((T&F)|T)"),
        ("((T&F)|T)", "grow", 4, "((T&(F|F))|T)"),
        ("((T&F)|T)", "grow", 3, "(((T&F)|F)|T)"),
        ("((T&F)|T)", "fold", 3, "(F|T)"),
        ("((T&F)|T)", "fold", 6, "T"),
    ],
)
def test_subformulas(text: str, name: str, token: int, expected: str) -> None:
    instance = formula(text)
    at = int(np.flatnonzero(instance.position == token)[0])
    edited = edit(instance, name, at).instance
    assert edited.text == expected
    assert edited == formula(expected)


def test_what_cannot_be_done_to_a_formula_is_said() -> None:
    with pytest.raises(InputError, match="value already"):
        edit(formula("T"), "fold", 0)
    with pytest.raises(InputError, match="nothing to be exchanged"):
        edit(formula("!T"), "turn", 0)
    with pytest.raises(InputError, match="no operator left"):
        edit(formula("!T"), "easier")
    with pytest.raises(InputError, match="no edit 'edge'"):
        edit(formula("T"), "edge", 0, 0)
    with pytest.raises(InputError, match="takes 1 place"):
        edit(formula("T"), "turn")


def test_a_very_deep_formula_is_edited_without_recursion() -> None:
    deep = formula("!" * 900 + "T")
    assert edit(deep, "turn", 900).instance.label == 1 - deep.label
    assert edit(deep, "negate", 0).instance.n_subformulas == 900


def test_facts_of_a_text() -> None:
    text = tasks.get("text").parse("A is the parent of B. B is the parent of C. Is A the grandparent of C?")
    assert edit(text, "turn", 0).instance.facts[0].tolist() == [0, -1, 1]
    asked = edit(text, "turn", 2)
    assert asked.instance.query == (0, 3, 2)
    assert "great-grandparent" in asked.change
    assert edit(text, "remove", 1).instance.label is None
    with pytest.raises(InputError, match="question cannot"):
        edit(text, "remove", 2)
    closed = tasks.get("text").parse(
        "A is the parent of B. B is the parent of C. C is the child of B. A is the parent of D. D is the sibling of B. "
        "Is A the grandparent of C?"
    )
    with pytest.raises(InputError, match="contradict"):
        edit(closed, "turn", 0)
