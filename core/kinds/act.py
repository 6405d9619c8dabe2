"""Adaptive computation time: a weight-tied block that each node leaves when it has had enough.

    s[t]  = block(s[t-1])                       while the node runs; a halted node keeps its state
    p[t]  = sigmoid(w . s[t] + b)               the node halts at the step where their sum passes 1 - eps
    w[t]  = p[t], what is left of 1 at the last step
    read  = sum of w[t] s[t]
    cost  = N + R, steps and remainder; only R has a gradient

Source: Graves (2016), Adaptive Computation Time for Recurrent Neural Networks; per node as in Dehghani et al. (2019),
Universal Transformers.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Batch
from depthscope.core.model import Context, DepthRecurrentTransformer
from depthscope.core.protocol import Shapes, Sink

EPSILON = 0.01
"""A node halts at the step where its probabilities sum to more than 1 less this."""

HALT_BIAS = -2.0
"""At the start a node runs for about nine steps, so that what is far away can arrive at all."""


class AdaptiveComputation(DepthRecurrentTransformer):
    """A weight-tied block with a halting probability per node.

    A state (B, n, 2d + 2) is [s; weighted sum of s; sum of p, 1 once halted; remainder R], so that a step depends on
    nothing else. What is read out after t steps is what the model would say if it had to stop there.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.halt = nn.Linear(config.width, 1)
        nn.init.constant_(self.halt.bias, HALT_BIAS)

    @property
    def shapes(self) -> Shapes:
        """What one step leaves; the gate of a halted node is 0."""
        wide = replace(super().shapes, width=2 * self.config.width + 2, gate=True)
        return replace(wide, is_local=type(self) is AdaptiveComputation and self.config.is_local)

    def _parts(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """S, weighted sum (..., d), sum of p and remainder (..., 1)."""
        d = self.config.width
        s, total, halted, remainder = state.split([d, d, 1, 1], dim=-1)
        return s, total, halted, remainder

    def initial(self, context: Context) -> Tensor:
        """The embedding, nothing weighted yet, all running."""
        e = context.embedding
        return torch.cat([e, torch.zeros_like(e), torch.zeros_like(e[..., :1]), torch.ones_like(e[..., :1])], dim=-1)

    def step(self, state: Tensor, t: int, context: Context, sink: Sink | None = None) -> Tensor:
        """One step of the nodes that still run, (B, n, 2d + 2) -> (B, n, 2d + 2)."""
        s, total, halted, remainder = self._parts(state)
        running = halted < 1
        s = torch.where(running, self.block(s, t, context, sink), s)
        p = torch.sigmoid(self.halt(s))  # (B, n, 1)
        last = halted + p > 1 - EPSILON
        left = 1 - halted
        total = total + torch.where(last, left, p) * s  # nothing is left of a halted node
        remainder = torch.where(running, left, remainder)
        halted = torch.where(last, torch.ones_like(halted), halted + p)
        if sink is not None and sink.gate is not None:
            now = running[..., 0].to(sink.gate.dtype)
            sink.gate.copy_(now if self.block.gate is None else sink.gate * now)
        return torch.cat([s, total, halted, remainder], dim=-1)

    def read(self, state: Tensor) -> Tensor:
        """The weighted state, (..., n, 2d + 2) -> (..., n, d)."""
        s, total, halted, _ = self._parts(state)
        return total + (1 - halted) * s

    def answer(self, state: Tensor, batch: Batch) -> Tensor:
        """Logit of the answer alone, (..., B)."""
        return super().answer(self.read(state), batch)

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Logit of the answer (..., B), and of every node (..., B, n) where the model has one."""
        if not self.config.reads_nodes:
            return self.answer(state, batch), None
        return super().readout(self.read(state), batch)

    def penalty(self, state: Tensor, batch: Batch) -> Tensor:
        """The part of the ponder cost that has a gradient: the mean remainder of the nodes."""
        return self._parts(state)[3][..., 0][batch.valid].mean()
