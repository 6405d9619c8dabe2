"""The sentence of a comparison says who is right."""

from dataclasses import replace

import numpy as np
import pytest

from depthscope.figures.linked_views.comparison import comparison
from tests.figures import hand_made


def pair(first: bool, second: bool) -> tuple:
    graph = hand_made.chain(4)
    a, b = (hand_made.graph_trace(graph, 10, answer=int(says)) for says in (first, second))
    return replace(a, checkpoint="one"), replace(b, checkpoint="two")


def test_two_that_agree() -> None:
    assert comparison(*pair(True, True)) == "Both end with reachable, correctly; they agree at every step."
    assert comparison(*pair(False, False)).startswith("Both end with unreachable, incorrectly")


def test_two_that_differ_are_named() -> None:
    sentence = comparison(*pair(True, False))
    assert "one ends with reachable (right), two with unreachable (wrong)" in sentence
    assert "at 7 of 11 steps" in sentence or "at 11 of 11 steps" in sentence


def test_one_that_is_right_earlier() -> None:
    early, late = pair(True, True)
    late = replace(late, logits=np.where(np.arange(11) < 7, -1, 1).astype(np.float32))
    assert "one from step 6 on and two from step 7 on" in comparison(early, late)


def test_runs_of_different_length_are_not_compared() -> None:
    graph = hand_made.chain(4)
    with pytest.raises(ValueError, match="10 and 12"):
        comparison(hand_made.graph_trace(graph, 10), hand_made.graph_trace(graph, 12))
