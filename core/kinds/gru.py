"""A GRU that reads a formula token by token: one step, one token.

    h[t] = GRUCell(embedding of token t, h[t-1])

The state is a tape. Row 0, [CLS], is the reading head, h[t]. Row i is the embedding of token i until it is read, and
from then on h as it was after reading it; so the picture shows the head move, and what was known where.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Batch, Encoding
from depthscope.core.errors import InputError
from depthscope.core.protocol import Shapes, Sink


class TokenReader(nn.Module):
    """A GRU over tokens, with a readout at every token. Implements `core.protocol.RecurrentModel`."""

    def __init__(self, config: ModelConfig) -> None:
        if config.attention != "none" or config.readout not in ("node", "cls"):
            raise InputError(
                "a GRU reads tokens without attention, so its config should have attention 'none' and a readout of "
                f"'node' or 'cls' (got {config.attention!r} and {config.readout!r})"
            )
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocabulary, config.width, padding_idx=0)
        self.cell = nn.GRUCell(config.width, config.width)
        self.head = nn.Sequential(nn.Linear(config.width, config.mlp_width), nn.GELU(), nn.Linear(config.mlp_width, 1))

    @property
    def shapes(self) -> Shapes:
        """What one step leaves; the gate of a row that is not being written is 0."""
        return Shapes(self.config.width, 0, True)

    def prepare(self, batch: Batch) -> Batch:
        """The batch itself: all that a step needs beside it is on the tape."""
        return batch

    def initial(self, context: Batch) -> Tensor:
        """Nothing read yet, (B, n, d): the head starts at the embedding of [CLS]."""
        return self.token(context.token_ids)

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        """Reads token t + 1, (B, n, d) -> (B, n, d); where there is none, nothing changes."""
        if sink is not None and sink.gate is not None:
            sink.gate.zero_()
        place = t + 1
        if place >= state.shape[1]:
            return state
        there = context.valid[:, place, None]  # (B, 1)
        rows = torch.tensor([0, place], device=state.device)
        head, token = state.index_select(1, rows).unbind(1)
        read = self.cell(token, head)  # (B, d)
        if sink is not None and sink.gate is not None:
            sink.gate[:, 0] = self.renewed(token, head) * there[:, 0]
            sink.gate[:, place] = there[:, 0].to(sink.gate.dtype)
        written = torch.stack([torch.where(there, read, head), torch.where(there, read, token)], dim=1)  # (B, 2, d)
        return state.index_copy(1, rows, written)

    def renewed(self, token: Tensor, head: Tensor) -> Tensor:
        """Mean share of the head that a token replaces, (B,); torch's update gate is the share that is kept."""
        cell = self.cell
        inner = nn.functional.linear(token, cell.weight_ih, cell.bias_ih).chunk(3, dim=-1)[1]
        outer = nn.functional.linear(head, cell.weight_hh, cell.bias_hh).chunk(3, dim=-1)[1]
        return 1 - torch.sigmoid(inner + outer).mean(-1)

    def answer(self, state: Tensor, batch: Batch) -> Tensor:
        """Logit of the answer, (..., B): what the head would say if the formula ended here."""
        rows = torch.arange(len(batch), device=state.device)
        return self.head(state[..., rows, batch.answer, :]).squeeze(-1)

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Logit of the answer (..., B), and of every token (..., B, n) where the readout is one a node."""
        node = self.head(state).squeeze(-1) if self.config.readout == "node" else None
        return self.answer(state, batch), node

    def forward(self, batch: Batch, steps: int, every_step: bool = False) -> tuple[Tensor, Tensor | None]:
        """Runs T steps; `every_step` reads out after each of 1..T (a leading axis T), not after the last alone."""
        context = self.prepare(batch)
        states = [self.initial(context)]
        for t in range(steps):
            states = [*states, self.step(states[-1], t, context)] if every_step else [self.step(states[-1], t, context)]
        return self.readout(torch.stack(states[1:]) if every_step else states[-1], batch)

    def steps_for(self, read: Encoding | Batch) -> int:
        """One step a token; [CLS] is not read."""
        return max(1, read.n_nodes - 1)

    def notes(self, steps: int) -> tuple[str, ...]:
        """What a reader of a run of T steps should know."""
        return (f"This checkpoint reads one token a step, from left to right: {steps} steps read {steps} tokens.",)
