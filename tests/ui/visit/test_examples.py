"""The examples are what their titles say."""

import pytest

from depthscope.core.errors import InputError
from depthscope.ui.visit import examples


def test_graphs_are_what_they_are_called() -> None:
    hops = {"twelve-hops": 12, "twelve-hops-cut": None, "cycle": 11, "libraries": 7, "three-hops": 3, "forty-hops": 40}
    assert {entry.name: entry.make().difficulty for entry in examples.examples("graph")} == hops


def test_the_twin_differs_by_a_swap() -> None:
    graph, twin = (examples.find("graph", name) for name in ("twelve-hops", "twelve-hops-cut"))
    own, other = ({tuple(edge) for edge in x.edges.tolist()} for x in (graph, twin))
    assert (graph.names, graph.source, graph.target) == (twin.names, twin.source, twin.target)
    assert len(own - other) == len(other - own) == 2


def test_formulas_are_what_they_are_called() -> None:
    made = {entry.name: entry.make() for entry in examples.examples("logic")}
    assert made["depth-4"].depth == made["depth-4"].kappa == made["balanced"].depth == 4
    assert made["depth-8"].depth == made["depth-8"].kappa == 8
    assert made["shortcut"].kappa == 1


def test_texts_are_what_they_are_called() -> None:
    made = {entry.name: entry.make() for entry in examples.examples("text")}
    length = {"chain-5": 5, "chain-5-twin": 5, "chain-2": 2, "chain-10": 10, "chain-10-twin": 10, "family": 4}
    assert {name: text.difficulty for name, text in made.items()} == {**length, "strangers": None}
    assert [made[name].label for name in ("chain-5", "chain-10", "chain-2", "family")] == [1, 1, 1, 1]
    for name in ("chain-5", "chain-10"):
        text, twin = made[name], made[f"{name}-twin"]
        assert (text.names, text.query, twin.label) == (twin.names, twin.query, 0)
        assert (text.facts != twin.facts).any(axis=1).sum() == 1


def test_an_unknown_example_is_a_sentence() -> None:
    with pytest.raises(InputError, match="twelve-hops"):
        examples.find("graph", "nothing")
