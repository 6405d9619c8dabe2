"""What counting gets: chance on audited data, much on the paper's."""

import numpy as np
import pytest

from depthscope.core import checkpoint, tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.rules import degree
from depthscope.core.tasks.text import generate as text_data
from depthscope.core.tasks.text.rules import joined_count, scrambled
from depthscope.probes.instruments import trivial


def test_a_scrambled_text_keeps_its_words() -> None:
    arrays = text_data.draw(np.random.default_rng(3), np.array([4, 4]), "audited")
    for instance in arrays.instances():
        other = scrambled(instance, np.random.default_rng(0))
        assert other.query == instance.query
        assert np.array_equal(other.facts[:, 1], instance.facts[:, 1])
        ours, theirs = (np.sort(x.facts[:, [0, 2]].ravel()) for x in (other, instance))
        assert np.array_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("data", ["audited", "paper"])
def test_counting_words_answers_the_papers_texts_alone(data: str) -> None:
    rule = trivial.word_counter("text", data, (2, 3), seed=0)
    drawn = tasks.get("text").generate(3, 1000, data)
    right = (rule(drawn) == np.array([x.label for x in drawn])).mean()
    assert right <= 0.55 if data == "audited" else right >= 0.75


@pytest.mark.parametrize("data", ["audited", "paper"])
def test_counting_facts_whose_people_are_named_again_answers_the_papers_texts_alone(data: str) -> None:
    for chain in (3, 9):
        drawn = tasks.get("text").generate(chain, 1000, data)
        right = (joined_count(drawn) == np.array([x.label for x in drawn])).mean()
        assert right <= 0.6 if data == "audited" else right >= 0.9


def test_rules_of_graphs_and_formulas() -> None:
    graphs = checkpoint.load("graph-house")
    audited, paper = (trivial.score(graphs, [3, 12], 200, data, seed=0)[0] for data in ("audited", "paper"))
    assert audited.accuracy.value.tolist() == [0.5, 0.5]
    assert (paper.accuracy.value > 0.75).all()
    formulas = trivial.score(checkpoint.load("logic-house-tree"), [3, 6], 100, "audited", seed=0)[0]
    assert formulas.accuracy.value.tolist() == [1.0, 0.5]  # kappa = depth
    assert (formulas.accuracy.low <= formulas.accuracy.value).all()
    assert (formulas.accuracy.value <= formulas.accuracy.high).all()


def test_only_texts_have_names_to_scramble() -> None:
    with pytest.raises(InputError, match="texts alone"):
        trivial.scramble(checkpoint.load("graph-house"), [2], 4, "audited", seed=0)


def test_where_a_rule_errs(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = checkpoint.load("graph-house")
    known = {"degree": degree, "always right": lambda drawn: np.array([float(x.label) for x in drawn])}
    known |= {"coin": lambda drawn: np.full(len(drawn), 0.5)}
    known |= {"never right": lambda drawn: np.array([1.0 - x.label for x in drawn])}
    monkeypatch.setattr(trivial, "rules_for", lambda *_: known)
    by_degree, right, coin, never = trivial.where_wrong(opened, [3, 5], 60, "audited", seed=0)
    assert by_degree.rule == "degree wrong"
    assert (by_degree.accuracy.n.tolist(), never.accuracy.n.tolist()) == ([30, 30], [60, 60])
    assert by_degree.accuracy.value.tolist() == never.accuracy.value.tolist() == [1.0, 1.0]
    for none in (right, coin):
        assert none.accuracy.n.tolist() == [0, 0]
        assert np.isnan(none.accuracy.value).all()
        assert np.isnan(none.accuracy.low).all()


def test_a_model_is_wrong_wherever_it_says_what_an_erring_rule_says(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = checkpoint.load("graph-paper")
    own = {"itself": lambda drawn: trivial._answers(opened, drawn, 18).astype(float)}
    monkeypatch.setattr(trivial, "rules_for", lambda *_: own)
    monkeypatch.setattr(trivial, "default_steps", lambda *_, **__: 18)
    (same,) = trivial.where_wrong(opened, [10], 60, "audited", seed=0)
    assert same.accuracy.n[0] > 5
    assert same.accuracy.value.tolist() == [0.0]
