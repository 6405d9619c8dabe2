"""The frontier of models whose answers are known: a flood, which is the perfect graph reasoner, and a coin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthscope.core import answers, checkpoint, frontier, kinds as adapters, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.cli import main
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import SOURCE, Batch
from depthscope.core.errors import InputError
from depthscope.core.protocol import Shapes, Sink

CONFIG = ModelConfig("graph", vocabulary=2, width=1, heads=1, mlp_width=1)


class Flood(nn.Module):
    """Breadth-first search as a recurrent model that is not ours: the state says whether a node is reached."""

    shapes = Shapes(width=1, heads=0, gate=False)

    def __init__(self) -> None:
        super().__init__()
        self.config, self.steps_run = CONFIG, 0
        self.unused = nn.Parameter(torch.zeros(1))

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def initial(self, context: Batch) -> Tensor:
        return ((context.roles & SOURCE) > 0).float()[..., None]

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        self.steps_run += 1
        if context.edge_index is not None:
            query, key = context.edge_index
            flat = state.flatten(0, 1)
            return torch.zeros_like(flat).index_add(0, query, flat[key]).clamp(max=1).view(state.shape)
        assert context.allowed is not None
        return (context.allowed.float() @ state).clamp(max=1)

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        node = 2 * state[..., 0] - 1
        return node[..., torch.arange(len(batch)), batch.answer], node


def flood(config: ModelConfig = CONFIG) -> Checkpoint:
    model: Any = Flood()
    return Checkpoint("flood", model, config, "", {}, {}, "", 0, None)


@pytest.mark.parametrize("data", ["audited", "paper"])
def test_a_flood_arrives_at_one_hop_a_step(data: str) -> None:
    result = frontier.run(flood(), [1, 2, 5], steps=7, instances=60, data=data)
    for row, hops in enumerate((1, 2, 5)):
        arrived = np.arange(1, 8) >= hops
        np.testing.assert_array_equal(result.tpr[row], arrived)
        np.testing.assert_array_equal(result.tnr[row], 1)
        np.testing.assert_allclose(result.accuracy[row], np.where(arrived, 1, 0.5))
        assert result.ceiling is not None
        assert (result.ceiling[row] >= result.accuracy[row])[~arrived].all()  # from there on silence is a "no" to some
    assert result.ceiling is not None
    assert (np.diff(result.ceiling, axis=1) >= 0).all()
    assert ((result.low <= result.accuracy) & (result.accuracy <= result.high)).all()
    np.testing.assert_array_equal(result.n, 60)
    assert ((result.distinct > 1) & (result.distinct <= 60)).all()


def test_all_steps_come_from_one_pass() -> None:
    ours = flood()
    seen: list[tuple[int, int]] = []
    frontier.run(ours, [2, 3], steps=9, instances=20, progress=lambda done, of: seen.append((done, of)))
    assert ours.model.steps_run == 9 * len(seen)  # a batch each
    assert seen[-1] == (40, 40)


def test_rows_come_one_after_another_and_no_sooner() -> None:
    ours = flood()
    stream = frontier.rows(ours, frontier.drawn(ours, [2, 10**9], 20), steps=4)
    first = next(stream)  # the second cannot be had, which does not touch the first
    assert (list(first.difficulty), list(first.n)) == ([2], [20])
    whole = frontier.run(flood(), [2], steps=4, instances=20)
    np.testing.assert_array_equal(frontier.assemble([first]).accuracy, whole.accuracy)
    with pytest.raises(InputError, match="5000"):
        next(stream)


def test_what_progress_raises_stops_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BATCH", 5)
    done: list[int] = []

    def stop(count: int) -> None:
        done.append(count)
        if count == 15:
            raise KeyboardInterrupt

    ours = flood()
    stream = frontier.rows(ours, frontier.drawn(ours, [1, 2], 10), 3, stop)
    assert list(next(stream).n) == [10]
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert done == [5, 10, 15]


def test_a_users_instances_are_grouped_by_their_difficulty() -> None:
    drawn = [x for hops in (5, 2) for x in tasks.get("graph").generate(hops, 10)]
    seen: list[tuple[int, int]] = []
    result = frontier.measure(flood(), drawn, steps=6, progress=lambda done, of: seen.append((done, of)))
    np.testing.assert_array_equal(result.difficulty, [2, 5, frontier.NO_DIFFICULTY])
    np.testing.assert_array_equal(result.n, [5, 5, 10])
    for row, hops in enumerate((2, 5)):
        np.testing.assert_array_equal(result.accuracy[row], np.arange(1, 7) >= hops)
        assert np.isnan(result.tnr[row]).all()
    np.testing.assert_array_equal(result.accuracy[2], 1)
    assert seen[-1] == (20, 20)
    with pytest.raises(InputError):
        frontier.measure(flood(), [], steps=6)


def test_large_graphs_run_along_their_edges() -> None:
    result = frontier.run(flood(), [400], steps=400, instances=2)
    np.testing.assert_array_equal(result.tpr[0], np.arange(1, 401) >= 400)


def test_same_seed_same_frontier() -> None:
    runs = [frontier.run(flood(), [3], steps=3, instances=30, data="paper", seed=s) for s in (1, 1, 2)]
    assert runs[0].ceiling is not None
    np.testing.assert_array_equal(runs[0].ceiling, runs[1].ceiling)
    assert (runs[0].ceiling != runs[2].ceiling).any()


def test_full_attention_has_no_ceiling(saved: dict[str, Any]) -> None:
    result = frontier.run(checkpoint.load(saved["tokens"]), [2, 3], steps=3, instances=10)
    assert result.ceiling is None
    assert result.accuracy.shape == (2, 3)


@pytest.mark.slow
def test_steps_are_those_of_the_plain_forward_pass(saved: dict[str, Any]) -> None:
    for kind in ("graph", "paper", "logic", "tokens"):
        ours = checkpoint.load(saved[kind])
        task = tasks.get(ours.config.task)
        drawn = task.generate(3, 40, seed=4)
        result = frontier.run(ours, [3], steps=4, instances=40, seed=4)
        encodings = [task.encode(x, ours.config) for x in drawn]
        with torch.inference_mode():
            logits = torch.stack([ours.model(answers.collate([e]), 4, every_step=True)[0][:, 0] for e in encodings], 1)
        right = (logits > 0).numpy() == np.array([x.label for x in drawn], dtype=bool)
        np.testing.assert_allclose(result.accuracy[0], right.mean(1))


def test_batches_hold_each_once_and_stay_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    task, width, heads = tasks.get("graph"), 64, 4
    drawn = [x for hops in (1, 5, 30) for x in task.generate(hops, 20)] + task.generate(400, 2)
    encodings = [task.encode(x, CONFIG) for x in drawn]
    monkeypatch.setattr(answers, "BATCH_CELLS", 40_000)
    found = list(answers.batches(encodings, width, heads))
    assert sorted(np.concatenate(found)) == list(range(len(encodings)))
    for index in found:
        n = max(encodings[i].n_nodes for i in index)
        assert len(index) == 1 or len(index) * n * width <= 40_000


def test_wilson_where_it_has_a_simple_form() -> None:
    z2, n = frontier.Z95**2, 100
    low, high = frontier.wilson(np.array([0, 50, 100]), n)
    half = frontier.Z95 / (2 * np.sqrt(n + z2))
    np.testing.assert_allclose(low, [0, 0.5 - half, n / (n + z2)], atol=1e-15)
    np.testing.assert_allclose(high, [z2 / (n + z2), 0.5 + half, 1], atol=1e-15)


@pytest.mark.parametrize(
    ("difficulties", "steps", "instances"), [([], 3, 5), ([1], 0, 5), ([1], 3, 0), ([10**9], 3, 4)]
)
def test_what_cannot_be_measured(difficulties: list[int], steps: int, instances: int) -> None:
    with pytest.raises(InputError):
        frontier.run(flood(), difficulties, steps, instances)


def test_shapes_are_checked() -> None:
    wrong = np.zeros((2, 2))
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(1, 3\)"):
        frontier.Frontier(np.ones(1), np.ones(3), wrong, wrong, wrong, wrong, wrong, None, np.ones(1), np.ones(1))


def test_a_model_that_says_how_many_steps_it_needs_is_measured_to_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ModelConfig("logic", vocabulary=10, width=8, heads=1, mlp_width=8, attention="none")
    model = adapters.make("gru", config)
    checkpoint.save(tmp_path / "gru", model, name="gru", recipe="", training={}, metrics={}, card="")
    reader = checkpoint.load(tmp_path / "gru")
    drawn = tasks.get("logic").generate(2, 20)
    longest = max(len(x.text) for x in drawn)
    assert frontier.needed_steps(reader, drawn) == longest
    assert frontier.default_steps(reader, 2) == max(len(x.text) for x in tasks.get("logic").generate(2, 64))
    command = ["frontier", str(tmp_path / "gru"), "--difficulty", "2", "--instances", "20", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == list(range(1, longest + 1))


def test_other_models_have_to_be_told_how_many_steps(saved: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frontier", str(saved["graph"]), "--difficulty", "2"]) == 2
    assert "say how many steps, with --steps" in capsys.readouterr().err
    assert frontier.default_steps(checkpoint.load(saved["graph"]), 3) == 3 + 8


def test_a_hop_over_tokens_is_given_two_steps() -> None:
    along_edges, over_tokens = (checkpoint.load(name) for name in ("graph-house", "graph-house-tokens"))
    assert frontier.default_steps(along_edges, 60) == 68  # whatever the instances without a path would be given
    assert frontier.default_steps(over_tokens, 60) == 128
