"""Steering a wave by hand makes exactly its descendants follow, in time; chance and untrained models do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from depthscope.core import checkpoint, tasks, trace
from depthscope.core.encoding import NEVER
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks.graph import TASK as graph  # noqa: N811
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.tasks.graph.steering import steering as steer_graph
from depthscope.core.tasks.logic.steering import steering as steer_formula
from depthscope.probes.cli import main
from depthscope.probes.editing import directions, runner as intervene
from depthscope.probes.editing.language import parse
from depthscope.probes.editing.runner import Material
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments import do, steer
from depthscope.probes.measuring import controls, results
from depthscope.probes.reading import linear_probe
from tests.probes.hand_made import flood, untrained, wave


@pytest.mark.slow
def test_the_wave_follows_and_chance_does_not(tmp_path: Path) -> None:
    found = steer.measure(wave(width=32), graph.generate(4, 12, data="audited", seed=1), seed=2)
    by_name = {r.direction: r for r in found.responses}
    at = {dose: k for k, dose in enumerate(steer.DOSES.tolist())}
    for name in ("means", "readout"):
        assert by_name[name].f1.value[at[1.0]] == 1.0, name
        assert by_name[name].f1.low[at[1.0]] == 1.0
        assert by_name[name].f1.value[at[0.25]] == 0.0, "too little moves nothing"
        assert by_name[name].moved.value[at[0.25]] == 0.0
        assert by_name[name].moved.low[at[1.0]] == by_name[name].moved.value[at[1.0]] == 1.0
    for name in ("orthogonal", "untrained"):
        assert by_name[name].f1.value[at[1.0]] <= 0.1
        assert by_name[name].moved.value[at[1.0]] <= 0.2
    assert list(by_name) == ["means", "readout", "random", "orthogonal", "untrained"]
    assert found.followers > found.places > 0
    assert json.loads(dumps(found))["responses"][0]["f1"]["value"][at[1.0]] == 1.0
    results.save_npz(found, tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as stored:
        assert stored["responses.0.f1.value"].shape == stored["responses.0.moved.low"].shape == (5,)
        assert stored["responses.0.edits"].shape == (found.places, 5)
    told = found.table()
    assert "share of places that say the new value" in told
    assert found.responses[0].edits[0][at[1.0]] in told


@pytest.mark.slow
def test_nobody_follows_in_a_network_that_learned_nothing(tmp_path: Path) -> None:
    found = steer.measure(untrained(tmp_path, "graph"), graph.generate(4, 8, data="audited", seed=1))
    assert max(float(r.f1.value.max()) for r in found.responses) < 0.5
    assert all(r.f1.value[2] <= 0.2 for r in found.responses)


def arm() -> GraphInstance:
    """A source that reaches B alone, and a chain C > D > E that it does not reach."""
    return GraphInstance(tuple("ABCDE"), np.array([[0, 1], [2, 3], [3, 4]]), 0, 4)


def test_the_node_the_step_and_the_direction_can_be_named() -> None:
    seen: list[tuple[int, int]] = []
    found = steer.measure(
        wave(), [arm()], node="C", at=5, direction="readout", progress=lambda *x: seen.append(x), steps=11
    )
    assert [r.direction for r in found.responses] == ["readout", "random", "orthogonal", "untrained"]
    own = found.responses[0]
    assert (found.places, found.followers, own.f1.value[2], own.moved.value[2]) == (1, 2, 1.0, 1.0)
    assert np.isnan(own.f1.low).all(), "one instance has no interval"
    assert seen == [(1, 2), (2, 2)]
    text = own.edits[0][2]
    assert text.startswith("add t=5 node=C amount=")
    base = trace.record(wave(), arm(), 11)
    edit = parse(text, base.encoding.labels)
    vectors = do.directions_of(Bench.of(wave(), [arm()], base.steps, 0), [edit])
    replayed = intervene.run(wave(), base, [[edit]], Material(directions=vectors), hidden=True)
    assert replayed.hidden is not None
    said = directions.said(wave(), base.encoding, replayed.hidden)[0]
    np.testing.assert_array_equal(said[4:9, 2:], [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
    with pytest.raises(InputError, match="nothing would follow from any node called 'B'"):
        steer.measure(wave(), [arm()], node="B")
    with pytest.raises(InputError, match="no node 'Z'"):
        steer.measure(wave(), [arm()], node="Z")
    with pytest.raises(InputError, match="step from 0"):
        steer.measure(wave(), [arm()], at=-1)
    with pytest.raises(InputError, match="no probes are stored"):
        steer.measure(wave(), [arm()], direction="probe")
    with pytest.raises(InputError, match="no single direction"):
        steer.measure(checkpoint.load("text-house-facts"), [arm()], direction="readout")


def test_the_direction_of_a_probe_is_that_between_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.zeros((3, 3, 8))
    weight[:, 1, 4], weight[:, 2, 5] = 3.0, 4.0
    probe = linear_probe.LinearProbe("offset", weight, np.zeros((3, 3)), (-1, 0, 1))
    monkeypatch.setattr(linear_probe, "load", lambda _: probe)
    ours = checkpoint.load("text-house-facts")
    place = directions.Place((0,), 2, True, 0, 1, np.array([NEVER, 1]), np.ones(2, dtype=np.int64))
    along = directions.directions(ours, place, directions.Means({0: np.zeros(8), 1: np.full(8, 2.0)}, {0: 1, 1: 1}))
    due = np.array([0, 0, 0, 0, -3.0, 4.0, 0, 0]) / 5 * np.linalg.norm(np.full(8, 2.0))
    np.testing.assert_allclose(along["probe"], due)
    assert directions.directions(ours, place, directions.Means({0: np.zeros(8)}, {0: 1})) == {}


def test_what_would_not_fit_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MAX_BYTES", 1 << 16)
    monkeypatch.setattr(directions, "means", lambda *_: pytest.fail("the means were taken"))
    with pytest.raises(InputError, match="steered runs of 400 steps would take"):
        steer.measure(wave(), [arm()], steps=400)
    monkeypatch.undo()
    monkeypatch.setattr(results, "MAX_BYTES", 1 << 10)
    with pytest.raises(InputError, match="whose mean is taken"):
        directions.means(wave(), [arm()], 40)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, graphs = untrained(tmp_path / "x", "graph"), tmp_path / "own.txt"
    graphs.write_text("A B\nC D\nD E\n")
    command = ["steer", str(ours.folder), str(graphs), "--source", "A", "--target", "E", "--node", "C", "--at", "2"]
    assert main([*command, "--direction", "readout", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["places"], told["followers"]) == (1, 2)
    assert told["responses"][0]["edits"][0][0].startswith("add t=2 node=C")
    assert main([*command, "--direction", "probe"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_node_that_is_late_does_not_follow_in_time() -> None:
    place = directions.Place((0,), 2, False, 0, 1, np.array([NEVER, 1, 2, NEVER]), np.ones(4, dtype=np.int64))
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
    place = steer_graph(instance, encoding, 2)
    assert place is not None
    assert place.distance.tolist() == [NEVER, NEVER, NEVER, 1, 2]
    assert steer_graph(instance, encoding, 0) is None, "what is reached is not steered"
    house = checkpoint.load("logic-house-tree")
    formula = tasks.get("logic").parse("(((T&F)|T)&(T^F))")
    tree = tasks.get("logic").encode(formula, house.config)
    level = dict(zip(range(tree.n_nodes), formula.level.tolist(), strict=True))
    conjunction = next(i for i in level if level[i] == 2 and tree.labels[i] == "&")
    assert steer_formula(formula, tree, conjunction) is not None
    assert (steer_formula(formula, tree, conjunction).distance == NEVER).all(), "its brother T decides"  # type: ignore[union-attr]
    parity = next(i for i in level if level[i] == 1 and tree.labels[i] == "^")
    follows = steer_formula(formula, tree, parity)
    assert follows is not None
    assert np.flatnonzero(follows.distance != NEVER).tolist() == [formula.root]


def test_controls_are_as_long_and_at_a_right_angle() -> None:
    rng, vector = np.random.default_rng(0), np.arange(1.0, 7.0)
    for made in (controls.random_direction(vector, rng), controls.orthogonal(vector, rng)):
        assert np.isclose(np.linalg.norm(made), np.linalg.norm(vector))
    assert abs(controls.orthogonal(vector, rng) @ vector) < 1e-9


def test_what_does_not_apply_is_said() -> None:
    assert "one token a step" in str(steer.measure.unfit(checkpoint.load("logic-gru")))
    assert steer.measure.unfit(flood()) is None
    with pytest.raises(InputError, match="no place to steer"):
        steer.measure(wave(), [GraphInstance(("A", "B"), np.array([[0, 1]]), 0, 1)])
