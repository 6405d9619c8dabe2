"""Figures of a comparison hold the numbers they are given, and labels are never markup."""

from __future__ import annotations

from typing import Any

import numpy as np

from depthscope.figures.instruments import two_checkpoints
from depthscope.figures.linked_views.comparison import of_two_instances
from depthscope.probes.instruments.agreement import Agreement
from depthscope.probes.instruments.similarity import Alike, Dynamics, Similarity
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.two_runs import Disagreement
from tests.figures import hand_made


def gap(names: tuple[str, ...]) -> Disagreement:
    rng = np.random.default_rng(0)
    one, two = rng.uniform(size=(2, 5, len(names)))
    which = np.arange(len(names))
    return Disagreement(names, one, two, which, which, np.full(5, 0.3))


def agreement() -> Agreement:
    parts = np.zeros((2, 4, 4), dtype=int)
    parts[0, :, :] = np.array([[10, 10, 10, 10]] + [[0] * 4] * 3)
    parts[1, :, -1] = (4, 3, 2, 1)
    parts[1, 3, :-1] = 10
    some = np.linspace(0.5, 1, 4)
    agree, each = Estimate(some, some - 0.1, some, 20), np.array([10, 10])
    return Agreement("one", "", 3, 0, "<b>two</b>", 20, np.array([1, 2]), each, parts, agree, some, some)


def trace_of(fig: Any, name: str) -> Any:
    return next(t for t in fig.data if t.name == name)


def test_the_gap_over_steps_and_nodes() -> None:
    found = gap(("a", "<script>", "c"))
    fig: Any = two_checkpoints.gap_over_steps_and_nodes(found, "light")
    order = np.argsort(-found.gap.sum(0), kind="stable")
    np.testing.assert_allclose(fig.data[0].z, found.gap[:, order].T)
    assert not any("<script>" in str(text) for text in fig.layout.yaxis.ticktext)
    fig = two_checkpoints.gap_over_steps(found, "dark", np.zeros(5))
    np.testing.assert_allclose(trace_of(fig, "mean").y, found.gap.mean(1))
    np.testing.assert_allclose(trace_of(fig, "shuffled").y, found.shuffled)


def test_many_nodes_show_those_that_differ_most() -> None:
    found = gap(tuple(f"n{i}" for i in range(200)))
    fig: Any = two_checkpoints.gap_over_steps_and_nodes(found, "light")
    assert fig.data[0].z.shape == (two_checkpoints.MOST_ROWS, 5)
    assert np.diff(fig.data[0].z.sum(1)).max() <= 1e-12


def test_answers_of_two() -> None:
    found = agreement()
    fig: Any = two_checkpoints.accuracy_of_both(found, "graph", "light")
    np.testing.assert_allclose(trace_of(fig, "one").y, [1, 0.7])
    np.testing.assert_allclose(fig.data[1].y, [1, 0.6])
    assert "<b>" not in fig.data[1].name
    fig = two_checkpoints.accuracy_of_both(found, "graph", "dark", 1)
    np.testing.assert_allclose(trace_of(fig, "one").y, [1, 0])
    fig = two_checkpoints.who_is_right(found, "graph", "light")
    np.testing.assert_allclose([bar.y[1] for bar in fig.data], [0.4, 0.3, 0.2, 0.1])
    fig = two_checkpoints.agreement_over_steps(found, "light", (1, 2))
    np.testing.assert_allclose(trace_of(fig, "agree").y, found.agree.value)


def test_likeness() -> None:
    k = np.linspace(0, 1, 3)
    one = Alike("CKA", np.eye(3), Estimate(k, k, k, 30), k, k, k)
    dynamics = Dynamics("", Estimate.none(), 0.0, 0.0, 0.0)
    found = Similarity("a", "", 4, 0, "b", "split-half", 2, 30, np.array([0, 2, 4]), one, one, dynamics)
    fig: Any = two_checkpoints.likeness_over_steps(found, one, "light")
    np.testing.assert_allclose(trace_of(fig, "alike").y, k)
    fig = two_checkpoints.likeness_square(found, one, "dark")
    np.testing.assert_allclose(fig.data[0].z, np.eye(3))


def test_the_sentence_of_two_instances() -> None:
    first, second = (hand_made.graph_trace(hand_made.chain(4), 10, answer=says) for says in (1, 0))
    said = of_two_instances(first, second)
    assert said.startswith(
        "The first ends with reachable (right), the second with unreachable (wrong); the answers part"
    )
    assert of_two_instances(first, first).endswith("the answers are the same at every step.")
