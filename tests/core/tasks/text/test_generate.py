"""Generated texts can be read back, and are what they claim to be."""

import numpy as np
import pytest

from depthscope.core.tasks.text import TASK as text  # noqa: N811
from depthscope.core.tasks.text.generate import PAPER_MAX_CHAIN, REACH, audited, paper


@pytest.mark.slow
@pytest.mark.parametrize("data", ["audited", "paper"])
def test_generated_texts_read_back_as_themselves(data: str) -> None:
    for difficulty in (1, 2, 3, 5, 8, PAPER_MAX_CHAIN):
        drawn = text.generate(difficulty, 130, data)
        for instance in drawn:
            again = text.parse(text.render(instance))
            assert again == instance
            assert again.notes == ()
            assert instance.difficulty == difficulty
        assert [x.label for x in drawn].count(1) == 65


def test_twins_differ_in_one_fact_and_are_asked_the_same() -> None:
    drawn = text.generate(5, 100)
    for one, other in zip(drawn[::2], drawn[1::2], strict=True):
        assert (one.names, one.query) == (other.names, other.query)
        assert (one.facts[:, [0, 2]] == other.facts[:, [0, 2]]).all()
        assert (one.facts[:, 1] != other.facts[:, 1]).sum() == 1
        assert {one.label, other.label} == {0, 1}
        assert max(np.abs(one.offset).max(), np.abs(other.offset).max()) <= REACH


def test_chains_with_a_direction_come_to_the_far_offsets_and_leave_them_again() -> None:
    turns = []
    for drift in (0.0, 1.0):
        arrays = audited(np.random.default_rng(0), np.full(1000, 5), drift=drift, turns=True)
        assert (arrays.label.reshape(-1, 2).sum(1) == 1).all()
        size = np.abs(arrays.offset)
        assert size.max() <= REACH
        chain = np.take_along_axis(size, np.arange(6)[None], axis=1)  # the people of the chain come first
        turns.append(((chain[:, :-1] == REACH) & (chain[:, 1:] == REACH - 1)).sum())
    assert turns[1] > 2 * turns[0]


def test_facts_told_from_either_side_are_the_same_facts() -> None:
    chain, label = np.full(200, 5), np.arange(200) % 2
    said, told = (paper(np.random.default_rng(0), chain, label, None, either_way) for either_way in (False, True))
    turned = said.facts[..., 0] != told.facts[..., 0]
    used = np.arange(said.facts.shape[1])[None] < said.n_facts[:, None]
    assert 0.45 < turned[used].mean() < 0.55
    again = np.where(turned[..., None], told.facts[..., ::-1] * [1, -1, 1], told.facts)
    assert (again == said.facts).all()
    assert (told.label == label).all()
    for instance, answer in zip(told.instances(), label, strict=True):  # as the oracle reads it
        assert instance.label == answer


def test_a_chain_may_go_on_beyond_the_two_people_it_is_asked_about() -> None:
    rng = np.random.default_rng(0)
    chain, label, extra = rng.integers(1, 6, 400), np.arange(400) % 2, rng.integers(0, 5, 400)
    arrays = paper(rng, chain, label, extra)
    assert (arrays.label == label).all()
    assert ((arrays.distance >= 0).sum(1) == chain + extra + 1).all()
    for instance, answer, facts in zip(arrays.instances(), label, chain, strict=True):
        assert (instance.label, instance.difficulty) == (answer, facts)
    before = arrays.query[:, 0]
    assert before.min() == 0
    assert (before == extra).any()
