"""Agreement: the same model agrees with itself, a planted liar is found where it lies, and the counts add up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from depthscope.core import frontier, tasks
from depthscope.core.encoding import Batch
from depthscope.core.errors import InputError
from depthscope.probes.cli import main
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments import agreement
from depthscope.probes.measuring import alignment as pairing, controls, results
from tests.probes.hand_made import Flood, flood, untrained


class Liar(Flood):
    """The flood, but for targets that it has reached it says no."""

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        answer, node = super().readout(state, batch)
        return -answer.abs(), node


def drawn(difficulty: int, count: int) -> list[Any]:
    return tasks.get("graph").generate(difficulty, count, "audited", 0)


def with_other(monkeypatch: pytest.MonkeyPatch, second: Any) -> Any:
    monkeypatch.setattr(pairing.checkpoints, "load", lambda name: second)
    instances = drawn(2, 20) + drawn(4, 10)
    return agreement.measure(flood(), instances, steps=8, other="second")


def blank(checkpoint: Any, seed: int) -> Any:
    return Liar()


@pytest.fixture(autouse=True)
def _untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hand-made models have no architecture to start anew; the liar stands for the untrained network."""
    monkeypatch.setattr(controls, "untrained", blank)


def test_a_model_agrees_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_other(monkeypatch, replace(flood(), name="again"))
    assert found.agree.value.tolist() == [1.0] * 9
    assert (found.agree.high == 1).all()
    assert (found.agree.low < 1).all()
    assert found.difficulty.tolist() == [2, 4]  # a graph without a path counts as its twin does
    assert found.count.tolist() == [20, 10]
    assert (found.parts[:, 1:3] == 0).all()
    assert found.accuracy(0)[:, -1].tolist() == [1.0, 1.0]
    assert found.accuracy(0)[1, 3] == 0.5  # 4 hops after 3 steps: all are told no


def test_one_that_always_says_no_is_wrong_on_the_reachable_half(monkeypatch: pytest.MonkeyPatch) -> None:
    liar: Any = Liar()
    found = with_other(monkeypatch, replace(flood(), name="liar", model=liar))
    np.testing.assert_array_equal(found.parts[:, :, -1], [[10, 10, 0, 0], [5, 5, 0, 0]])
    assert found.agree.value[-1] == 0.5
    assert found.agree.value[0] == 1  # nobody is reached yet
    assert found.chance[-1] == 0.5
    np.testing.assert_array_equal(found.untrained, found.agree.value)
    assert "only the first right" in found.table()


def test_progress_comes_at_every_step_and_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    agreement.measure(flood(), drawn(2, 4), steps=5, progress=lambda *x: seen.append(x))
    assert seen == [(k, 10) for k in range(1, 11)]  # two sides, five steps
    monkeypatch.setattr(Bench, "logits", None)
    monkeypatch.setattr(results, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="over the limit"):
        agreement.measure(flood(), drawn(2, 4), steps=5)


def test_without_an_answer_or_of_another_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = tasks.get("text").parse("A is the parent of B. C is the parent of D. Is A the parent of D?")
    with pytest.raises(InputError, match="without an answer"):
        agreement.measure(untrained(tmp_path / "text", "text"), [text], steps=2)
    tree = untrained(tmp_path / "tree", "tree")
    monkeypatch.setattr(pairing.checkpoints, "load", lambda name: tree)
    with pytest.raises(InputError, match="same task"):
        agreement.measure(flood(), drawn(1, 2), steps=2, other="tree")


def test_the_command_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    untrained(tmp_path / "tree", "tree")
    assert (
        main(["agreement", str(tmp_path / "tree"), "--difficulty", "2", "--instances", "4", "--steps", "3", "--json"])
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["other"] == "untrained"
    assert len(found["agree"]["value"]) == 4
    assert sum(found["parts"][0][k][-1] for k in range(4)) == found["count"][0]


def test_its_accuracy_is_the_frontiers_on_the_same_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_other(monkeypatch, replace(flood(), name="again"))
    due = frontier.assemble([*frontier.rows(flood(), [(2, drawn(2, 20)), (4, drawn(4, 10))], 8)])
    np.testing.assert_array_equal(due.difficulty, found.difficulty)
    np.testing.assert_allclose(found.accuracy(0)[:, 1:], due.accuracy)
