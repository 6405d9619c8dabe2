"""Where a reader has each value, and from when, against brute force over all ways in which a formula can go on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, NOTHING
from depthscope.core.tasks.logic import TASK as logic, generate as logic_data  # noqa: N811
from depthscope.core.tasks.logic.left_to_right import read_lesson

READING = ModelConfig("logic", vocabulary=10, width=8, heads=1, mlp_width=8, attention="none")


def value_of(text: str) -> int:
    return logic.parse(text).label


def test_values_stand_where_a_subformula_ends() -> None:
    encoding = logic.encode(logic.parse("((T&!F)|(F^!(T|F)))"), READING)
    found = {i: int(encoding.value[i]) for i in np.flatnonzero(encoding.value != NOTHING)}
    text = "".join(encoding.labels[1:])
    due = {0: 1}
    for i, token in enumerate(text):  # the longest stretch that ends here and is a formula
        if token in "TF)":
            stretches = [text[start : i + 1] for start in range(i + 1)]
            longest = next(s for s in stretches if s.count("(") == s.count(")") and s[0] in "!(TF" and is_formula(s))
            due[i + 1] = value_of(longest)
    assert found == due


def is_formula(text: str) -> bool:
    try:
        return logic.parse(text).text == text
    except ValueError:
        return False


def test_the_larger_of_two_has_the_token() -> None:
    encoding = logic.encode(logic.parse("(!!!T&F)"), READING)
    assert encoding.labels[5] == "T"
    assert encoding.value[5] == 0


BEGINS, GOES_ON = "TF!(", "&|^)"


def completions(prefix: str, length: int) -> set[int]:
    """Values of all formulas of a given length that begin with a prefix."""
    if len(prefix) == length:
        return {value_of(prefix)} if is_formula(prefix) else set()
    after = GOES_ON if prefix[-1] in "TF)" else BEGINS
    return {v for token in after for v in completions(prefix + token, length)}


@pytest.mark.slow
def test_known_is_when_every_way_to_go_on_gives_one_value() -> None:
    """The whole formula's value, on formulas short enough to try all that could follow."""
    for text in ("(F&T)", "(T&F)", "(T|F)", "(F|T)", "(T^F)", "((F&T)&F)", "(!T&T)", "(F&(T|F))"):
        known = int(logic.encode(logic.parse(text), READING).known_from[0])
        for t in range(1, len(text) + 1):
            longest = min(len(text) + 2, t + 6) if t < len(text) else len(text)
            values = set.union(*(completions(text[:t], n) for n in range(t, longest + 1)))
            assert (len(values) == 1) == (t >= known), (text, t, values)


def test_a_lesson_says_what_encodings_say() -> None:
    arrays = logic_data.draw(np.random.default_rng(3), np.array([1, 2, 3, 5, 6]), "train")
    lesson = read_lesson(arrays)
    for i, instance in enumerate(arrays.instances()):
        encoding = logic.encode(instance, READING)
        n = encoding.n_nodes
        assert torch.equal(lesson.value[i, :n], torch.from_numpy(encoding.value.astype(np.int64)))
        assert bool((lesson.value[i, n:] == NOTHING).all())
        has = encoding.value != NOTHING
        assert np.array_equal(lesson.known_from[i, :n].numpy()[has], encoding.known_from[has])
        assert (encoding.known_from[~has] == NEVER).all()
        assert (encoding.known_from[has] <= n - 1).all()
        assert (encoding.known_from[1:][has[1:]] <= np.flatnonzero(has[1:]) + 1).all()  # by its last token
