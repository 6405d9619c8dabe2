"""Linear probes find what was planted, find nothing in noise, and read only the weights they were fitted to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from depthscope.core import checkpoint, tasks, trace
from depthscope.core.encoding import NEVER, Batch
from depthscope.core.errors import InputError
from depthscope.core.protocol import Sink
from depthscope.core.tasks.text.instance import NOT_JOINED
from depthscope.probes.cli import main
from depthscope.probes.reading import linear_probe
from depthscope.probes.reading.linear_probe import LinearProbe, fit_steps
from depthscope.probes.reading.scores import ProbeScores, balanced_accuracy
from tests.probes.hand_made import CONFIGS, Flood, flood, untrained

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "STEPS", 6)


def planted(rng: np.random.Generator, strength: float, n: int = 3000, d: int = 24) -> tuple[np.ndarray, ...]:
    """States of one step around a random mean, their labels, and the unit direction that tells the labels."""
    direction = rng.normal(size=d)
    direction /= np.linalg.norm(direction)
    labels = rng.random(n) < 0.3
    states = rng.normal(size=(n, d)) + 5 * rng.normal(size=d)
    return (states + strength * np.outer(2 * labels - 1, direction))[None], labels[None], direction


def test_a_planted_direction_is_recovered() -> None:
    states, labels, direction = planted(np.random.default_rng(0), strength=2)
    probe = fit_steps(states[:, :2000], labels[:, :2000], "planted")
    cosine = probe.weight[0] @ direction / np.linalg.norm(probe.weight[0])
    assert cosine > 0.95
    accuracy = balanced_accuracy(probe.logits(states[:, 2000:]) > 0, labels[:, 2000:], np.arange(1000) // 10)[0]
    assert accuracy.low < accuracy.value < accuracy.high
    assert accuracy.value > 0.95


def test_nothing_is_found_in_noise() -> None:
    states, labels, _ = planted(np.random.default_rng(1), strength=0)
    probe = fit_steps(states[:, :2000], labels[:, :2000], "noise")
    accuracy = balanced_accuracy(probe.logits(states[:, 2000:]) > 0, labels[:, 2000:], np.arange(1000) // 10)[0]
    assert accuracy.value == pytest.approx(0.5, abs=0.05)
    assert accuracy.low < 0.5 < accuracy.high


def test_folded_weights_say_what_the_regression_on_standardised_states_says() -> None:
    rng = np.random.default_rng(2)
    states, labels, _ = planted(rng, strength=0.5)
    states = states * rng.uniform(0.01, 100, states.shape[2])
    states[..., 3] = 7.25  # a coordinate that never moves
    probe = fit_steps(states, labels, "planted")
    scaler = StandardScaler().fit(states[0])
    found = LogisticRegression(class_weight="balanced", max_iter=3000).fit(scaler.transform(states[0]), labels[0])
    np.testing.assert_allclose(probe.logits(states)[0], found.decision_function(scaler.transform(states[0])), atol=1e-6)
    assert probe.weight[0, 3] == 0


def several(rng: np.random.Generator, strength: float, n: int = 2000, d: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """States of one step in three clusters of unequal size, and which of the values -1, 0, 13 each has."""
    labels = rng.choice([-1, 0, 13], n, p=[0.1, 0.6, 0.3]).astype(np.int16)
    centres = strength * rng.normal(size=(3, d))
    return (rng.normal(size=(n, d)) + centres[np.searchsorted([-1, 0, 13], labels)])[None], labels[None]


@pytest.mark.parametrize(("strength", "due", "within"), [(2.0, 1.0, 0.02), (0.0, 1 / 3, 0.06)])
def test_one_of_several_values_is_read_where_it_was_planted_and_nothing_in_noise(
    strength: float, due: float, within: float
) -> None:
    states, labels = several(np.random.default_rng(4), strength)
    probe = fit_steps(states[:, :1500], labels[:, :1500], "planted", values=(-1, 0, 5, 13))
    logits = probe.logits(states[:, 1500:])
    said = probe.says(logits)
    assert set(np.unique(said)) <= {-1, 0, 13}  # 5 was never seen
    accuracy = balanced_accuracy(said, labels[:, 1500:], np.arange(500) // 5)[0]
    assert accuracy.value == pytest.approx(due, abs=within)
    assert accuracy.low <= accuracy.value <= accuracy.high
    total = sum(probe.probability(logits, np.full(500, value)) for value in probe.values)
    np.testing.assert_allclose(total, 1)
    assert not probe.probability(logits, np.full(500, 7)).any()


def test_two_of_several_values_alone_are_told_apart_by_one_direction() -> None:
    states, labels = several(np.random.default_rng(5), 1.0)
    labels = np.where(labels == 13, 0, labels)
    several_values = fit_steps(states, labels, "planted", values=(-1, 0, 13))
    yes_or_no = fit_steps(states, labels == 0, "planted")
    differs = several_values.weight[0, 1] - several_values.weight[0, 0]
    cosine = differs @ yes_or_no.weight[0] / np.linalg.norm(differs) / np.linalg.norm(yes_or_no.weight[0])
    assert cosine > 0.99
    both = (several_values, yes_or_no)
    said = [probe.says(probe.logits(states)) for probe in both]
    assert ((said[0] == 0) == said[1]).mean() > 0.99
    one = fit_steps(states, np.zeros_like(labels), "planted", values=(-1, 0, 13))
    assert one.constant.tolist() == [True]
    assert not one.says(one.logits(states)).any()


def test_one_class_alone_gives_a_constant_that_is_flagged() -> None:
    states = np.random.default_rng(3).normal(size=(3, 50, 4))
    labels = np.ones((3, 50), dtype=bool)
    labels[1] = states[1, :, 0] > 0
    labels[2] = False
    probe = fit_steps(states, labels, "one class")
    assert probe.constant.tolist() == [True, False, True]
    logits = probe.logits(states)
    np.testing.assert_allclose(logits[0], np.log(51))
    np.testing.assert_allclose(logits[2], -np.log(51))


def test_later_steps_take_the_last_probe() -> None:
    probe = LinearProbe("x", np.array([[1.0], [2.0]]), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(probe.logits(np.ones((4, 1, 1)))[:, 0], [1, 3, 3, 3])


@pytest.mark.slow
def test_a_flood_is_read_at_every_distance() -> None:
    probe, scores = linear_probe.fit(flood(), instances=200)
    for t, weight in enumerate(probe.weight):
        assert weight[0] / np.linalg.norm(weight) > 0.95, t
    for test in scores.tests.values():
        defined = np.isfinite(test.accuracy.value)
        np.testing.assert_allclose(test.accuracy.value[defined], 1)
        assert defined[6]  # six hops are the first that were not fitted on
    held = scores.tests["held_out"]
    assert held.selectivity[3] > 0.3
    assert held.controls["embedding"][3] < 0.8  # the source alone is known before the first step
    assert np.isnan(scores.tests["unseen"].accuracy.value[:6]).all()


class Turning(Flood):
    """The flood, its flag written in the first coordinate after an even number of steps, in the second after an odd."""

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        order = [1, 0, 2, 3, 4, 5]
        plain = super().step(state[..., order] if t % 2 else state, t, context)
        return plain if t % 2 else plain[..., order]


@pytest.mark.slow
def test_probes_read_other_steps_where_the_code_stays_and_only_there() -> None:
    still = linear_probe.fit(flood(), instances=80)[1].across
    assert (still.accuracy.value[1:, 1:] > 0.99).all()
    assert (still.accuracy.low <= still.accuracy.value)[1:, 1:].all()
    assert (still.untrained[4:, 4:] < 0.9).all()
    turning: Any = Turning()
    turned = linear_probe.fit(replace(flood(), model=turning), instances=80)[1].across
    same = np.add.outer(np.arange(7), np.arange(7))[1:, 1:] % 2 == 0
    assert (turned.accuracy.value[1:, 1:][same] > 0.99).all()
    assert (turned.accuracy.high[1:, 1:][~same] < 0.8).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(CONFIGS))
def test_every_kind_of_model_is_fitted_stored_and_read(kind: str, tmp_path: Path) -> None:
    ours = untrained(tmp_path / "model", kind)
    instance = tasks.get(ours.config.task).generate(2, 1)[0]
    recorded = trace.record(ours, instance, 9)
    assert linear_probe.load(ours) is None
    assert linear_probe.readings(ours, recorded) == {}

    seen: list[tuple[int, int]] = []
    probe, scores = linear_probe.fit(ours, instances=40, progress=lambda done, of: seen.append((done, of)))
    assert seen[0][0] == 1
    assert seen[-1][0] == seen[-1][1] > 49
    assert scores.across.accuracy.shape == scores.across.untrained.shape == (7, 7)
    for test in scores.tests.values():
        assert test.accuracy.shape == (7,)
        assert set(test.controls) == {"untrained", "embedding", "features", "control_task"}
        values = np.stack([test.accuracy.value, test.accuracy.low, test.accuracy.high, *test.controls.values()])
        assert ((values >= 0) & (values <= 1) | np.isnan(values)).all()

    files = linear_probe.save(ours, probe, scores)
    assert sorted(p.name for p in files) == ["probes.json", "probes.safetensors"]
    kept = linear_probe.load(ours)
    assert kept is not None
    assert kept.values == probe.values
    np.testing.assert_array_equal(kept.weight, probe.weight)
    np.testing.assert_array_equal(kept.bias, probe.bias)
    found = json.loads(files[1].read_text())
    assert found["sha256"] == ours.sha256
    assert found["concept"] == instance.concept

    ((name, values),) = linear_probe.readings(ours, recorded).items()
    assert name == f"probe: {scores.meaning}"
    assert values.shape == (10, recorded.n_nodes)
    has = recorded.encoding.carries
    np.testing.assert_array_equal(np.isnan(values), np.tile(~has, (10, 1)))
    logits = recorded.hidden[9] @ probe.weight[6].T + probe.bias[6]
    by_hand = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    if kind == "text":
        offset = np.where(recorded.encoding.true_from == NEVER, NOT_JOINED, recorded.encoding.value)
        share = np.exp(logits - logits.max(-1, keepdims=True))
        column = [kept.values.index(int(x)) if h else 0 for x, h in zip(offset, has, strict=True)]
        by_hand = share[np.arange(len(share)), column] / share.sum(-1)
    np.testing.assert_allclose(values[9, has], by_hand[has], rtol=1e-5)


@pytest.mark.slow
def test_same_seed_same_probes() -> None:
    ours = flood()
    rows = [linear_probe.fit(replace(ours, model=flood().model), instances=40, seed=s)[0].weight for s in (1, 1, 2)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert (rows[0] != rows[2]).any()


def stored(folder: Path) -> tuple[checkpoint.Checkpoint, Path]:
    """A checkpoint with probes beside it, and their file."""
    ours = untrained(folder, "graph")
    probe, scores = linear_probe.fit(ours, instances=40)
    return ours, linear_probe.save(ours, probe, scores)[0]


@pytest.mark.slow
def test_probes_of_other_weights_are_refused(tmp_path: Path) -> None:
    ours, path = stored(tmp_path / "ours")
    other = untrained(tmp_path / "other", "graph", seed=4)
    (tmp_path / "other" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"other weights.*depthscope probe fit"):
        linear_probe.load(other)
    probe, scores = linear_probe.fit(ours, instances=40)
    with pytest.raises(InputError, match="other weights"):
        linear_probe.save(other, probe, scores)
    with pytest.raises(InputError, match="no folder"):
        linear_probe.save(replace(ours, folder=None), probe, scores)


def test_files_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    ours, path = stored(tmp_path / "ours")
    content, about = path.read_bytes(), {"sha256": ours.sha256, "concept": "reached"}
    good = safetensors.numpy.load(content)
    broken = [content[:20], content[: len(content) // 2], b"", b"\x80\x04pickle"]
    bare = b'{"__metadata__":null}'
    broken.append(len(bare).to_bytes(8, "little") + bare)
    for tensors in (
        {"weight": good["weight"]},
        {"weight": good["weight"][:, :-1], "bias": good["bias"]},
        {"weight": good["weight"], "bias": good["bias"][:-1]},
        {"weight": good["weight"] * np.nan, "bias": good["bias"]},
        {"weight": good["weight"].astype(np.int64), "bias": good["bias"]},
        {"weight": good["weight"][:0], "bias": good["bias"][:0]},
        {"weight": np.zeros(()), "bias": np.zeros(())},
    ):
        made = {name: np.ascontiguousarray(x) for name, x in tensors.items()}
        broken.append(safetensors.numpy.save(made, metadata=about))
    for values in ("[1, 2]", "[true]", '"1"', "no", "[1.5]"):
        broken.append(safetensors.numpy.save(good, metadata={**about, "values": values}))
    for wrong in broken:
        path.write_bytes(wrong)
        with pytest.raises(InputError):
            linear_probe.load(ours)


@pytest.mark.slow
def test_the_command_stores_and_prints(tmp_path: Path, capsys: Captured) -> None:
    ours = untrained(tmp_path / "ours", "tree")
    assert main(["fit", str(ours.folder), "--instances", "40"]) == 0
    out = capsys.readouterr().out
    assert "'value of the subformula'" in out
    for word in (
        "untrained",
        "h[0]",
        "features",
        "control task",
        "depth 8, operators",
        "states of another",
        "probes.safetensors",
    ):
        assert word in out
    assert main(["fit", str(ours.folder), "--instances", "40", "--json", "--concept", "value", "--seed", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "ours" / "probes.json").read_text())
    assert found["seed"] == 2
    assert len(found["tests"]["held_out"]["accuracy"]["value"]) == 7
    assert {p.name for p in (tmp_path / "ours").glob("probes*")} == {"probes.json", "probes.safetensors"}


@pytest.mark.parametrize("wrong", [["--concept", "nothing"], ["--instances", "3"], ["--device", "moon"]])
def test_the_command_refuses_in_one_line(wrong: list[str], tmp_path: Path, capsys: Captured) -> None:
    ours = untrained(tmp_path / "ours", "graph")
    assert main(["fit", str(ours.folder), *wrong]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not list((tmp_path / "ours").glob("probes*"))


def test_shapes_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2,\)"):
        LinearProbe("x", np.zeros((3, 2)), np.zeros(2))
    with pytest.raises(ValueError, match=r"\(1, 1, 5\).*\(3, 2\)"):
        LinearProbe("x", np.zeros((3, 2)), np.zeros(3)).logits(np.zeros((1, 1, 5)))
    scores: ProbeScores = linear_probe.fit(flood(), instances=40)[1]
    with pytest.raises(ValueError, match=r"selectivity.*\(2,\).*\(7,\)"):
        replace(scores.tests["held_out"], selectivity=np.zeros(2))
