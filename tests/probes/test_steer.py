"""Steering a wave by hand makes exactly its descendants follow, in time; chance and untrained models do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hand_made import flood, untrained, wave

from core import checkpoint, tasks
from core.encoding import NEVER
from core.errors import InputError
from core.plain import dumps
from core.tasks import graph
from core.tasks.graph_instance import GraphInstance
from probes import controls, results, steer, steering


def test_the_wave_follows_and_chance_does_not(tmp_path: Path) -> None:
    found = steer.measure(wave(width=32), graph.generate(4, 12, data="audited", seed=1), seed=2)
    by_name = {r.direction: r for r in found.responses}
    at = {dose: k for k, dose in enumerate(steer.DOSES.tolist())}
    for name in ("means", "readout"):
        assert by_name[name].f1[at[1.0]] == 1.0, name
        assert by_name[name].low[at[1.0]] == 1.0
        assert by_name[name].f1[at[0.25]] == 0.0, "too little moves nothing"
    assert by_name["orthogonal"].f1[at[1.0]] <= 0.1
    assert found.followers > found.places > 0
    assert json.loads(dumps(found))["responses"][0]["f1"][at[1.0]] == 1.0
    results.save_npz(found, tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as stored:
        assert stored["responses.0.f1"].shape == (5,)
    assert "means" in steer.table(found)


def test_nobody_follows_in_a_network_that_learned_nothing(tmp_path: Path) -> None:
    found = steer.measure(untrained(tmp_path, "graph"), graph.generate(4, 8, data="audited", seed=1))
    assert max(float(r.f1.max()) for r in found.responses) < 0.5
    assert all(r.f1[2] <= 0.2 for r in found.responses)


def test_a_node_that_is_late_does_not_follow_in_time() -> None:
    place = steering.Place((0,), 2, False, 0, 1, np.array([NEVER, 1, 2, NEVER]), np.ones(4, dtype=np.int64))
    before, said = np.zeros((8, 4), dtype=int), np.zeros((8, 4), dtype=int)
    said[2:, 0], said[3:, 1], said[5:, 2] = 1, 1, 1  # node 2 a step late
    everyone = np.ones(4, dtype=bool)
    assert steer._score(place, said, before, everyone, True).tolist() == [1, 1, 1, 2, 0, 0, 1]
    assert steer._score(place, said, before, everyone, False).tolist() == [2, 0, 0, 2, 0, 0, 1]
    said[:, 3] = 1  # and one that should not
    assert steer._score(place, said, before, everyone, True).tolist() == [1, 2, 1, 2, 1, 0, 1]


def test_what_should_follow_is_what_the_oracle_says() -> None:
    edges = np.array([[0, 1], [2, 3], [3, 4], [4, 1]])
    instance = GraphInstance(tuple("ABCDE"), edges, 0, 1)
    encoding = graph.encode(instance, wave().config)
    place = steering._graph(instance, encoding, 2)
    assert place is not None
    assert place.distance.tolist() == [NEVER, NEVER, NEVER, 1, 2]
    assert steering._graph(instance, encoding, 0) is None, "what is reached is not steered"
    house = checkpoint.load("logic-house-tree")
    formula = tasks.get("logic").parse("(((T&F)|T)&(T^F))")
    tree = tasks.get("logic").encode(formula, house.config)
    level = dict(zip(range(tree.n_nodes), formula.level.tolist(), strict=True))
    conjunction = next(i for i in level if level[i] == 2 and tree.labels[i] == "&")
    assert steering._logic(formula, tree, conjunction) is not None
    assert (steering._logic(formula, tree, conjunction).distance == NEVER).all(), "its brother T decides"  # type: ignore[union-attr]
    parity = next(i for i in level if level[i] == 1 and tree.labels[i] == "^")
    follows = steering._logic(formula, tree, parity)
    assert follows is not None
    assert np.flatnonzero(follows.distance != NEVER).tolist() == [formula.root]


def test_controls_are_as_long_and_at_a_right_angle() -> None:
    rng, vector = np.random.default_rng(0), np.arange(1.0, 7.0)
    for made in (controls.random_direction(vector, rng), controls.orthogonal(vector, rng)):
        assert np.isclose(np.linalg.norm(made), np.linalg.norm(vector))
    assert abs(controls.orthogonal(vector, rng) @ vector) < 1e-9


def test_what_does_not_apply_is_said() -> None:
    assert "one token a step" in str(steer.unfit(checkpoint.load("logic-gru")))
    assert steer.unfit(flood()) is None
    with pytest.raises(InputError, match="no place to steer"):
        steer.measure(wave(), [GraphInstance(("A", "B"), np.array([[0, 1]]), 0, 1)])
