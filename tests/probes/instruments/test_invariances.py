"""Invariances: a model that reasons keeps and turns its answer where it has to; one that looks elsewhere does not."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import SOURCE, Batch
from depthscope.core.files.strict_json import dumps
from depthscope.core.protocol import Shapes, Sink
from depthscope.core.tasks.graph import changes
from depthscope.probes.cli import main
from depthscope.probes.instruments import invariances
from depthscope.probes.instruments.invariances import Invariances, Outcome
from depthscope.probes.measuring import results
from tests.probes.hand_made import CONFIGS, untrained, wave


def by_name(found: Invariances) -> dict[str, Outcome]:
    return {one.name: one for one in found.outcomes}


class FirstNode(nn.Module):
    """Answers yes if the first node is the source: it looks at an order that means nothing."""

    shapes = Shapes(width=1, heads=0, gate=False)

    def __init__(self) -> None:
        super().__init__()
        self.config = CONFIGS["graph"]
        self.unused = nn.Parameter(torch.zeros(1))

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def initial(self, context: Batch) -> Tensor:
        return ((context.roles & SOURCE) > 0).float()[..., None]

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        return state

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, None]:
        return 2 * state[..., 0, 0] - 1, None


def test_a_wave_stays_and_turns_where_it_has_to() -> None:
    found = by_name(invariances.measure(wave(), tasks.get("graph").generate(4, 30, seed=2), steps=24))
    for name in ("rename", "permute", "shuffle"):
        one = found[name]
        assert (one.unchanged.value, one.right, one.unchanged.n) == (1, 1, 30)
        assert one.largest.value < 1e-3
        assert one.unchanged.low < 1
    twin = found["twin"]
    assert (twin.unchanged.value, twin.right) == (0, 1)
    moved, largest = twin.moved, twin.largest
    assert moved.value > 1
    assert moved.low <= moved.value <= moved.high <= largest.high <= largest.value


def test_a_model_that_looks_at_an_order_is_caught() -> None:
    graphs = tasks.get("graph").generate(4, 40, seed=2)
    graphs = [changes.permute(graph, np.random.default_rng(k)) for k, graph in enumerate(graphs)]
    model: Any = FirstNode()
    found = by_name(invariances.measure(replace(wave(), model=model), graphs, steps=3))
    assert found["permute"].unchanged.value < 1
    assert found["permute"].largest.value == 2
    assert found["shuffle"].unchanged.value == 1
    assert found["twin"].unchanged.value == 1  # the control: it does not look at the edges at all
    assert 0.3 < found["twin"].right < 0.7


def words(instance: Any) -> Counter[object]:
    if instance.task == "graph":
        return Counter((end, i) for edge in instance.edges.tolist() for end, i in enumerate(edge))
    if instance.task == "logic":
        return Counter(instance.text)
    return Counter(tasks.get("text").render(instance).split())


@pytest.mark.parametrize("task", ["graph", "logic", "text"])
def test_changes_do_to_the_oracle_and_the_counts_what_they_say(task: str) -> None:
    rng, parse, render = np.random.default_rng(0), tasks.get(task).parse, tasks.get(task).render
    made: Counter[str] = Counter()
    for instance in tasks.get(task).generate(4, 16, seed=5):
        for change in tasks.get(task).changes:
            other = invariances._made(change, instance, rng)
            if other is None:
                continue
            made[change.name] += 1
            assert (other.label == instance.label) == change.keeps
            if task != "graph":
                assert parse(render(other)).label == other.label  # the facts contradict each other nowhere
            if change.name in ("matched", "mirror", "shuffle") and task != "graph":
                assert words(other) == words(instance)
            if change.name == "twin" and task == "graph":
                assert words(other) == words(instance)
            if change.name in ("rename", "permute"):
                assert other.difficulty == instance.difficulty
    assert all(made[change.name] == 16 for change in tasks.get(task).changes if change.keeps)
    assert all(made[change.name] >= 8 for change in tasks.get(task).changes)


def test_a_changed_graph_is_the_same_graph() -> None:
    graph = tasks.get("graph").generate(3, 1)[0]
    for change in (changes.permute, changes.shuffle):
        other = change(graph, np.random.default_rng(1))
        named = [{(x.names[a], x.names[b]) for a, b in x.edges} for x in (graph, other)]
        assert named[0] == named[1]
        assert (graph.names[graph.target], graph.names[graph.source]) == (
            other.names[other.target],
            other.names[other.source],
        )


def test_a_text_without_an_answer_keeps_having_none() -> None:
    text = tasks.get("text").parse("A is the parent of B. C is the parent of D. query: A is the parent of D")
    for change in tasks.get("text").changes:
        other = invariances._made(change, text, np.random.default_rng(0))
        assert (other is not None) == change.keeps
        assert other is None or other.label is None


@pytest.mark.parametrize("kind", ["edge list", "text", "tree", "tokens"])
def test_every_kind_is_measured_and_kept(kind: str, tmp_path: Path) -> None:
    ours: Checkpoint = untrained(tmp_path / "ours", kind)
    instances = tasks.get(ours.config.task).generate(3, 4)
    found = invariances.measure(ours, instances, steps=3)
    for one in found.outcomes:
        assert 0 <= one.unchanged.low <= one.unchanged.value <= one.unchanged.high <= 1
        assert one.unchanged.n + one.without == 4
    read = json.loads(dumps(found))
    assert len(read["outcomes"]) == len(found.outcomes)
    results.save_npz(found, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert file["outcomes.0.unchanged.value"] == found.outcomes[0].unchanged.value
    assert dumps(invariances.measure(ours, instances, steps=3)) == dumps(found)


def test_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = untrained(tmp_path / "tree", "tree")
    assert main(["invariances", str(ours.folder), "--instances", "4", "--difficulty", "2", "--steps", "3"]) == 0
    out = capsys.readouterr().out
    for word in ("unchanged", "untrained", "has to turn", "sides of operators swapped", "left out: rename"):
        assert word in out
