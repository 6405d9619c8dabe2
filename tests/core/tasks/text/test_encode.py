"""What a text is along its facts: mentions that say their relation, joined by facts and equal names, and a question."""

from dataclasses import replace

import numpy as np
import pytest

from depthscope.core.tasks.text import TASK as text, encode as text_encoding, generate as text_data  # noqa: N811
from depthscope.core.tasks.text.encode import OBJECT, SUBJECT
from depthscope.core.tasks.text.instance import TOKEN
from depthscope.core.training import recipes

CONFIG = recipes.get("text", "house-facts").model


def test_a_fact_is_the_same_in_either_orientation() -> None:
    one = text.encode(text.parse("A is the parent of B. query: A is the parent of B"), CONFIG)
    other = text.encode(text.parse("B is the child of A. query: A is the parent of B"), CONFIG)
    said = [{e.labels[i]: int(e.token_ids[i]) for i in (0, 2)} for e in (one, other)]
    assert said[0] == said[1] == {"A": TOKEN["parent"], "B": TOKEN["child"]}


def test_the_question_states_no_fact() -> None:
    encoding = text.encode(text.parse("A is the parent of B. B is the parent of C. query: A is the child of C"), CONFIG)
    question = np.arange(6, encoding.n_nodes)
    assert [encoding.labels[i] for i in question] == ["query", "A", "child", "C"]
    assert (encoding.token_ids[[7, 9]] == [SUBJECT, OBJECT]).all()
    assert encoding.edge_index is not None
    pairs = set(zip(*encoding.edge_index.tolist(), strict=True))
    assert (7, 9) not in pairs
    assert (9, 7) not in pairs
    assert {(7, 0), (0, 7), (0, 2), (2, 0), (2, 3), (3, 2), (5, 9), (9, 5)} <= pairs
    assert all(a == b for a, b in pairs if 1 in (a, b) or 8 in (a, b))  # words of relations stand by themselves


@pytest.mark.parametrize("name", ["house-facts", "house-tokens"])
def test_what_is_asked_is_hidden_where_the_readout_is_told_of_it(name: str) -> None:
    config = recipes.get("text", name).model
    hidden = replace(config, readout="sum")
    facts = "A is the parent of B. B is the parent of C. query: A is the "
    one, other = (text.parse(f"{facts}{asked} of C") for asked in ("grandparent", "grandchild"))
    for own, blind in ((text.encode(t, config), text.encode(t, hidden)) for t in (one, other)):
        assert own.labels == blind.labels
        place = np.flatnonzero(own.token_ids != blind.token_ids)
        assert [own.labels[i] for i in place] in (["grandparent"], ["grandchild"])
        assert (blind.token_ids[place] == TOKEN["query"]).all()
    both = [text.encode(t, hidden) for t in (one, other)]
    assert (both[0].token_ids == both[1].token_ids).all()
    assert [e.asked for e in both] == [2, -2]
    arrays = text_data.draw(np.random.default_rng(0), np.full(8, 3), "paper")
    lesson = text_encoding.lesson(arrays, replace(hidden, identity="vocabulary"))
    alone = [text.encode(t, replace(hidden, identity="none")) for t in arrays.instances()]
    for row, encoding in zip(lesson.batch.token_ids.tolist(), alone, strict=True):
        said = [row[i] == TOKEN["query"] for i in range(encoding.n_nodes)]
        assert said == [t == TOKEN["query"] for t in encoding.token_ids.tolist()]
