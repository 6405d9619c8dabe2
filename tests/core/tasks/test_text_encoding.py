"""What a text is along its facts: mentions that say their relation, joined by facts and equal names, and a question."""

import numpy as np

from core import recipes
from core.tasks import text
from core.tasks.text_encoding import OBJECT, SUBJECT
from core.tasks.text_instance import TOKEN

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
