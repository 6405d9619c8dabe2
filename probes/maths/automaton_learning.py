"""The smallest automaton of a model: states clustered by k-means, what follows tabulated, k chosen on validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from depthscope.core import frontier
from depthscope.core.answers import batches
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding, collate
from depthscope.core.protocol import RecurrentModel
from depthscope.probes.maths import automaton
from depthscope.probes.maths.automaton import Clusters, Machine
from depthscope.probes.measuring import instances as subjects

MAX_ROWS = 10_000
"""States that k-means is given, at most."""


class Learned:
    """The smallest automaton of a model that is good on validation."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        model: RecurrentModel,
        learning: Sequence[Encoding],
        choosing: Sequence[Encoding],
        messages: str,
        max_states: int,
        starts: int,
        good_enough: float,
        seed: int,
        more: Callable[[int], None],
    ) -> None:
        from sklearn.cluster import KMeans  # late: the command line starts without it

        config = checkpoint.config
        steps = frontier.default_steps(checkpoint, subjects.trained(checkpoint))
        self.places, choose = (automaton.gathered(part, config) for part in (learning, choosing))
        self.n_symbols = 4 * config.vocabulary
        (hidden, self.said), (chosen, said) = (
            states_and_signs(model, part, steps, more=more) for part in (learning, choosing)
        )
        mean = automaton.symbol_means(hidden, self.places.symbol, self.n_symbols)
        rows = automaton.residual(hidden, self.places.symbol, mean).reshape(-1, hidden.shape[-1])
        rows = rows[np.random.default_rng(seed).permutation(len(rows))[:MAX_ROWS]]
        different = len(np.unique(rows.round(6), axis=0))  # an untrained model may have few different states
        best: tuple[float, Clusters, Machine] | None = None
        self.validation: list[tuple[float, float]] = []
        for k in range(1, min(max_states, different) + 1):
            tries = []
            for start in range(starts):
                means: Any = KMeans  # its stubs know n_init as a text alone
                found = means(k, n_init=1, random_state=starts * seed + start).fit(rows)
                clusters = Clusters(mean, found.cluster_centers_.astype(np.float64))
                states = clusters(hidden, self.places.symbol)
                table = automaton.learn(self.places, states, self.said, k, messages, self.n_symbols)
                ran, _ = table.run(choose, steps)
                both, moves = score(ran, table.says(choose, ran), clusters(chosen, choose.symbol), said)
                good = both >= good_enough and not moves < good_enough
                worth = min(both, moves if np.isfinite(moves) else 0.0)  # one state never moves, and tells nothing
                tries.append((good, worth, both, moves, clusters, table))
                more(1)
            good, worth, both, moves, clusters, table = max(tries, key=lambda x: x[:3])
            self.validation.append((both, moves))
            if good or best is None or worth > best[0]:
                best = worth, clusters, table
            if good:
                break
        more((max_states - len(self.validation)) * starts)  # those that nobody needs to try
        assert best is not None
        _, self.clusters, self.machine = best
        self.states = self.clusters(hidden, self.places.symbol)

    def blind(self) -> Machine:
        """The same clusters, with rules that do not see the symbol."""
        places = automaton.without_symbols(self.places)
        table = self.machine
        return automaton.learn(places, self.states, self.said, table.k, table.messages, self.n_symbols)


def score(ran: np.ndarray, says: np.ndarray, states: np.ndarray, said: np.ndarray) -> tuple[float, float]:
    """Share of node-steps with cluster and sign, and share with the cluster of those at which it changes or NaN."""
    same, moved = (ran == states)[1:], states[1:] != states[:-1]
    moves = float(same[moved].mean()) if moved.any() else float("nan")
    return float((same & (says == said)[1:]).mean()), moves


@torch.inference_mode()
def states_and_signs(
    model: RecurrentModel,
    encodings: Sequence[Encoding],
    steps: int,
    clusters: Clusters | None = None,
    symbol: np.ndarray | None = None,
    more: Callable[[int], None] = lambda count: None,
) -> tuple[np.ndarray, np.ndarray]:
    """States of all nodes of all instances in turn, (T+1, N, d), and where the readout says yes, (T+1, N) bool.

    With `clusters`, and the symbol of each node, the states are kept as their cluster alone, (T+1, N). `more` is called
    with the number of instances of each batch.
    """
    shapes, first = model.shapes, [0, *np.cumsum([e.n_nodes for e in encodings]).tolist()]
    width = (shapes.width,) if clusters is None else ()
    kept = np.empty((steps + 1, first[-1], *width), dtype=np.float32 if clusters is None else np.int64)
    said = np.empty((steps + 1, first[-1]), dtype=bool)
    like: Any = model
    device = next(like.parameters()).device
    for index in batches(encodings, shapes.width, shapes.heads):
        batch = collate([encodings[i] for i in index]).to(device)
        where = np.concatenate([np.arange(first[i], first[i + 1]) for i in index])
        valid = batch.valid.cpu().numpy()
        context = model.prepare(batch)
        h = model.initial(context)
        for t in range(steps + 1):
            state = h.float().cpu().numpy()[valid]
            kept[t, where] = state if clusters is None or symbol is None else clusters(state, symbol[where])
            readout = model.readout(h, batch)[1]
            assert readout is not None
            said[t, where] = readout.cpu().numpy()[valid] > 0
            if t < steps:
                h = model.step(h, t, context)
        more(len(index))
    return kept, said
