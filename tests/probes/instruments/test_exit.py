"""Exit rules on answers that settle at a known step, and on noise, where there is nothing to find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthscope.core import frontier, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch, collate
from depthscope.core.errors import InputError
from depthscope.core.protocol import Shapes, Sink
from depthscope.probes.cli import main
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments import exit as exit_rules
from depthscope.probes.instruments.exit import ExitCurve, Observed
from depthscope.probes.maths.divergence import kl
from depthscope.probes.measuring import instances as subjects, results
from depthscope.probes.measuring.estimate import Estimate
from tests.probes.hand_made import CONFIGS, flood, untrained

Captured = pytest.CaptureFixture[str]

DIFFICULTIES = [2, 3, 6]


def settles(source: Any) -> Any:
    """The step from which an instance's answer is right and stays, by the number of its source."""
    return 2 + source % 4


class Settling(nn.Module):
    """Answers by turns wrong and right, is wrong at the last step before it settles, and then right for good."""

    shapes = Shapes(width=2, heads=0, gate=False)

    def __init__(self) -> None:
        super().__init__()
        self.config, self.steps_run = CONFIGS["graph"], 0
        self.unused = nn.Parameter(torch.zeros(1))

    def prepare(self, batch: Batch) -> tuple[Batch, Tensor]:
        assert batch.allowed is not None
        reached = (batch.roles == 1).float()[..., None]
        for _ in range(batch.allowed.shape[1]):
            reached = (batch.allowed.float() @ reached).clamp(max=1)
        return batch, 2 * reached[torch.arange(len(batch)), batch.answer, 0] - 1

    def initial(self, context: tuple[Batch, Tensor]) -> Tensor:
        return self._state(0, context)

    def step(self, state: Tensor, t: int, context: tuple[Batch, Tensor], sink: Sink | None = None) -> Tensor:
        self.steps_run += 1
        return self._state(t + 1, context)

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return state[..., 0, 0], state[..., 0]

    def _state(self, t: int, context: tuple[Batch, Tensor]) -> Tensor:
        batch, truth = context
        left = (settles(batch.source) - t).clamp(min=0)
        logit = 3 * truth * torch.where(left % 2 == 0, 1.0, -1.0)
        return torch.stack([logit, torch.ones_like(logit)], -1)[:, None].expand(-1, batch.token_ids.shape[1], -1)


def drawn(of: Checkpoint, difficulties: list[int], count: int) -> list[Any]:
    return [x for _, group in frontier.drawn(of, difficulties, count) for x in group]


def test_an_answer_that_settles_is_taken_one_step_later() -> None:
    model: Any = Settling()
    ours = Checkpoint("settling", model, CONFIGS["graph"], "", {}, {}, "", 0, None)
    instances = drawn(ours, DIFFICULTIES, 80)
    due = np.array([settles(instance.source) for instance in instances])
    assert set(due) == {2, 3, 4, 5}
    scores = exit_rules.measure(ours, instances, steps=12)
    assert model.steps_run == 12  # one pass a batch
    assert scores.n == 240
    for name in ("kl", "change_answer", "change_all"):
        rule = scores.rules[name]
        np.testing.assert_array_equal(rule.accuracy.value[:5], 1)
        np.testing.assert_allclose(rule.steps.value[:5], due.mean() + 1)
        assert (rule.control[:5] < 0.95).all()
        assert (rule.gain.low[:5] > 0.02).all()
        np.testing.assert_allclose(rule.gain.value, rule.accuracy.value - rule.control, atol=1e-11)
        assert ((rule.steps.low < due.mean() + 1) & (due.mean() + 1 < rule.steps.high))[:5].all()
    stable = scores.rules["stable"]
    np.testing.assert_array_equal(stable.threshold, [1, 2, 3, 4, 6, 8])
    np.testing.assert_array_equal(stable.accuracy.value, 1)
    np.testing.assert_allclose(stable.steps.value, [np.minimum(due + k, 12).mean() for k in stable.threshold])
    needed = [x.first_decidable_step() for x in instances]
    np.testing.assert_allclose(scores.oracle.steps.value, np.minimum(needed, 12).mean())
    idle = scores.untrained
    assert set(idle) == {*scores.rules, "fixed", "oracle"}
    assert all(curve.accuracy.value.max() < 0.7 for curve in idle.values())  # it has learned nothing


@pytest.mark.slow
def test_noise_has_nothing_to_find() -> None:
    rng, n, steps = np.random.default_rng(0), 2000, 16
    shape = (steps, n)
    noise = Observed(
        rng.normal(size=(steps + 1, n)),
        10 ** rng.uniform(-3, 0, shape),
        10 ** rng.uniform(-3, 0, shape),
        rng.random(n) < 0.5,
        rng.integers(1, steps, n),
        np.repeat([1, 2], n // 2),
        np.arange(n) // 2,
    )
    covered = []
    for curve in exit_rules.score(noise, np.random.default_rng(0)).values():
        np.testing.assert_allclose(curve.accuracy.value, 0.5, atol=0.05)
        np.testing.assert_allclose(curve.accuracy.value, curve.control, atol=0.05)
        covered += list((curve.gain.low <= 0) & (curve.gain.high >= 0))
    assert np.mean(covered) > 0.9


def test_a_fixed_number_of_steps_is_the_frontier() -> None:
    scores = exit_rules.measure(flood(), drawn(flood(), DIFFICULTIES, 30), steps=7)
    whole = frontier.run(flood(), DIFFICULTIES, 7, 30)
    np.testing.assert_allclose(scores.fixed.accuracy.value, whole.accuracy.mean(0))
    np.testing.assert_allclose(scores.fixed.steps.value, whole.steps)
    np.testing.assert_allclose(scores.fixed.control, scores.fixed.accuracy.value)
    np.testing.assert_array_equal(scores.oracle.accuracy.value, 1)
    assert scores.difficulty == (2, 3, 6)


def test_changes_are_those_of_the_nodes_alone(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", "graph")
    task = tasks.get("graph")
    bench = Bench.of(ours, [task.generate(hops, 1)[0] for hops in (2, 9)], 4)  # one is padded
    seen = exit_rules._observe(bench, ours.model)
    for i, encoding in enumerate(bench.encodings):
        with torch.inference_mode():
            alone = collate([encoding])
            context = ours.model.prepare(alone)
            states = [ours.model.initial(context)]
            for t in range(4):
                states.append(ours.model.step(states[-1], t, context))
        h = torch.stack(states)[:, 0].double().numpy()
        moved, size = np.diff(h, axis=0), h[:-1]
        due = np.linalg.norm(moved, axis=(1, 2)) / np.linalg.norm(size, axis=(1, 2))
        np.testing.assert_allclose(seen.change_all[:, i], due, rtol=1e-4)
        moved, size = moved[:, encoding.answer], size[:, encoding.answer]
        due = np.linalg.norm(moved, axis=1) / np.linalg.norm(size, axis=1)
        np.testing.assert_allclose(seen.change_answer[:, i], due, rtol=1e-4)
        assert seen.logits.shape == (5, 2)


def test_kl_by_hand_and_far_out() -> None:
    p, q = 0.8, 0.3
    logit = lambda x: np.log(x / (1 - x))  # noqa: E731
    due = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    found = kl(np.array([logit(p), 900.0, 40.0, 3.0]), np.array([logit(q), -900.0, 41.0, 3.0]))
    assert found == pytest.approx([due, 900, 0, 0])


def test_exits_and_runs_by_hand() -> None:
    values = np.array([[3, 9, 1], [1, 9, 0], [0, 9, 5]])
    np.testing.assert_array_equal(exit_rules.exits(values, 1), [2, 3, 1])
    logits = np.array([-1, 1, 1, 1, -1, -1])[:, None]
    np.testing.assert_array_equal(exit_rules.unchanged(logits)[:, 0], [0, 1, 2, 0, 1])


def test_what_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="steps"):
        exit_rules.measure(flood(), drawn(flood(), [2], 4), steps=0)
    with pytest.raises(InputError, match="no instance"):
        exit_rules.measure(flood(), [], steps=3)
    nobody = tasks.get("text").parse("A is the parent of B.\nC is the parent of D.\nquery: A is the parent of D")
    with pytest.raises(InputError, match="no right answer"):
        exit_rules.measure(untrained(tmp_path / "text", "text"), [nobody], steps=3)


def test_a_graph_without_a_path_counts_with_its_twin() -> None:
    instances = drawn(flood(), [3, 5], 4)
    assert {x.difficulty for x in instances} == {3, 5, None}
    assert Bench.of(flood(), instances).difficulty.tolist() == [3] * 4 + [5] * 4
    apart = [*instances[::2], *instances[1::2]]
    assert Bench.of(flood(), apart).difficulty.tolist() == [3, 3, 5, 5] * 2
    alone = exit_rules.measure(flood(), instances[1:2], steps=4)
    assert alone.difficulty == (None,)
    assert np.isnan(results.arrays(alone)["difficulty"]).all()


def test_twins_apart_in_a_file_are_drawn_together(tmp_path: Path, capsys: Captured) -> None:
    instances = drawn(flood(), [2, 5], 24)
    side_by_side, apart = tmp_path / "side_by_side.jsonl", tmp_path / "apart.jsonl"
    side_by_side.write_text("\n".join(map(subjects.line, instances)))
    apart.write_text("\n".join(map(subjects.line, [*instances[::2], *instances[1::2]])))
    scores = []
    for file in (side_by_side, apart):
        assert main(["exit", "graph-house", str(file), "--steps", "12", "--json"]) == 0
        scores.append(json.loads(capsys.readouterr().out))
    assert scores[0] == scores[1]
    assert scores[0]["n"] == 48
    run = scores[0]["rules"]["change_all"]["steps"]
    assert np.ptp(np.array([run["low"], run["high"]]), axis=0).max() > 0.05, "there is something to draw"


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"change_all.*\(2, 2\).*\(3, 2\)"):
        Observed(np.zeros((4, 2)), np.zeros((3, 2)), np.zeros((2, 2)), *[np.ones(2)] * 4)
    with pytest.raises(ValueError, match=r"steps.*\(2,\).*\(3,\)"):
        ExitCurve("x", np.zeros(3), Estimate.none(3), Estimate.none(2), np.zeros(3), Estimate.none(3))


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: Captured) -> None:
    ours = untrained(tmp_path / "ours", "tree")
    command = ["exit", str(ours.folder), "--difficulty", "1-2", "--instances", "10", "--steps", "5"]
    assert main(command) == 0
    out = capsys.readouterr().out
    for word in ("fixed number of steps", "oracle", "random exits", "all states still", "untrained"):
        assert word in out
    assert main([*command, "--json", "--seed", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["rules"]) == {"kl", "change_answer", "change_all", "stable"}
    assert (found["difficulty"], found["steps"], found["n"], found["seed"]) == ([1, 2], 5, 20, 2)
    assert len(found["fixed"]["accuracy"]["value"]) == 5
    assert found["oracle"]["threshold"] == [None]
    assert main(["exit", str(ours.folder), "--instances", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["difficulty"] == list(range(1, 9))
    assert found["steps"] == 3 * 8 + 12
    (tmp_path / "own.txt").write_text("(T & F) | T")
    kept = tmp_path / "kept.npz"
    assert (
        main(["exit", str(ours.folder), str(tmp_path / "own.txt"), "--steps", "4", "--json", "--out", str(kept)]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["steps"]) == (1, 4)
    with np.load(kept, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["fixed.accuracy.value"], found["fixed"]["accuracy"]["value"])
        assert arrays["untrained.kl.steps.value"].shape == arrays["rules.kl.steps.value"].shape
    many = tmp_path / "many.txt"
    many.write_text('{"input": "T & F"}\n{"input": "(T | F) & T"}\n')
    assert main(["exit", str(ours.folder), "--input", str(many), "--steps", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 2
    assert main(["exit", str(ours.folder), str(many), "--input", str(many)]) == 2
    assert "give no INPUT" in capsys.readouterr().err
    assert main(["exit", str(ours.folder), "--difficulty", "90000"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
