"""A fault that is planted in a wave is found as the first error, and mended there alone; in noise nothing is mended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hand_made import untrained, wave
from torch import Tensor

from core import checkpoint, tasks, trace
from core.checkpoint import Checkpoint
from core.errors import InputError
from core.model import Context, DepthRecurrentTransformer
from core.plain import dumps
from core.protocol import Sink
from core.tasks import graph
from core.tasks.graph_instance import GraphInstance
from probes import repair, results, steering

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


def test_the_planted_fault_is_the_first_error(tmp_path: Path) -> None:
    found = repair.measure(stuck(), paths(), steps=12, seed=1)
    assert found.failures == found.examined == found.instances == 12
    assert {(r.step, r.node, r.name, r.at_answer, r.on_path) for r in found.repairs} == {(3, 3, "D", False, True)}
    by_way = dict(zip(found.ways, found.fixed, strict=True))
    assert by_way["first error"] == by_way["first error held"] == 1.0
    assert by_way["random node"] == 0.0, "nobody else is wrong yet"
    assert found.low[0] > 0.7
    assert found.elsewhere_tried[0] == 12
    assert json.loads(dumps(found))["repairs"][0]["node"] == 3
    assert "the first error" in repair.table(found)
    results.save_npz(found, tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz", allow_pickle=False) as stored:
        assert stored["fixed"].shape == (len(repair.WAYS),)


def test_the_first_error_is_the_earliest_that_stays() -> None:
    opened = wave()
    instance = GraphInstance(tuple("ABCD"), np.array([[0, 1], [1, 2], [2, 3]]), 0, 3)
    run = trace.record(opened, instance, 6)
    said = steering.said(opened, run.encoding, run.hidden)
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
    assert found.failures > 0
    first, random = found.elsewhere[0], found.elsewhere[2]
    assert np.isnan(first) or first <= max(0.3, random + 0.3)


def test_a_model_without_failures_says_so() -> None:
    with pytest.raises(InputError, match="answers all 4 instances rightly after 12 steps"):
        repair.measure(wave(), graph.generate(3, 4, data="audited", seed=1), steps=12)
    with pytest.raises(InputError, match="no instance"):
        repair.measure(wave(), [])
    assert "one state that reads" in str(repair.unfit(checkpoint.load("logic-gru")))


def test_it_reads_formulas_and_texts() -> None:
    for name, difficulty in (("logic-house-tokens", 7), ("text-house-tokens", 6)):
        opened = checkpoint.load(name)
        instances = tasks.get(opened.config.task).generate(difficulty, 4, data="audited", seed=2)
        found = repair.measure(opened, instances, steps=4, failures=1)
        assert found.examined == 1
        assert found.repairs[0].step <= 4
