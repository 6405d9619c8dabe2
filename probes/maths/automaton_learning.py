"""The smallest automaton of a model: states clustered by k-means, what follows tabulated, k chosen on validation."""

from __future__ import annotations

from typing import Any

import numpy as np

from depthscope.probes.instrument import Bench
from depthscope.probes.maths import automaton
from depthscope.probes.maths.automaton import Clusters, Machine

MAX_ROWS = 10_000
"""States that k-means is given, at most."""

STARTS = 3
"""Starts of k-means for each number of states; validation chooses."""

GOOD = 0.99
"""Fidelity on validation that the smallest automaton must reach."""


class Learned:
    """The smallest automaton of a model that is good on validation.

    Ticks on the bench of `learning` after each table.
    """

    def __init__(self, learning: Bench, choosing: Bench, model: Any, messages: str, max_states: int) -> None:
        from sklearn.cluster import KMeans  # late: the command line starts without it

        config, seed = learning.checkpoint.config, learning.seed
        self.places, choose = (automaton.gathered(part.encodings, config) for part in (learning, choosing))
        self.n_symbols = 4 * config.vocabulary
        (hidden, self.signs), (chosen, signs) = (states_and_signs(part, model) for part in (learning, choosing))
        mean = automaton.symbol_means(hidden, self.places.symbol, self.n_symbols)
        rows = automaton.residual(hidden, self.places.symbol, mean).reshape(-1, hidden.shape[-1])
        rows = rows[np.random.default_rng(seed).permutation(len(rows))[:MAX_ROWS]]
        different = len(np.unique(rows.round(6), axis=0))  # an untrained model may have few different states
        best: tuple[float, Clusters, Machine] | None = None
        self.validation: list[tuple[float, float]] = []
        for k in range(1, min(max_states, different) + 1):
            tries = []
            for start in range(STARTS):
                means: Any = KMeans  # its stubs know n_init as a text alone
                fitted = means(k, n_init=1, random_state=STARTS * seed + start).fit(rows)
                clusters = Clusters(mean, fitted.cluster_centers_.astype(np.float64))
                states = clusters(hidden, self.places.symbol)
                table = automaton.learn(self.places, states, self.signs, k, messages, self.n_symbols)
                ran, _ = table.run(choose, choosing.steps)
                both, moves = score(ran, table.says(choose, ran), clusters(chosen, choose.symbol), signs)
                good = both >= GOOD and not moves < GOOD
                worth = min(both, moves if np.isfinite(moves) else 0.0)  # one state never moves, and says nothing
                tries.append((good, worth, both, moves, clusters, table))
                learning.tick()
            good, worth, both, moves, clusters, table = max(tries, key=lambda x: x[:3])
            self.validation.append((both, moves))
            if good or best is None or worth > best[0]:
                best = worth, clusters, table
            if good:
                break
        learning.tick((max_states - len(self.validation)) * STARTS)  # those that nobody needs to try
        assert best is not None
        _, self.clusters, self.machine = best
        self.states = self.clusters(hidden, self.places.symbol)

    def blind(self) -> Machine:
        """The same clusters, with rules that do not see the symbol."""
        places = automaton.without_symbols(self.places)
        table = self.machine
        return automaton.learn(places, self.states, self.signs, table.k, table.messages, self.n_symbols)


def score(ran: np.ndarray, says: np.ndarray, states: np.ndarray, signs: np.ndarray) -> tuple[float, float]:
    """Share of node-steps with cluster and sign, and share with the cluster of those at which it changes or NaN."""
    same, moved = (ran == states)[1:], states[1:] != states[:-1]
    moves = float(same[moved].mean()) if moved.any() else float("nan")
    return float((same & (says == signs)[1:]).mean()), moves


def states_and_signs(
    bench: Bench, model: Any, clusters: Clusters | None = None, symbol: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """States of all nodes of all instances in turn, (T+1, N, d), and where the readout says yes, (T+1, N) bool.

    With `clusters`, and the symbol of each node, the states are given as their cluster alone, (T+1, N).
    """
    first = [0, *np.cumsum([e.n_nodes for e in bench.encodings]).tolist()]
    width = (model.shapes.width,) if clusters is None else ()
    states = np.empty((bench.steps + 1, first[-1], *width), dtype=np.float32 if clusters is None else np.int64)
    signs = np.empty((bench.steps + 1, first[-1]), dtype=bool)
    for now in bench.rollout(model):
        where = np.concatenate([np.arange(first[i], first[i + 1]) for i in now.index])
        valid = now.batch.valid.cpu().numpy()
        state = now.state.float().cpu().numpy()[valid]
        states[now.t, where] = state if clusters is None or symbol is None else clusters(state, symbol[where])
        readout = now.readout()[1]
        assert readout is not None
        signs[now.t, where] = readout[valid] > 0
    return states, signs
