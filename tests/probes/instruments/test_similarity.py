"""Similarity: rotated copies are the same, independent noise is nothing alike, and each figure has its controls."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthscope.core import checkpoint, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.protocol import Sink
from depthscope.probes.cli import main
from depthscope.probes.instruments import similarity
from depthscope.probes.maths import similarity as alike
from depthscope.probes.measuring import alignment as pairing, results
from tests.probes.hand_made import CONFIGS, untrained, wave


def turned(rng: np.random.Generator, d: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def cka(x: np.ndarray, y: np.ndarray) -> float:
    return float(alike.cka(alike.kernels(x[None]), alike.kernels(y[None]))[0, 0])


def test_a_rotated_scaled_and_moved_copy_is_the_same() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 10)) * rng.uniform(0.1, 3, 10)
    y = 7 * x @ turned(rng, 10) + 5
    assert cka(x, y) == pytest.approx(1)
    assert alike.procrustes(x[None], y[None])[0, 0] == pytest.approx(1)
    wide = np.concatenate([y, np.zeros((80, 3))], axis=1)
    assert alike.procrustes(x[None], wide[None])[0, 0] == pytest.approx(1)


def test_independent_noise_is_nothing_alike_on_average_however_wide() -> None:
    rng = np.random.default_rng(1)
    found = [cka(rng.normal(size=(30, 60)), rng.normal(size=(30, 60))) for _ in range(60)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60)
    assert np.std(found) < 0.1
    x, y = rng.normal(size=(2, 30, 60))
    assert np.square(x.T @ y).sum() / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y) > 0.4  # with its bias


def test_hsic_is_the_mean_over_four_different_rows() -> None:
    """By its definition as a U-statistic, on every set of four rows."""
    from itertools import permutations

    x, y = np.random.default_rng(2).normal(size=(2, 6, 2))
    k, m = x @ x.T, y @ y.T
    terms = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(6), 4)]
    centred = [np.where(np.eye(6) > 0, 0, kernel) for kernel in (k, m)]
    assert alike.hsic(centred[0][None], centred[1][None])[0, 0] == pytest.approx(np.mean(terms))


def test_half_of_what_is_shared_lies_between() -> None:
    rng = np.random.default_rng(3)
    shared, mine, theirs = rng.normal(size=(3, 300, 5))
    x, y = np.hstack([shared, mine]), np.hstack([shared @ turned(rng, 5), theirs])
    assert cka(x, y) == pytest.approx(0.5, abs=0.1)
    assert 0.4 < alike.procrustes(x[None], y[None])[0, 0] < 0.75


def test_equal_dynamics_in_other_coordinates_are_the_same_and_others_are_not() -> None:
    rng = np.random.default_rng(4)
    turn = np.zeros((6, 6))
    for k, angle in enumerate((0.3, 1.0, 2.0)):
        c, s = np.cos(angle), np.sin(angle)
        turn[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = 0.98 * np.array([[c, -s], [s, c]])

    def run(step: np.ndarray, q: np.ndarray) -> np.ndarray:
        h = [rng.normal(size=(40, 6))]
        for _ in range(12):
            h.append(h[-1] @ step.T)
        return np.stack(h) @ q.T

    first = alike.dynamics(run(turn, np.eye(6)))
    same = alike.dynamics(run(turn, turned(rng, 6)))
    decay = alike.dynamics(run(np.diag([0.98, 0.9, -0.9, 0.5, -0.5, 0.2]), np.eye(6)))
    assert alike.dsa(first, same) > 0.99
    assert alike.dsa(first, decay) < 0.7
    assert np.isnan(alike.dsa(first, np.zeros((8, 8))))
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(first))[[0, -1]].real,
        np.sort_complex(np.linalg.eigvals(turn))[[0, -1]].real,
        atol=1e-2,
    )


def test_the_interval_of_the_jackknife_is_that_of_a_mean() -> None:
    x = np.random.default_rng(5).normal(size=50) / 5
    low, high = alike.jackknife(np.array(x.mean()), [np.array(np.delete(x, k).mean()) for k in range(50)])
    assert (high - low) / 2 == pytest.approx(1.96 * x.std(ddof=1) / np.sqrt(50), rel=1e-3)
    assert np.isnan(alike.jackknife(np.zeros(2), [])[0]).all()


class Elsewhere(nn.Module):
    """Another model's states in other coordinates, or noise in their place."""

    def __init__(self, model: Any, noise: bool) -> None:
        super().__init__()
        self.model, self.config, self.shapes = model, model.config, model.shapes
        q = turned(np.random.default_rng(6), model.shapes.width)
        self.turn, self.noise = torch.tensor(3 * q, dtype=torch.float32), noise

    def prepare(self, batch: Batch) -> Any:
        return self.model.prepare(batch)

    def initial(self, context: Any) -> Tensor:
        return self._shown(self.model.initial(context))

    def step(self, state: Tensor, t: int, context: Any, sink: Sink | None = None) -> Tensor:
        return self._shown(self.model.step(state @ torch.linalg.inv(self.turn), t, context, sink))

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        return self.model.readout(state @ torch.linalg.inv(self.turn), batch)

    def _shown(self, state: Tensor) -> Tensor:
        return torch.randn_like(state) if self.noise else state @ self.turn


def other(monkeypatch: pytest.MonkeyPatch, noise: bool) -> Checkpoint:
    torch.manual_seed(0)
    model: Any = Elsewhere(wave().model, noise)
    made = replace(wave(), model=model, name="elsewhere")
    monkeypatch.setattr(checkpoint, "load", lambda name: made)
    return made


@pytest.mark.slow
def test_a_model_in_other_coordinates_is_the_same_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    other(monkeypatch, noise=False)
    graphs = tasks.get("graph").generate(5, 12, seed=1)
    found = similarity.measure(wave(), graphs, other="elsewhere", steps=8)
    assert found.other == "elsewhere"
    for one in (found.cka, found.procrustes):
        np.testing.assert_allclose(one.likeness.value, 1, atol=1e-3)
        np.testing.assert_allclose(np.diag(one.square), one.likeness.value)
    assert (np.abs(found.cka.shuffled) < 0.15).all()
    assert (found.cka.untrained[3:] < 0.9).all()
    assert float(found.dynamics.likeness) > 0.99


@pytest.mark.slow
def test_a_model_of_noise_is_like_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    other(monkeypatch, noise=True)
    graphs = tasks.get("graph").generate(5, 12, seed=1)
    found = similarity.measure(wave(), graphs, other="elsewhere", steps=8)
    assert (np.abs(found.cka.likeness.value) < 0.15).all()
    assert (found.procrustes.likeness.value < 0.5).all()


@pytest.mark.slow
def test_the_steps_of_a_wave_grow_alike_to_the_last() -> None:
    graphs = tasks.get("graph").generate(5, 16, seed=1)
    found = similarity.measure(wave(), graphs, steps=8)
    cka = found.cka.likeness
    assert cka.value[-1] == pytest.approx(1)
    assert (np.diff(cka.value[:6]) > -0.02).all()
    assert cka.value[0] < 0.6
    assert (cka.low <= cka.value + 1e-9).all()
    np.testing.assert_allclose(found.cka.square[:, -1], cka.value)
    read = json.loads(dumps(found))
    assert len(read["cka"]["likeness"]["value"]) == 9
    assert "DSA" in found.table()


def seeded(folder: Path, seed: int, recipe: str = "house", kind: str = "graph") -> Checkpoint:
    torch.manual_seed(seed)
    model = DepthRecurrentTransformer(CONFIGS[kind])
    checkpoint.save(folder, model, name="tiny", recipe=recipe, training={"seed": seed}, metrics={}, card="# Hi")
    return checkpoint.load(folder)


@pytest.mark.slow
def test_a_second_seed_is_the_ceiling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = seeded(tmp_path / "a", 1), seeded(tmp_path / "b", 2)
    graphs = tasks.get("graph").generate(3, 8)
    found = similarity.measure(first, graphs, steps=4, ceiling=str(second.folder))
    assert found.ceiling_by == "tiny (seed 2)"
    between = similarity.measure(first, graphs, steps=4, other=str(second.folder))
    for one, due in ((found.cka, between.cka), (found.procrustes, between.procrustes)):
        np.testing.assert_allclose(one.ceiling, due.likeness.value)
    assert between.ceiling_by == "split-half"
    alone = similarity.measure(first, graphs, steps=4)
    np.testing.assert_allclose(found.cka.likeness.value, alone.cka.likeness.value)
    both = similarity.measure(first, graphs, steps=4, other=str(second.folder), ceiling=str(second.folder))
    np.testing.assert_allclose(both.cka.ceiling, both.cka.likeness.value)
    others = (
        (seeded(tmp_path / "c", 1), "both were trained from seed 1"),
        (seeded(tmp_path / "d", 2, recipe="paper"), "recipe or its architecture"),
        (seeded(tmp_path / "e", 2, kind="named"), "recipe or its architecture"),
    )
    for wrong, match in others:
        with pytest.raises(InputError, match=match):
            similarity.measure(first, graphs, steps=4, ceiling=str(wrong.folder))
    options = ["--ceiling", str(second.folder), "--instances", "4", "--difficulty", "3", "--steps", "3"]
    assert main(["similarity", str(first.folder), *options]) == 0
    assert "ceiling: tiny (seed 2)" in capsys.readouterr().out


def test_results_are_numbers_in_a_file(tmp_path: Path) -> None:
    graphs = tasks.get("graph").generate(3, 6)
    found = similarity.measure(wave(), graphs, steps=4)
    results.save_npz(found, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert file["cka.square"].shape == (5, 5)
    with pytest.raises(ValueError, match=r"untrained.*\(2,\).*\(5,\)"):
        replace(found.cka, untrained=np.zeros(2))
    same = similarity.measure(wave(), graphs, steps=4)
    np.testing.assert_array_equal(found.cka.shuffled, same.cka.shuffled)


@pytest.mark.parametrize(
    ("first", "second"), [("graph", "edge list"), ("tree", "tokens"), ("text", "text"), ("named", "graph")]
)
def test_things_are_found_again_in_another_interface(first: str, second: str, tmp_path: Path) -> None:
    sides = [untrained(tmp_path / side / kind, kind) for side, kind in (("a", first), ("b", second))]
    sides[1] = replace(sides[1], name="b")
    task = tasks.get(sides[0].config.task)
    instances = task.generate(3, 6)
    places = pairing.rows(sides, instances, np.random.default_rng(0))
    a, b = places.values()
    for i, mine, theirs in zip(a.instance, a.node, b.node, strict=True):
        assert a.encodings[i].instance_node[mine] == b.encodings[i].instance_node[theirs]
    assert len(a.node) == len(b.node) > 12


def test_what_cannot_be_compared_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph, tree = untrained(tmp_path / "graph", "graph"), untrained(tmp_path / "tree", "tree")
    assert main(["similarity", str(graph.folder), "--other", str(tree.folder), "--instances", "4"]) == 2
    assert "same task" in capsys.readouterr().err
    without = untrained(tmp_path / "without", "without ^")
    formulas = tasks.get("logic").generate(3, 6)
    with pytest.raises(InputError, match="does not know"):
        similarity.measure(tree, formulas, other=str(without.folder))
    with pytest.raises(InputError, match="more instances"):
        similarity.measure(tree, [tasks.get("logic").parse("(T&F)")])


def test_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(CONFIGS) >= {"text"}
    ours = untrained(tmp_path / "text", "text")
    assert main(["similarity", str(ours.folder), "--instances", "4", "--difficulty", "2", "--steps", "5"]) == 0
    out = capsys.readouterr().out
    for word in ("debiased CKA", "Procrustes", "DSA", "ceiling", "untrained", "shuffled"):
        assert word in out
