"""Interaction of a model whose derivatives are known, of a brute-force Jacobian, along a mask, and of noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.protocol import Shapes, Sink
from depthscope.probes.cli import main
from depthscope.probes.instruments import interaction
from depthscope.probes.instruments.interaction import Influence
from depthscope.probes.measuring.results import save_npz
from tests.probes.hand_made import CONFIGS, untrained, wave

GRAPH = tasks.get("graph").parse("A B\nB C\nC D\nA E\nF D\nG F\nF G\n", "x.txt").asked("A", "D")
ENCODING = tasks.get("graph").encode(GRAPH, CONFIGS["graph"])


class Mixing(nn.Module):
    """A linear step along the edges, h' = M h B: no attention, and every derivative is a power of M and B."""

    shapes = Shapes(width=3, heads=0, gate=False)

    def __init__(self) -> None:
        super().__init__()
        self.config = CONFIGS["graph"]
        self.inner = nn.Parameter(torch.tensor([[0.5, 1.0, 0.0], [0.0, 0.5, 0.2], [0.3, 0.0, 0.7]]))

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def initial(self, context: Batch) -> Tensor:
        return (context.roles[..., None] == torch.tensor([1, 2, 3])).float()

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        assert context.allowed is not None
        return context.allowed.float() @ state @ self.inner

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return state[..., torch.arange(len(batch)), batch.answer, 0], state[..., 0]


def mixing() -> Checkpoint:
    model: Any = Mixing()
    return Checkpoint("mixing", model, CONFIGS["graph"], "", {}, {}, "", 0, None)


def jacobian(checkpoint: Checkpoint, encoding: Encoding, steps: int, s: int, node: int | None = None) -> np.ndarray:
    """|d h[T, answer] / d h[s, j]|, or that of another node, by torch's own Jacobian of the rest of the run, (n,)."""
    batch = collate([encoding])
    with torch.no_grad():
        context = checkpoint.model.prepare(batch)
        state = checkpoint.model.initial(context)
        for t in range(s):
            state = checkpoint.model.step(state, t, context)

    def rest(h: Tensor) -> Tensor:
        for t in range(s, steps):
            h = checkpoint.model.step(h, t, context)
        return h[0, encoding.answer if node is None else node]

    found = torch.autograd.functional.jacobian(rest, state)  # (d, 1, n, d)
    assert isinstance(found, Tensor)
    return found.square().sum((0, 1, 3)).sqrt().numpy()


def test_a_linear_step_has_powers_for_derivatives() -> None:
    steps, ours = 4, mixing()
    found = interaction.influence(ours, ENCODING, steps).value
    allowed = collate([ENCODING]).allowed
    assert allowed is not None
    m, inner = allowed[0].double().numpy(), ours.model.inner.detach().double().numpy()
    for s in range(steps + 1):
        power = np.linalg.matrix_power
        due = power(m, steps - s)[ENCODING.answer] * np.linalg.norm(power(inner, steps - s))
        np.testing.assert_allclose(found[s], due, rtol=1e-5)


@pytest.mark.parametrize("kind", ["graph", "tree", "tokens"])
def test_it_is_the_jacobian(kind: str, tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", kind)
    task = tasks.get(ours.config.task)
    instance = GRAPH if kind == "graph" else task.parse("((T|F)&!F)")
    encoding = task.encode(instance, ours.config)
    found = interaction.influence(ours, encoding, 3)
    for s in range(4):
        np.testing.assert_allclose(found.value[s], jacobian(ours, encoding, 3, s), rtol=1e-3, atol=1e-7)
    assert (found.error == 0).all()


@pytest.mark.parametrize("kind", ["graph", "nearest match"])
def test_any_state_has_its_jacobian(kind: str, tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", kind)
    instance = GRAPH if kind == "graph" else tasks.get("logic").parse("((T|F)&!F)")
    encoding, node = tasks.get(ours.config.task).encode(instance, ours.config), 2
    found = interaction.measure(ours, [instance], steps=4, node=f"#{node}", at=3)
    for s in range(4):
        due = jacobian(ours, encoding, 3, s, node)
        np.testing.assert_allclose(found.first.value[s], due, rtol=1e-3, atol=1e-7)
    assert (found.steps, found.of, len(found.size)) == (3, f"#{node}", 4)
    assert found.first.value[3, node] == pytest.approx(np.sqrt(8))  # of itself: the identity
    assert found.beyond_max == 0


def test_a_node_that_is_named_needs_no_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    apart = GRAPH.asked("D", "A")
    found = interaction.measure(wave(), [apart], steps=3, node="D", at=2)
    assert (found.n, found.left_out) == (1, 0)
    assert np.isnan(found.mass.trained.value).all()
    assert (found.first.value[0] > 0).any()
    assert "W of D after step 2" in found.table()
    refused: Any = (({"node": "Z"}, "Z"), ({"node": "D", "at": 9}, "1 to 3"), ({"at": 0}, "1 to 3"))
    for wrong, match in refused:
        with pytest.raises(InputError, match=match):
            interaction.measure(wave(), [GRAPH], steps=3, **wrong)
    with pytest.raises(InputError, match="give one as INPUT"):
        interaction.measure(wave(), [GRAPH, apart], node="D")
    edges, folder = tmp_path / "x.txt", untrained(tmp_path / "ours", "graph").folder
    edges.write_text("A B\nB C\n")
    options = ["--source", "A", "--target", "C", "--node", "B", "--at", "1", "--steps", "2"]
    assert main(["interaction", str(folder), str(edges), *options]) == 0
    assert "W of B after step 1 is exact" in capsys.readouterr().out


def test_random_directions_err_as_much_as_they_say(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", "tokens")
    encoding = tasks.get("logic").encode(tasks.get("logic").parse("((T|F)&!F)"), ours.config)
    exact = interaction.influence(ours, encoding, 3).value
    ratio, said = [], []
    for seed in range(6):
        drawn = interaction.influence(ours, encoding, 3, directions=64, seed=seed)
        ratio.append(drawn.value[:3] / exact[:3] - 1)
        said.append(drawn.error[:3])
    assert 0.6 < np.std(ratio) / np.sqrt(np.mean(np.square(said))) < 1.6
    assert abs(np.mean(ratio)) < 0.05


def test_nothing_goes_round_the_mask() -> None:
    reach = interaction.reach_by_step(ENCODING, 3)
    names = ["".join(name for name, there in zip(GRAPH.names, row, strict=True) if there) for row in reach]
    assert [sorted(x) for x in names] == [list("ABCDFG"), list("BCDFG"), list("CDF"), list("D")]
    for ours in (wave(), mixing()):
        scores = interaction.measure(ours, [GRAPH], steps=3)
        assert scores.beyond == 1 + 2 + 4
        assert scores.beyond_max == 0
        assert (scores.first.value[reach] > 0).any()
    unmasked = interaction.influence(mixing_everywhere(), ENCODING, 3).value
    assert unmasked[~reach].max() > 0  # what the check would have found


def mixing_everywhere() -> Checkpoint:
    ours = mixing()
    step = ours.model.step

    def leaking(state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        return step(state, t, context, sink) + 1e-6 * state.mean(1, keepdim=True)

    ours.model.step = leaking
    return ours


def test_the_wave_matters_along_its_path_and_noise_nowhere(tmp_path: Path) -> None:
    carried = interaction.measure(wave(), [GRAPH, GRAPH.asked("D", "A")], steps=3)
    assert (carried.n, carried.left_out) == (1, 1)
    assert carried.mass.trained.value[2] > 0.95  # D hears C and F, and only C is reached
    assert carried.auroc.trained.value[2] == 1
    noise = interaction.measure(untrained(tmp_path / "ours", "graph"), [GRAPH], steps=3)
    assert 0.3 < noise.mass.trained.value[2] < 0.7
    assert 0.3 < carried.mass.untrained[2] < 0.7


def test_what_shrinks_for_long_does_not_vanish() -> None:
    ours = mixing()
    with torch.no_grad():
        ours.model.inner.copy_(0.01 * torch.eye(3))
    found = interaction.influence(ours, ENCODING, 40).value[0]
    assert 0 < found[ENCODING.answer] < 1e-70  # float32 ends at 1e-45


def test_results_and_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    scores = interaction.measure(wave(), [GRAPH], progress=lambda *x: seen.append(x))
    assert seen == [(1, 1)]
    assert np.isfinite(scores.auroc.rollout).any()
    assert len(json.loads(dumps(scores))["mass"]["trained"]["value"]) == scores.steps
    save_npz(scores, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as kept:
        assert kept["first.value"].shape == (scores.steps + 1, GRAPH.n_nodes)
    with pytest.raises(InputError, match="no instance has a path"):
        interaction.measure(wave(), [GRAPH.asked("D", "A")])
    with pytest.raises(InputError, match="directions"):
        interaction.measure(wave(), [GRAPH], directions=-1)
    with pytest.raises(ValueError, match=r"error.*\(1, 2\).*\(2, 2\)"):
        Influence(np.zeros((2, 2)), np.zeros((1, 2)))
    formula = tmp_path / "x.txt"
    formula.write_text("((T|F)&!F)")
    assert main(["interaction", "logic-gru", str(formula), "--directions", "4"]) == 0
    out = capsys.readouterr().out
    assert "4 random directions" in out
    assert "nan" in out  # no attention to roll out
