"""A fault that is planted in a wave is found as the first error, and mended there alone; in noise nothing is mended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from depthscope.core import checkpoint, tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.model import Context, DepthRecurrentTransformer
from depthscope.core.protocol import Sink
from depthscope.core.tasks.graph import TASK as graph  # noqa: N811
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.probes.cli import main
from depthscope.probes.editing import directions
from depthscope.probes.editing.language import parse
from depthscope.probes.instruments import repair
from depthscope.probes.measuring import results
from depthscope.probes.reading import linear_probe, margins as reading
from depthscope.probes.reading.linear_probe import LinearProbe
from tests.probes.hand_made import untrained, wave

FAULTY = 3
N = 9


class Stuck(DepthRecurrentTransformer):
    """A wave that never enters one node, where a graph has just N; once there it goes on as ever."""

    def step(self, state: Tensor, t: int, context: Context, sink: Sink | None = None) -> Tensor:
        after = super().step(state, t, context, sink)
        if state.shape[1] != N:
            return after
        stays = torch.zeros(state.shape[:2], dtype=torch.bool)
        stays[:, FAULTY] = state[:, FAULTY, 0] < 0
        return torch.where(stays[..., None], state, after)


def stuck() -> Checkpoint:
    opened: Any = wave(width=16)
    model = Stuck(opened.config)
    model.load_state_dict(opened.model.state_dict())
    return Checkpoint("stuck", model.eval(), opened.config, "", {}, {}, "", 0, None)


def paths(count: int = 12) -> list[GraphInstance]:
    """A path through the faulty node, with a side arm of varying place."""
    out = []
    for k in range(count):
        arm = [[k % 3, 8]]
        edges = np.array([[i, i + 1] for i in range(7)] + arm)
        out.append(GraphInstance(tuple("ABCDEFGHI"), edges, 0, 7))
    return out


def reads_r(width: int, *, reads: bool = True) -> LinearProbe:
    """A probe of the coordinate that says "reached", or of one that is always 0."""
    weight = np.zeros((33, width))
    weight[:, 0 if reads else width - 1] = 4.0
    return LinearProbe("reached", weight, np.full(33, -0.1))


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["readout", "probe"])
def test_the_planted_fault_is_the_first_error(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reader == "probe":
        monkeypatch.setattr(linear_probe, "load", lambda _: reads_r(16))
        monkeypatch.setattr(reading, "probe_of", lambda *_: reads_r(16))
    seen: list[tuple[int, int]] = []
    found = repair.measure(
        stuck(), paths(), steps=12, seed=6, reader=reader, progress=lambda *x: seen.append(x), failures=8
    )
    assert (found.reader, found.failures, found.examined, found.instances) == (reader, 12, 8, 12)
    assert {(r.step, r.node, r.name, r.at_answer, r.on_path) for r in found.repairs} == {(3, 3, "D", False, True)}
    by_way = dict(zip(found.ways, found.fixed.value, strict=True))
    assert by_way["first error"] == by_way["first error held"] == 1.0
    assert by_way["random node"] == 0.0, "nobody else is wrong yet"
    assert by_way["random state"] < 0.5
    assert found.fixed.low[0] > 0.6
    assert found.elsewhere.n[0] == 8
    assert found.repairs[0].edits[:2] == ("patch t=3 node=D", "patch t=3.. node=D")
    assert parse(found.repairs[0].edits[5], tuple("ABCDEFGHI")).nodes == (3,)
    assert found.untrained is not None
    assert found.untrained.failures > 0
    if reader == "readout":
        assert found.untrained.elsewhere.value[0] == 0.0
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert (seen[0], seen[-1]) == ((1, 40), (40, 40)), "the 12 steps of the search are counted, too"
    assert json.loads(dumps(found))["repairs"][0]["node"] == 3
    for told in ("the first error", f"read by the {reader}", "untrained network", "patch t=3.. node=D"):
        assert told in found.table()
    results.save_npz(found, tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz", allow_pickle=False) as stored:
        assert stored["fixed.value"].shape == stored["untrained.fixed.low"].shape == (len(repair.WAYS),)


def test_a_probe_that_reads_nothing_finds_another_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "load", lambda _: reads_r(16, reads=False))
    monkeypatch.setattr(reading, "probe_of", lambda *_: reads_r(16, reads=False))
    found = repair.measure(stuck(), paths(), steps=12, seed=1, reader="probe", failures=3)
    assert {(r.step, r.node) for r in found.repairs} == {(0, 0)}, "it says of the source itself that it is not reached"
    assert found.fixed.value[0] == 0.0
    assert found.untrained is None, "that network says yes to all of these, correctly"


def test_one_answer_and_stored_probes_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = untrained(tmp_path / "x", "without ^")
    assert "no probes are stored" in str(repair.measure.unfit(ours))
    monkeypatch.setattr(linear_probe, "load", lambda _: reads_r(8))
    monkeypatch.setattr(reading, "probe_of", lambda *_: reads_r(8))
    assert repair.measure.unfit(ours) is None
    found = repair.measure(ours, tasks.get("logic").generate(3, 12, data="paper", seed=2), steps=6, failures=2)
    assert (found.reader, found.examined) == ("probe", 2)
    assert all(0 <= r.step <= 6 and r.edits[0] for r in found.repairs)
    with pytest.raises(InputError, match="take --reader probe"):
        repair.measure(ours, tasks.get("logic").generate(3, 2, data="paper", seed=2), reader="readout")


def test_the_first_error_is_the_earliest_that_stays() -> None:
    opened = wave()
    instance = GraphInstance(tuple("ABCD"), np.array([[0, 1], [1, 2], [2, 3]]), 0, 3)
    run = trace.record(opened, instance, 6)
    said = directions.said(opened, run.encoding, run.hidden)
    assert repair.first_error(opened, run, said) is None
    passing = said.copy()
    passing[2, 1] = 0  # wrong, and right again
    assert repair.first_error(opened, run, passing) is None
    lasting = passing.copy()
    lasting[3:, 2] = 0
    lasting[4:, 3] = 0
    assert repair.first_error(opened, run, lasting) == (3, 2)


def test_nothing_is_mended_in_a_network_that_learned_nothing(tmp_path: Path) -> None:
    found = repair.measure(untrained(tmp_path, "graph"), graph.generate(4, 12, data="audited", seed=1), steps=10)
    assert found.elsewhere.n[0] >= 5
    assert found.elsewhere.value[0] == found.elsewhere.value[2] == 0.0
    assert found.elsewhere.high[0] < 0.5


def test_a_model_without_failures_says_so() -> None:
    with pytest.raises(InputError, match="is right on all 4 instances after 12 steps"):
        repair.measure(wave(), graph.generate(3, 4, data="audited", seed=1), steps=12)
    with pytest.raises(InputError, match="no instance"):
        repair.measure(wave(), [])
    assert "one state that reads" in str(repair.measure.unfit(checkpoint.load("logic-gru")))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tokens", "text"])
def test_it_reads_formulas_and_texts(kind: str, tmp_path: Path) -> None:
    opened = untrained(tmp_path / "x", kind)
    instances = tasks.get(opened.config.task).generate(4, 8, data="audited", seed=2)
    found = repair.measure(opened, instances, failures=4)
    assert found.examined >= 2
    for first in found.repairs:
        assert 0 <= first.step <= found.steps
        encoding = tasks.get(opened.config.task).encode(instances[first.index], opened.config)
        unit = encoding.instance_node[first.node]
        same = np.flatnonzero(encoding.carries & (encoding.instance_node == unit)) if unit >= 0 else [first.node]
        patched = parse(first.edits[0], encoding.labels)
        assert patched.nodes == tuple(same), "a person is put right wherever it is mentioned"
        assert (patched.kind, patched.step) == ("patch", first.step)
        assert np.isfinite(first.fixed[0])


def test_a_person_is_put_right_at_every_mention() -> None:
    opened = checkpoint.load("text-house-facts")
    instances = tasks.get("text").generate(6, 1, data="audited", seed=2)
    encoding = tasks.get("text").encode(instances[0], opened.config)
    units, counts = np.unique(encoding.instance_node[encoding.carries], return_counts=True)
    node = int(np.flatnonzero(encoding.instance_node == units[counts.argmax()])[0])
    same = repair._same(encoding, node)
    assert len(same) == counts.max() >= 2
    assert {encoding.labels[i] for i in same} == {encoding.labels[node]}


def test_what_would_not_fit_is_refused_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_failing", lambda *_: pytest.fail("it was searched"))
    monkeypatch.setattr(results, "MAX_BYTES", 1 << 16)
    with pytest.raises(InputError, match="states to match with would take"):
        repair.measure(wave(), graph.generate(3, 2, data="audited", seed=1), steps=60)
    monkeypatch.setattr(repair, "MAX_MATCHES", 1)
    with pytest.raises(InputError, match="and its repairs would take"):
        repair.measure(wave(), graph.generate(3, 2, data="audited", seed=1), steps=60)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["repair", str(untrained(tmp_path / "x", "graph").folder), "--difficulty", "3", "--instances", "8"]
    assert main([*command, "--steps", "6", "--reader", "readout", "--failures", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["reader"], told["examined"], len(told["repairs"][0]["edits"])) == ("readout", 2, len(repair.WAYS))
    assert main([*command, "--reader", "probe"]) == 2
    assert "no probes are stored" in capsys.readouterr().err
