"""Checkpoints whose states are known: nothing learned, and a flood, which is the perfect graph reasoner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core import checkpoint
from core.checkpoint import Checkpoint
from core.config import ModelConfig
from core.encoding import SOURCE, Batch
from core.model import DepthRecurrentTransformer
from core.protocol import Shapes, Sink

CONFIGS = {
    "graph": ModelConfig("graph", vocabulary=2, width=8, heads=2, hidden=8),
    "named": ModelConfig("graph", vocabulary=27, width=8, heads=2, hidden=8, readout="pair", identity="vocabulary"),
    "tree": ModelConfig("logic", vocabulary=10, width=8, heads=2, hidden=8),
    "tokens": ModelConfig("logic", vocabulary=10, width=8, heads=2, hidden=8, attention="full", position="rope"),
    "without ^": ModelConfig("logic", vocabulary=9, width=8, heads=2, hidden=8, attention="full", readout="cls"),
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


def flood() -> Checkpoint:
    model: Any = Flood()
    return Checkpoint("flood", model, CONFIGS["graph"], "", {}, {}, "", 0, None)
