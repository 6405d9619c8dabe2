"""A finite automaton on the nodes of a graph, read off a model's states and run as a program.

    s[0, i]   = start[symbol of i]
    s[t+1, i] = rule(symbol of i, s[t, i], {s[t, j] : i attends to j, j != i})

Owns learning and running the table; which models and instances it is learned from is `probes.instruments.automaton`'s
business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.distance import cdist

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import SOURCE, TARGET, Encoding

CAPS = {"set": 1, "multiset": 3}
"""Up to how many equal messages are told apart: whether there is one, or none, one, two, more."""


@dataclass(frozen=True)
class Clusters:
    """States as numbers: the direction of a state, less what its symbol tells already, by the nearest of k centres.

    Attributes:
        mean: (S, d) mean direction of the states of each symbol.
        centre: (k, d).
    """

    mean: np.ndarray
    centre: np.ndarray

    def __call__(self, hidden: np.ndarray, symbol: np.ndarray) -> np.ndarray:
        """Cluster of each state, (..., N) for states (..., N, d) and symbols (N,)."""
        rest = residual(hidden, symbol, self.mean)
        return cdist(rest.reshape(-1, rest.shape[-1]), self.centre).argmin(axis=1).reshape(rest.shape[:-1])


@dataclass(frozen=True)
class Places:
    """The nodes of several instances as one graph of N nodes.

    Attributes:
        symbol: (N,) of a node: its token and role.
        recalled: (N,) the symbol again, as the rules see it; zeros where they do not.
        query: (E,) the node that attends, self-loops left out.
        key: (E,) the node it attends to.
        instance: (N,) index of its instance.
        answer: (B,) the node each instance is answered at.
    """

    symbol: np.ndarray
    recalled: np.ndarray
    query: np.ndarray
    key: np.ndarray
    instance: np.ndarray
    answer: np.ndarray


@dataclass(frozen=True)
class Machine:
    """A table over k states.

    Attributes:
        messages: A name in CAPS.
        start: (S,) state of each symbol before the first step; S symbols.
        codes: (R,) int64, sorted: symbol, state and messages of each rule, as `Machine.code` packs them.
        following: (R,) the state that a rule gives.
        seen: (R,) how often it was seen while learning.
        agree: (R,) how often it gave that state.
        default: (S, k) the state that follows where no rule fits.
        positive: (S, k) bool, whether the readout says yes at a symbol in a state.
    """

    messages: str
    start: np.ndarray
    codes: np.ndarray
    following: np.ndarray
    seen: np.ndarray
    agree: np.ndarray
    default: np.ndarray
    positive: np.ndarray

    @property
    def k(self) -> int:
        """Number of states."""
        return self.positive.shape[1]

    def says(self, places: Places, states: np.ndarray) -> np.ndarray:
        """Whether the readout says yes in states (T+1, N)."""
        return self.positive[places.symbol, states]

    def run(self, places: Places, steps: int) -> tuple[np.ndarray, float]:
        """States of all nodes after 0..T steps, (T+1, N), and the share of look-ups that no rule fits."""
        states = np.empty((steps + 1, len(places.symbol)), dtype=np.int64)
        states[0] = self.start[places.symbol]
        missed = 0
        for t in range(steps):
            codes = code(places, states[t], self.k, self.messages)
            at = np.searchsorted(self.codes, codes).clip(max=len(self.codes) - 1)
            hit = self.codes[at] == codes
            missed += int((~hit).sum())
            states[t + 1] = np.where(hit, self.following[at], self.default[places.recalled, states[t]])
        return states, missed / max(1, steps * len(places.symbol))


def gathered(encodings: Sequence[Encoding], config: ModelConfig) -> Places:
    """Several instances as one graph.

    Where nodes have names the name is no symbol: an automaton that knew names would not speak about other graphs. The
    target is one where the model is told which node it is.
    """
    visible = SOURCE | (TARGET if config.readout == "pair" else 0)
    first = np.cumsum([0, *(e.n_nodes for e in encodings)])
    symbols, edges = [], []
    for encoding, offset in zip(encodings, first, strict=False):
        token = encoding.token_ids if config.identity == "none" else np.zeros_like(encoding.token_ids)
        symbols.append(4 * token + (encoding.roles & visible))
        if encoding.edge_index is None:
            raise ValueError("an automaton needs edges along which messages run")
        edges.append(encoding.edge_index + offset)
    query, key = np.concatenate(edges, axis=1)
    other = query != key
    instance = np.repeat(np.arange(len(encodings)), np.diff(first))
    answer = np.array([e.answer for e in encodings]) + first[:-1]
    symbol = np.concatenate(symbols)
    return Places(symbol, symbol, query[other], key[other], instance, answer)


def residual(hidden: np.ndarray, symbol: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Directions of states (..., N, d), so that one that grows makes no clusters, less the mean of their symbol."""
    size = np.linalg.norm(hidden, axis=-1, keepdims=True)
    return hidden / np.maximum(size, 1e-12).astype(np.float64) - mean[symbol]


def symbol_means(hidden: np.ndarray, symbol: np.ndarray, n_symbols: int) -> np.ndarray:
    """Mean direction of the states of each symbol over all steps, (S, d); that of all for a symbol never seen."""
    direction = residual(hidden, symbol, np.zeros((n_symbols, hidden.shape[-1])))
    mean = np.tile(direction.mean(axis=(0, 1)), (n_symbols, 1))
    for name in np.unique(symbol):
        mean[name] = direction[:, symbol == name].mean(axis=(0, 1))
    return mean


def code(places: Places, states: np.ndarray, k: int, messages: str) -> np.ndarray:
    """Symbol, own state and messages of every node as one number, (N,) int64."""
    base = CAPS[messages] + 1
    counts = np.bincount(places.query * k + states[places.key], minlength=len(states) * k).reshape(-1, k)
    message = np.minimum(counts, base - 1) @ base ** np.arange(k)
    return (places.recalled * k + states) * base**k + message


def decode(codes: np.ndarray, k: int, messages: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Symbol (R,), state (R,) and messages (R, k) of packed rules; a message counts up to its cap."""
    base = CAPS[messages] + 1
    pair, message = np.divmod(codes, base**k)
    return pair // k, pair % k, message[:, None] // base ** np.arange(k) % base


def learn(places: Places, states: np.ndarray, positive: np.ndarray, k: int, messages: str, n_symbols: int) -> Machine:
    """The table that most of what was seen agrees with.

    Args:
        places: N nodes.
        states: (T+1, N) state of each after 0..T steps.
        positive: (T+1, N) bool, whether the model's readout said yes.
        k: Number of states.
        messages: "set" or "multiset".
        n_symbols: S; symbols are below it.
    """
    before = np.concatenate([code(places, row, k, messages) for row in states[:-1]])
    after = states[1:].ravel()
    codes, which = np.unique(before, return_inverse=True)
    table = np.bincount(which.ravel() * k + after, minlength=len(codes) * k).reshape(-1, k)
    own, own_state = np.tile(places.recalled, len(states) - 1), states[:-1].ravel()
    alone = np.bincount((own * k + own_state) * k + after, minlength=n_symbols * k * k).reshape(n_symbols, k, k)
    stay = np.arange(k)[None]
    starts = np.bincount(places.symbol * k + states[0], minlength=n_symbols * k).reshape(-1, k)
    common = np.bincount(states[0], minlength=k).argmax()
    output = (places.symbol * k + states).ravel()
    yes, of = (np.bincount(output, weights=w, minlength=n_symbols * k) for w in (positive.ravel(), None))
    state_yes, state_of = (x.reshape(-1, k).sum(axis=0) for x in (yes, of))
    positive_by = np.where(of > 0, 2 * yes > of, np.tile(2 * state_yes > state_of, n_symbols)).reshape(-1, k)
    return Machine(
        messages=messages,
        start=np.where(starts.any(axis=1), starts.argmax(axis=1), common),
        codes=codes,
        following=table.argmax(axis=1),
        seen=table.sum(axis=1),
        agree=table.max(axis=1),
        default=np.where(alone.any(axis=2), alone.argmax(axis=2), stay),
        positive=positive_by,
    )


def shuffled(machine: Machine, seed: int) -> Machine:
    """The same rules with their outcomes shuffled, defaults likewise: a control."""
    rng = np.random.default_rng(seed)
    default = rng.permutation(machine.default.ravel()).reshape(machine.default.shape)
    return replace(machine, following=rng.permutation(machine.following), default=default)


def without_symbols(places: Places) -> Places:
    """The same nodes, told apart by nothing after the first step: the start keeps the symbol, the rules do not."""
    return replace(places, recalled=np.zeros_like(places.symbol))
