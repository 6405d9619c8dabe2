"""Disagreement: none between a run and itself, a planted one at its node and step, nodes matched by what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.probes.measuring import two_runs
from tests.figures import hand_made


def values(trace: object, seed: int) -> np.ndarray:
    readout = getattr(trace, "readout")  # noqa: B009
    return np.random.default_rng(seed).uniform(size=readout.shape)


def test_nothing_differs_between_a_run_and_itself() -> None:
    trace = hand_made.graph_trace(hand_made.chain(4), 6)
    same = values(trace, 0)
    found = two_runs.compare(trace, trace, (same, same))
    assert found.nodes == ("A", "B", "C", "D", "E")
    assert (found.gap == 0).all()
    assert (found.opposite == 0).all()
    assert (found.shuffled > 0.1).all()


def test_what_is_planted_is_found_where_it_is() -> None:
    trace = hand_made.graph_trace(hand_made.chain(4), 6)
    one = np.full(trace.hidden.shape[:2], 0.2)
    two = one.copy()
    two[3, 2] = 0.9
    found = two_runs.compare(trace, trace, (one, two))
    assert np.argwhere(found.gap > 0.5).tolist() == [[3, 2]]
    assert found.opposite.tolist() == [0, 0, 0, 0.2, 0, 0, 0]
    assert found.mean_gap[3] == pytest.approx(0.7 / 5)
    assert np.argwhere(found.on(found.of_first) > 0.5).tolist() == [[3, 2]]


def test_nodes_are_matched_by_name_whatever_their_order() -> None:
    graph = hand_made.chain(4)
    order = [3, 1, 4, 0, 2]  # new place -> old node
    place = np.argsort(order)
    mixed = replace(
        graph, names=tuple(graph.names[i] for i in order), edges=place[graph.edges],
        source=int(place[graph.source]), target=int(place[graph.target]),
    )  # fmt: skip
    first, second = hand_made.graph_trace(graph, 6), hand_made.graph_trace(mixed, 6)
    one = values(first, 1)
    found = two_runs.compare(first, second, (one, one[:, order]))
    assert (found.gap == 0).all()
    np.testing.assert_array_equal(found.of_second, order)


def test_strangers_have_nothing_to_compare() -> None:
    first = hand_made.graph_trace(hand_made.chain(3), 4)
    graph = replace(hand_made.chain(3), names=("k", "l", "m", "n"))
    second = hand_made.graph_trace(graph, 4)
    with pytest.raises(InputError, match="no node in common"):
        two_runs.compare(first, second, (values(first, 0), values(second, 0)))
    longer = hand_made.graph_trace(hand_made.chain(3), 5)
    with pytest.raises(InputError, match="4 and 5 steps"):
        two_runs.compare(first, longer, (values(first, 0), values(longer, 0)))


def test_a_formula_and_its_twin_have_the_same_places() -> None:
    formula = tasks.get("logic").parse("((T&F)|(T&T))")
    twin = twins.find(formula).instance
    sides = [hand_made.formula_trace(x, 6, "edges") for x in (formula, twin)]
    found = two_runs.compare(sides[0], sides[1], (values(sides[0], 0), values(sides[1], 0)))
    assert len(found.nodes) == formula.n_subformulas
    assert any(name.startswith("| at ") for name in found.nodes)
