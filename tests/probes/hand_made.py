"""Checkpoints whose states are known: nothing learned; a flood, the perfect graph reasoner; and a wave, the same flood
as a Transformer whose weights are set by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from depthscope.core import checkpoint
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import SOURCE, Batch
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.protocol import Shapes, Sink

CONFIGS = {
    "graph": ModelConfig("graph", vocabulary=2, width=8, heads=2, mlp_width=8),
    "named": ModelConfig("graph", vocabulary=27, width=8, heads=2, mlp_width=8, readout="pair", identity="vocabulary"),
    "tree": ModelConfig("logic", vocabulary=10, width=8, heads=2, mlp_width=8),
    "edge list": ModelConfig("graph", vocabulary=4, width=8, heads=2, mlp_width=8, attention="full", position="rope"),
    "text": ModelConfig("text", vocabulary=54, width=8, heads=2, mlp_width=8, attention="full", readout="offset"),
    "tokens": ModelConfig("logic", vocabulary=10, width=8, heads=2, mlp_width=8, attention="full", position="rope"),
    "nearest match": ModelConfig(
        "logic", vocabulary=10, width=8, heads=2, mlp_width=8, attention="full", geometric=True, bracket_bias=True
    ),
    "without ^": ModelConfig("logic", vocabulary=9, width=8, heads=2, mlp_width=8, attention="full", readout="cls"),
}


def untrained(folder: Path, kind: str, seed: int = 3) -> Checkpoint:
    """Writes a checkpoint with random weights, and opens it."""
    torch.manual_seed(seed)
    model = DepthRecurrentTransformer(CONFIGS[kind])
    checkpoint.save(folder, model, name=kind, recipe="untrained", training={}, metrics={}, card="# Hi")
    return checkpoint.load(folder)


class Flood(nn.Module):
    """Breadth-first search: one coordinate of a state says whether the node is reached, the others are noise."""

    shapes = Shapes(width=6, heads=0, gate=False)

    def __init__(self) -> None:
        super().__init__()
        self.config = CONFIGS["graph"]
        self.unused = nn.Parameter(torch.zeros(1))
        self.noise = torch.Generator().manual_seed(5)

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def initial(self, context: Batch) -> Tensor:
        return self._state(((context.roles & SOURCE) > 0).float())

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        assert context.allowed is not None
        return self._state((context.allowed.float() @ state[..., :1]).clamp(max=1)[..., 0])

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        node = 2 * state[..., 0] - 1
        return node[..., torch.arange(len(batch)), batch.answer], node

    def _state(self, reached: Tensor) -> Tensor:
        return torch.cat([reached[..., None], torch.randn(*reached.shape, 5, generator=self.noise)], dim=-1)


class Knowing(Flood):
    """Knows from the start which nodes are reached; `at(t, truth)`, truth in {-1, 1}, is what its state shows of it."""

    def prepare(self, batch: Batch) -> Any:
        assert batch.allowed is not None
        reached = (batch.roles == SOURCE).float()[..., None]
        for _ in range(batch.allowed.shape[1]):
            reached = (batch.allowed.float() @ reached).clamp(max=1)
        return 2 * reached[..., 0] - 1

    def initial(self, context: Any) -> Tensor:
        return self.at(0, context)

    def step(self, state: Tensor, t: int, context: Any, sink: Sink | None = None) -> Tensor:
        return self.at(t + 1, context)

    def at(self, t: int, truth: Tensor) -> Tensor:
        """The state after step t, (B, n, 6)."""
        raise NotImplementedError

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        node = state[..., 0]
        return node[..., torch.arange(len(batch)), batch.answer], node


def flood() -> Checkpoint:
    model: Any = Flood()
    return Checkpoint("flood", model, CONFIGS["graph"], "", {}, {}, "", 0, None)


def wave(width: int = 8) -> Checkpoint:
    """A Transformer whose weights, set by hand, make one step exactly one hop.

    A state is (r, -r, c, -c, 0, ...): the sign of r says whether the node is reached, c is a constant. Attention picks
    the highest r among the in-neighbours and the node itself and adds their state; the norm keeps it in bounds.
    """
    config = ModelConfig(
        "graph", vocabulary=2, width=width, heads=2, mlp_width=8, gate_bias=None, recall=False, layer_scale=None
    )
    model = DepthRecurrentTransformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for norm in (model.embedding_norm, model.block.norm1, model.block.norm2, model.block.state_norm):
            assert norm is not None
            norm.weight.fill_(1)
        unreached = torch.tensor([-1.0, 1, 1, -1])
        model.token.weight[1, :4] = unreached
        assert model.role is not None
        model.role[0, :4] = torch.tensor([2.0, -2, 0, 0])  # the source: r = 1
        for head in range(2):
            first = head * width // 2
            model.block.qkv.weight[first, 2] = 20.0  # query: c
            model.block.qkv.weight[width + first, 0] = 20.0  # key: r
        for i in range(2):  # the first head's value is (r, -r); c grows by as much on its own
            model.block.qkv.weight[2 * width + i, i] = 10.0
            model.block.out.weight[i, i] = 1.0
        model.block.out.bias[:4] = torch.tensor([0.0, 0, 13, -13])
        readout = model.head[1]
        assert isinstance(readout, nn.Linear)
        readout.weight[0, 0] = 4.0
    return Checkpoint("wave", model.eval(), config, "", {}, {}, "", 0, None)
