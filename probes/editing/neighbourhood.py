"""A step of many edited runs along edges, computed only at the nodes that an edit can have reached by then.

What a node is after a step depends on itself and on the nodes that it attends to. A node none of which differs from the
undisturbed run is as it was there, and is not computed again: an effect map costs what its edits reach, not n nodes a
run. Nor is a node computed from which the answer cannot be reached in the steps that are left, where the answer alone
is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from depthscope.core.encoding import Encoding, collate
from depthscope.core.model import Context, DepthRecurrentTransformer


@dataclass(frozen=True)
class Neighbourhood:
    """Who attends to whom in one instance, and its context.

    Attributes:
        model: Whose step it is.
        context: Of the instance alone, over an edge list.
        start: (n+1,) where the edges of each query begin.
    """

    model: DepthRecurrentTransformer
    context: Context
    start: Tensor

    @staticmethod
    def of(model: DepthRecurrentTransformer, encoding: Encoding) -> Neighbourhood:
        """The neighbourhood of an encoding with edges."""
        device = next(model.parameters()).device
        context = model.prepare(collate([encoding], sparse=True).to(device))
        edges = context.batch.edge_index
        if edges is None:
            raise ValueError("an encoding without edges has no neighbourhood")
        count = np.bincount(edges[0].cpu().numpy(), minlength=encoding.n_nodes)
        return Neighbourhood(model, context, torch.from_numpy(np.concatenate([[0], count.cumsum()])).to(device))

    def cone(self, steps: int) -> Tensor:
        """Which nodes can bear on the answer after t steps or any later one, (T+1, n) bool."""
        batch, edges = self.context.batch, self.context.batch.edge_index
        assert edges is not None
        bears = torch.zeros(batch.token_ids.shape[1], dtype=torch.bool, device=edges.device)
        bears[batch.answer] = True
        if self.model.config.readout == "pair":
            bears[batch.source] = True
        elif self.model.config.readout == "sum":
            bears[:] = True
        rows = [bears]
        for _ in range(steps):
            bears = bears.index_fill(0, edges[1][bears[edges[0]]], True)
            rows.append(bears)
        return torch.stack(rows[::-1])

    def step(
        self, state: Tensor, differs: Tensor, now: Tensor, following: Tensor, t: int, bears: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step of R runs.

        Args:
            state: (R, n, d) after t steps.
            differs: (R, n) bool, where they differ from the undisturbed run.
            now: (n, d) the undisturbed run after t steps.
            following: (n, d) the same after t + 1.
            t: Number of the step from 0.
            bears: (n,) bool, the nodes of step t that count; the others are not computed. None for all.

        Returns:
            The states after t + 1 steps, and where they may differ.
        """
        edges = self.context.batch.edge_index
        assert edges is not None
        reached = torch.zeros(differs.shape, device=state.device).index_add_(1, edges[0], differs[:, edges[1]].float())
        reached = (reached > 0) | differs
        if bears is not None:
            reached &= bears
        row, node = reached.nonzero(as_tuple=True)  # (M,) each
        n, m = state.shape[1], len(row)
        # M nodes to compute, after the n of the undisturbed run, to which they may attend
        place = torch.arange(n, device=state.device).repeat(len(state), 1)
        place[row, node] = n + torch.arange(m, device=state.device)
        degree = self.start[node + 1] - self.start[node]
        query = torch.repeat_interleave(torch.arange(m, device=state.device), degree)
        first = torch.cumsum(degree, 0) - degree
        edge = self.start[node][query] + torch.arange(len(query), device=state.device) - first[query]
        pairs = torch.stack([n + query, place[row[query], edges[1][edge]]])
        both = torch.cat([torch.arange(n, device=state.device), node])
        given = torch.cat([now, state[row, node]])[None]  # (1, n + M, d)
        after = state.new_empty(state.shape).copy_(following)
        after[row, node] = self.model.step(given, t, self._context(both, pairs))[0, n:]
        return after, reached

    def _context(self, nodes: Tensor, pairs: Tensor) -> Context:
        """The context of some nodes, taken as often as they are named, along pairs of their places."""
        own, batch = self.context, self.context.batch
        named = {
            name: None if value is None else value[:, nodes]
            for name in ("token_ids", "roles", "valid", "bracket", "entity")
            for value in [getattr(batch, name)]
        }
        flat = replace(batch, edge_index=pairs, **named)
        return replace(
            own,
            batch=flat,
            embedding=own.embedding[:, nodes],
            recalled=None if own.recalled is None else own.recalled[:, nodes],
            bias=self.model.attention_bias(flat),
        )
