"""The bench: T where nobody asks for one, and the bench on some of its instances."""

from __future__ import annotations

import numpy as np

from depthscope.core import tasks
from depthscope.probes.instrument import Bench
from tests.probes.hand_made import wave

GRAPHS = tasks.get("graph").generate(5, 6, "audited", 0)


def test_those_without_a_difficulty_count_where_they_should() -> None:
    assert any(graph.difficulty is None for graph in GRAPHS)
    bench = Bench.of(wave(), GRAPHS)
    assert (bench.steps, bench.for_all().steps) == (13, 64)
    assert Bench.of(wave(), GRAPHS, 7).for_all().steps == 7


def test_some_of_the_instances_keep_their_groups_and_get_a_t_of_their_own() -> None:
    easy = tasks.get("graph").generate(2, 2, "audited", 1)
    bench = Bench.of(wave(), [*GRAPHS, *easy])
    index = [7, 6, 1]
    some = bench.among(index)
    assert some.steps == Bench.of(wave(), [bench.instances[i] for i in index]).steps < bench.steps
    assert some.encodings == [bench.encodings[i] for i in index]
    np.testing.assert_array_equal(some.group, bench.group[index])
    assert Bench.of(wave(), bench.instances, 7).among(index).steps == 7


def test_the_bench_with_another_t_keeps_what_is_known() -> None:
    bench = Bench.of(wave(), GRAPHS)
    untrained = bench.untrained
    assert bench.with_steps(3).untrained is untrained
    assert bench.with_steps(3).steps == 3
