"""What counting gets: chance on audited data, much on the paper's."""

import numpy as np
import pytest

from core import checkpoint, tasks
from core.errors import InputError
from core.tasks import text_data
from probes import trivial
from probes.trivial import scrambled


def test_a_scrambled_text_keeps_its_words() -> None:
    arrays = text_data.draw(np.random.default_rng(3), np.array([4, 4]), "audited")
    for instance in arrays.instances():
        other = scrambled(instance, np.random.default_rng(0))
        assert other.query == instance.query
        assert np.array_equal(other.facts[:, 1], instance.facts[:, 1])
        ours, theirs = (np.sort(x.facts[:, [0, 2]].ravel()) for x in (other, instance))
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("data", ["audited", "paper"])
def test_counting_words_answers_the_papers_texts_alone(data: str) -> None:
    rule = trivial.word_counter(data, (2, 3), seed=0)
    drawn = tasks.get("text").generate(3, 1000, data)
    right = (rule(drawn) == np.array([x.label for x in drawn])).mean()
    assert right <= 0.55 if data == "audited" else right >= 0.75


def test_rules_of_graphs_and_formulas() -> None:
    graphs = checkpoint.load("graph-house")
    audited, paper = (trivial.score(graphs, [3, 12], 200, data, seed=0)[0] for data in ("audited", "paper"))
    assert audited.accuracy.tolist() == [0.5, 0.5]
    assert (paper.accuracy > 0.75).all()
    formulas = trivial.score(checkpoint.load("logic-house-tree"), [3, 6], 100, "audited", seed=0)[0]
    assert formulas.accuracy.tolist() == [1.0, 0.5]  # kappa = depth
    assert (formulas.low <= formulas.accuracy).all()
    assert (formulas.accuracy <= formulas.high).all()


def test_only_texts_have_names_to_scramble() -> None:
    with pytest.raises(InputError, match="texts alone"):
        trivial.scramble(checkpoint.load("graph-house"), [2], 4, "audited", seed=0)
