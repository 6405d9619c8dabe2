"""The automaton on a model that is one, and on noise, where there is no rule to read off."""

from __future__ import annotations

import json
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
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.protocol import Shapes, Sink
from depthscope.probes.instruments import automaton
from depthscope.probes.maths import automaton as machine
from depthscope.probes.measuring import instances as subjects, results
from tests.probes.hand_made import CONFIGS, flood, untrained, wave


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FIT", 10), ("VALIDATE", 4), ("LARGER", 4), ("STARTS", 2)):
        monkeypatch.setattr(automaton, name, value)


@pytest.mark.slow
def test_the_wave_is_a_known_automaton(tmp_path: Path) -> None:
    ours = wave()
    found = automaton.measure(ours, subjects.draw(ours, [4], 6), steps=8)
    assert found.n_states <= 3
    for test in (found.test, found.larger):
        assert test is not None
        ran, _, shuffled, majority, idle = test.programs
        assert (ran.both.value, ran.moves, ran.whole.value, ran.accuracy, test.accuracy) == (1, 1, 1, 1, 1)
        assert ran.both.low == ran.both.high == 1
        assert ran.whole.low < 1
        assert shuffled.both.value < 0.95
        assert majority.both.value < 0.9
        assert (majority.accuracy, idle.accuracy) == (0.5, 0.5)
    assert found.larger is not None
    assert found.larger.nodes >= 10 * found.fitted_nodes
    # a node is reached once it hears one that is, and stays so: the rules of breadth-first search
    other = found.rule_symbol == 4
    says = found.positive[4]
    hears = found.rule_messages[:, says].any(axis=1)
    due = says[found.rule_state] | hears
    np.testing.assert_array_equal(says[found.rule_following][other], due[other])
    assert json.loads(dumps(found))["larger"]["programs"][0]["both"]["value"] == 1
    results.save_npz(found, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert arrays["larger.programs.0.both.value"] == 1
    assert "automaton" in found.table()


class Noise(nn.Module):
    """States at random, and a readout of them."""

    shapes = Shapes(width=4, heads=0, gate=False)

    def __init__(self) -> None:
        super().__init__()
        self.config, self.unused = CONFIGS["graph"], nn.Parameter(torch.zeros(1))
        self.noise = torch.Generator().manual_seed(5)

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def initial(self, context: Batch) -> Tensor:
        return torch.randn(*context.roles.shape, 4, generator=self.noise)

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        return self.initial(context)

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return state[..., torch.arange(len(batch)), batch.answer, 0], state[..., 0]


@pytest.mark.slow
def test_noise_follows_no_rule() -> None:
    model: Any = Noise()
    ours = Checkpoint("noise", model, CONFIGS["graph"], "", {}, {}, "", 0, None)
    found = automaton.measure(ours, subjects.draw(ours, [4], 10), steps=12, max_states=4)
    assert found.agreement < 0.8
    ran, *_ = found.test.programs
    assert ran.both.value < 0.65
    assert ran.signs == pytest.approx(0.5, abs=0.1)
    assert found.n_states > 1  # though one state has fewer misses


def test_a_table_by_hand() -> None:
    """Two states, 1 spreads along edges; node 2 hears 1, node 1 hears 0."""
    symbol = np.array([1, 0, 0])
    places = machine.Places(symbol, symbol, np.array([1, 2]), np.array([0, 1]), np.zeros(3, int), np.array([2]))
    states = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
    table = machine.learn(places, states, states == 1, 2, "set", 2)
    ran, unseen = table.run(places, 3)
    np.testing.assert_array_equal(ran, states)
    assert unseen == 0
    np.testing.assert_array_equal(table.says(places, ran), states == 1)
    own, state, heard = machine.decode(table.codes, 2, "set")
    np.testing.assert_array_equal(own, [0, 0, 0, 1])
    np.testing.assert_array_equal(state, [0, 0, 1, 1])
    np.testing.assert_array_equal(heard, [[1, 0], [0, 1], [0, 1], [0, 0]])
    np.testing.assert_array_equal(table.following, [0, 1, 1, 1])
    mixed = machine.shuffled(table, 0)
    assert sorted(mixed.following) == sorted(table.following)
    assert machine.learn(machine.without_symbols(places), states, states == 1, 2, "set", 2).start[1] == 1


def test_a_multiset_counts_up_to_its_cap() -> None:
    symbol = np.zeros(6, dtype=int)
    places = machine.Places(symbol, symbol, np.zeros(5, int), np.arange(1, 6), symbol, np.array([0]))
    states = np.array([0, 1, 1, 1, 1, 0])
    for messages, due in (("set", [1, 1]), ("multiset", [1, 3])):
        codes = machine.code(places, states, 2, messages)
        np.testing.assert_array_equal(machine.decode(codes[:1], 2, messages)[2][0], due)


@pytest.mark.slow
def test_progress_comes_often_and_ends_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FIT": 2, "VALIDATE": 2, "LARGER": 2, "STARTS": 2}.items():
        monkeypatch.setattr(automaton, name, value)
    seen: list[tuple[int, int]] = []
    automaton.measure(wave(), subjects.draw(wave(), [2], 4), steps=4, max_states=3, progress=lambda *x: seen.append(x))
    assert len({x[1] for x in seen}) == 1
    assert seen[-1][0] == seen[-1][1] > 2 * (4 + 3 * 2)  # steps on the instances and tables, trained and untrained
    done = [x[0] for x in seen]
    assert done == sorted(done)
    assert len(set(done)) > 10


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "match"), [(1 << 16, "states of"), (1 << 21, "clusters of")])
def test_what_does_not_fit_is_refused_before_anything_runs(
    limit: int, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MAX_BYTES", limit)
    monkeypatch.setattr(automaton.automaton_learning, "states_and_signs", None)
    for name, value in {"FIT": 2, "VALIDATE": 2}.items():
        monkeypatch.setattr(automaton, name, value)
    with pytest.raises(InputError, match=match):
        automaton.measure(wave(), subjects.draw(wave(), [2], 4), steps=2000)


def test_what_it_does_not_apply_to(tmp_path: Path) -> None:
    assert automaton.measure.unfit(flood()) is None
    kinds = ("tokens", "nearest match", "text")
    placed, nearest, alike = (str(automaton.measure.unfit(untrained(tmp_path / kind, kind))) for kind in kinds)
    assert placed.startswith("every token may attend to every other, by where it stands,")
    assert "nearest match on one side" in nearest
    assert alike.startswith("every token may attend to every other, so")
    alone = replace(flood(), config=replace(CONFIGS["tokens"], attention="none"))
    assert "no messages" in str(automaton.measure.unfit(alone))
    with pytest.raises(InputError, match="1 to 32"):
        automaton.measure(wave(), subjects.draw(wave(), [2], 2), max_states=0)
    with pytest.raises(InputError, match="too large"):
        automaton.measure(wave(), subjects.draw(wave(), [2], 2), max_states=30, messages="multiset")


@pytest.mark.slow
def test_names_are_no_symbols(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "named", "named")
    encoding = tasks.get("graph").encode(subjects.draw(ours, [3], 2)[0], ours.config)
    symbol = machine.gathered([encoding], ours.config).symbol
    assert set(symbol) == {0, 1, 2}
    assert (symbol & SOURCE).sum() == 1
    found = automaton.measure(ours, subjects.draw(ours, [3], 2), steps=4, max_states=2)
    assert found.larger is None
