"""States of other instances at the same steps: what an ablation puts in the place of a state.

    mean       after t steps, over the nodes of the same kind in other instances     (mean ablation)
    resample   the state after t steps of one such node of one of them, at random    (resample ablation)

The other instances are drawn from the range of difficulty trained on, by a seed of their own. Source: Wang et al.
(2023), Interpretability in the wild, for means over a data set; Chan et al. (2022), Causal scrubbing, for resampling.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from depthscope.core import frontier, tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding
from depthscope.core.trace import Trace
from depthscope.probes.instrument import Bench
from depthscope.probes.measuring import instances as subjects

COUNT = 60
"""Instances that means are taken over, about as many of each difficulty."""

APART = 1_000_003
"""Added to the seed, so that nobody is ablated with the instances that are looked at."""

NO_CONCEPT, CARRIES, COMPUTED = range(3)
"""Kinds of nodes: without a concept, with one, and with one that has to be worked out where others show theirs."""


def kinds(checkpoint: Checkpoint, encoding: Encoding) -> np.ndarray:
    """Kind of each node, (n,)."""
    result = np.where(encoding.carries, CARRIES, NO_CONCEPT)
    computed = tasks.get(checkpoint.config.task).reading.computed(encoding)
    if computed is not None:
        result[computed] = COMPUTED
    return result


class Others:
    """Other instances than those looked at, run when they are first needed."""

    def __init__(self, checkpoint: Checkpoint, steps: int, seed: int) -> None:
        self.checkpoint, self.steps, self.seed = checkpoint, steps, seed

    @cached_property
    def instances(self) -> list[Any]:
        """60 or a few more, as many of each difficulty trained on."""
        span = range(frontier.default_difficulties(self.checkpoint)[0], subjects.trained(self.checkpoint) + 1)
        return subjects.draw(self.checkpoint, span, -(-COUNT // len(span)), None, self.seed + APART)

    @cached_property
    def means(self) -> np.ndarray:
        """Mean state after each step of the nodes of each kind, (T+1, 3, d); of all nodes where a kind has none."""
        bench = Bench(self.checkpoint, self.instances, self.steps)
        total, count = np.zeros((self.steps + 1, 3, bench.model.shapes.width)), np.zeros(3)
        is_kind = torch.empty(0)
        for now in bench.rollout():
            if now.t == 0:
                kind = np.full(now.batch.token_ids.shape, -1)  # of padding
                for row, i in enumerate(now.index):
                    kind[row, : bench.encodings[i].n_nodes] = kinds(self.checkpoint, bench.encodings[i])
                is_kind = torch.from_numpy(kind[None] == np.arange(3)[:, None, None]).to(now.state.device).double()
                count += is_kind.sum((1, 2)).cpu().numpy()  # (3, B, n)
            total[now.t] += torch.einsum("kbn,bnd->kd", is_kind, now.state.double()).cpu().numpy()
        whole = total.sum(1, keepdims=True) / count.sum()
        return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], whole).astype(np.float32)

    def mean(self, encoding: Encoding) -> np.ndarray:
        """What `mean` puts at each node of an instance, (T+1, n, d)."""
        return self.means[:, kinds(self.checkpoint, encoding)]

    def resampled(self, base: Trace, rng: np.random.Generator) -> Trace:
        """A run to patch from: each node's states are those of a random node of its kind in one other instance.

        No node is taken twice while there are others of its kind; where there is none, any node is taken.
        """
        other = trace.record(self.checkpoint, self.instances[int(rng.integers(len(self.instances)))], self.steps)
        mine, theirs = kinds(self.checkpoint, base.encoding), kinds(self.checkpoint, other.encoding)
        taken = np.empty(base.n_nodes, dtype=np.int64)
        for kind in np.unique(mine):
            pool, due = np.flatnonzero(theirs == kind), np.flatnonzero(mine == kind)
            pool = pool if len(pool) else np.arange(other.n_nodes)
            rounds = -(-len(due) // len(pool))
            taken[due] = np.concatenate([rng.permutation(pool) for _ in range(rounds)])[: len(due)]
        return replace(base, hidden=other.hidden[: base.steps + 1, taken])
