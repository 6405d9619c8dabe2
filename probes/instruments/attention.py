"""Attention: does it lie on the path that the answer has to come along? At every step and head, and rolled out.

Owns the figures and their controls; which links are on the path stands in `core.tasks.paths`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.stats import rankdata

from depthscope.core import trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, SPARSE_ABOVE
from depthscope.core.errors import InputError
from depthscope.core.tasks.paths import Routes
from depthscope.core.trace import Trace
from depthscope.probes.instrument import Bench, instrument
from depthscope.probes.measuring import results
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

RESIDUAL = 0.5
"""What a block without a gate is taken to keep of a state in the rollout (Abnar & Zuidema 2020)."""

SHOWN = 8
"""Steps in the table; --json has them all."""


@dataclass(frozen=True)
class Weights:
    """Attention of one run over the M pairs that the mask allows.

    Attributes:
        pairs: (2, M) pairs (query, key), sorted by query, then key.
        attention: (T, heads, M) each query's weights sum to 1.
        gate: (T, n) share of a state that an update replaces.
        visible: (heads, M) bool, the pairs whose key a head can choose for the query, at least one a query; None where
            every head chooses among all.
    """

    pairs: np.ndarray
    attention: np.ndarray
    gate: np.ndarray
    visible: np.ndarray | None = None

    def __post_init__(self) -> None:
        steps, heads, pairs = self.attention.shape
        if (steps, pairs) != (len(self.gate), self.pairs.shape[1]):
            raise ValueError(
                f"attention has shape {self.attention.shape}, but gate {self.gate.shape} and pairs {self.pairs.shape}"
            )
        if self.visible is not None and self.visible.shape != (heads, pairs):
            raise ValueError(f"visible has shape {self.visible.shape}, but attention {self.attention.shape}")


@dataclass(frozen=True)
class Figure:
    """One figure at every step 1..T and head, (T, heads), a mean over instances, with its controls.

    Attributes:
        title: What it is.
        trained: Of the checkpoint; NaN at steps where no instance has a path yet.
        excess: `trained` less `uniform`, instance by instance.
        uniform: The same of attention spread evenly over the keys that a head can see.
        permuted: Of the checkpoint's own weights, in a random order among the keys of each query that a head can see.
        untrained: Of an untrained network.
    """

    title: str
    trained: Estimate
    excess: Estimate
    uniform: np.ndarray
    permuted: np.ndarray
    untrained: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.trained.shape, "excess", "uniform", "permuted", "untrained")

    def block(self) -> str:
        """The best head at some steps, beside uniform attention and the best heads of the other controls."""
        heads = self.trained.shape[1]
        lines = [self.title]
        lines.append(
            f"{'step':>6}{'head':>6}{'value':>24}{'uniform':>9}{'permuted':>10}{'untrained':>11}{'excess':>25}"
        )
        for t in results.shown(len(self.trained) - 1, SHOWN):
            values = self.trained.value[t]
            if np.isnan(values).all():
                continue
            h = int(np.nanargmax(values))
            controls = (
                f"{self.uniform[t, h]:9.3f}{np.nanmax(self.permuted[t]):10.3f}{np.nanmax(self.untrained[t]):11.3f}"
            )
            name, value, excess = str(h) if heads > 1 else "mean", f"{self.trained[t, h]}", f"{self.excess[t, h]:+.3f}"
            lines.append(f"{t + 1:6d}{name:>6}{value:>24}{controls}{excess:>25}")
        return "\n".join(lines)


@dataclass(frozen=True)
class AttentionScores(Result):
    """Attention and path of one checkpoint.

    Attributes:
        n: Instances with a path.
        left_out: Instances without one.
        mass: Share of a path node's attention that goes along the path.
        auroc: Chance that a link on the path has more attention than one off it.
        rollout_mass: Share of the answer's rolled-out attention on the path's other nodes; one column.
        rollout_auroc: Chance that a node on the path has more of it than one off the path; one column.
    """

    n: int
    left_out: int
    mass: Figure
    auroc: Figure
    rollout_mass: Figure
    rollout_auroc: Figure

    def table(self) -> str:
        """Each figure at some steps."""
        head = f"{self.checkpoint}: {self.n} instances with a path ({self.left_out} without), {self.steps} steps"
        return "\n\n".join([head, *(getattr(self, name).block() for name in TITLES)])


TITLES = {
    "mass": "mass on the path",
    "auroc": "AUROC, links on the path against off it",
    "rollout_mass": "rollout: the answer's mass on the path",
    "rollout_auroc": "rollout: AUROC, nodes on the path against off it",
}


def unfit(checkpoint: Checkpoint) -> str | None:
    """Why there is no attention to look at; None if there is."""
    return None if checkpoint.model.shapes.heads else "it has no attention; `interaction` asks the same of any model"


def with_a_path(bench: Bench) -> tuple[Bench, list[int]]:
    """The bench on the instances whose answer has a path, and which these are.

    Raises:
        InputError: If none has one.
    """
    index = [i for i, route in enumerate(bench.routes) if (route.from_step != NEVER).any()]
    if not index:
        raise InputError("no instance has a path from what is asked to the answer, so there is nothing to look for")
    return bench.among(index), index


@instrument(
    "whether attention lies on the path to the answer, at every step and head and rolled out",
    unfit=unfit,
    instances=40,
)
def measure(bench: Bench, options: object) -> AttentionScores:
    """Scores attention against the path of every instance that has one.

    Source:
        Rollout: Abnar & Zuidema (2020), Quantifying attention flow in transformers; here with the recorded mean gate
        in the place of their residual half.
    """
    del options
    n, (bench, _) = len(bench.instances), with_a_path(bench)
    for encoding in bench.encodings:
        nodes, edges = encoding.n_nodes, encoding.edge_index
        pairs = nodes * nodes if edges is None or nodes <= SPARSE_ABOVE else edges.shape[1]
        size = 8 * (3 * bench.steps * bench.model.shapes.heads * pairs + bench.steps * nodes)
        what = f"attention over {pairs} pairs at {bench.steps} steps"
        bench.reserve(size, what, "run fewer steps or a smaller input")
    bench.expect(len(bench.instances))
    rng = bench.rng("permuted")
    scores: dict[str, list[dict[str, np.ndarray]]] = {}
    for instance, encoding, route in zip(bench.instances, bench.encodings, bench.routes, strict=True):
        trained, untrained = (
            weights_of(trace.record(side, instance, bench.steps), side) for side in (bench.checkpoint, bench.blank)
        )
        arms = {"trained": trained, "uniform": uniform(trained), "permuted": permuted(trained, rng)}
        for name, weights in (arms | {"untrained": untrained}).items():
            scores.setdefault(name, []).append(figures(weights, route, encoding.answer, encoding.n_nodes))
        bench.tick()
    columns: dict[str, Any] = {name: _figure(bench, name, scores) for name in TITLES}
    return AttentionScores(**bench.header, n=len(bench.instances), left_out=n - len(bench.instances), **columns)


def _figure(bench: Bench, name: str, scores: Mapping[str, Sequence[dict[str, np.ndarray]]]) -> Figure:
    arms = {arm: np.stack([row[name] for row in rows], axis=-1) for arm, rows in scores.items()}  # (T, heads, N)
    uniform, permuted, untrained = (bench.mean(arms[arm]).value for arm in ("uniform", "permuted", "untrained"))
    excess = bench.mean(arms["trained"] - arms["uniform"])
    return Figure(TITLES[name], bench.mean(arms["trained"]), excess, uniform, permuted, untrained)


def weights_of(run: Trace, checkpoint: Checkpoint) -> Weights:
    """Attention of a trace over the pairs that its mask allows."""
    attention, edges = run.attention, run.encoding.edge_index
    assert attention is not None
    if run.edge_index is not None:
        pairs = run.edge_index
    else:
        n = run.n_nodes
        pairs = np.stack(np.divmod(np.arange(n * n), n)) if edges is None else edges
        attention = attention[:, :, pairs[0], pairs[1]]
    order = np.lexsort((pairs[1], pairs[0]))
    gate = np.ones((run.steps, run.n_nodes)) if run.gate is None else run.gate.astype(np.float64)
    if checkpoint.config.gate_bias is None:  # the step adds to the state; a gate then only says who still runs
        gate = gate * RESIDUAL
    visible = (
        _sides(pairs[:, order], checkpoint.model.shapes.heads, run.n_nodes) if checkpoint.config.geometric else None
    )
    return Weights(pairs[:, order], attention[:, :, order], gate, visible)


def _sides(pairs: np.ndarray, heads: int, n_nodes: int) -> np.ndarray:
    """The pairs that each head of geometric attention chooses among, (heads, M) bool: one side, itself where none is.

    The first half of the heads look to the left. Elsewhere a head is left with the query itself where nothing matches;
    that is no choice among keys.
    """
    query, key = pairs
    left = (key < query) | ((key == query) & (query == 0))
    right = (key > query) | ((key == query) & (query == n_nodes - 1))
    return np.repeat([left, right], heads // 2, axis=0)


def uniform(weights: Weights) -> Weights:
    """Each query's attention spread evenly over the keys that a head can see; gates as they are."""
    query, visible = weights.pairs[0], weights.visible
    visible = np.ones((1, len(query)), dtype=bool) if visible is None else visible
    count = np.stack([np.bincount(query, weights=row) for row in visible])  # (heads, n)
    return replace(weights, attention=np.broadcast_to(visible / count[:, query], weights.attention.shape))


def permuted(weights: Weights, rng: np.random.Generator) -> Weights:
    """Each query's own weights in a random order among the keys that a head can see, at every step on its own.

    What a head gives to others (to the query itself, where nothing matches) stays there.
    """
    coins, mixed, visible = rng.random(weights.attention.shape), weights.attention.copy(), weights.visible
    for head in range(mixed.shape[1]):
        there = np.arange(mixed.shape[2]) if visible is None else np.flatnonzero(visible[head])
        coin = coins[:, head, there]
        order = np.lexsort((coin, np.broadcast_to(weights.pairs[0, there], coin.shape)), axis=-1)  # within each query
        mixed[:, head, there] = np.take_along_axis(weights.attention[:, head, there], order, axis=-1)
    return replace(weights, attention=mixed)


def figures(weights: Weights, route: Routes, answer: int, n_nodes: int) -> dict[str, np.ndarray]:
    """Mass and AUROC of one run, (T, heads) each, and of its rollout, (T, 1) each; NaN where they are not defined."""
    steps, heads, _ = weights.attention.shape
    code = weights.pairs[0] * n_nodes + weights.pairs[1]
    wanted = route.pairs[0] * n_nodes + route.pairs[1]
    allowed = np.isin(wanted, code)  # the mask may have no place for a link of the task
    route = replace(route, pairs=route.pairs[:, allowed], from_step=route.from_step[allowed])
    link = np.searchsorted(code, wanted[allowed])
    mass, area = np.full((steps, heads), np.nan), np.full((steps, heads), np.nan)
    off = route.from_step == NEVER
    for t in range(1, steps + 1):
        on = route.from_step <= t
        if on.any():
            at = weights.attention[t - 1][:, link]  # (heads, P)
            mass[t - 1] = at[:, on].sum(1) / len(np.unique(route.pairs[0][on]))
            area[t - 1] = auroc(at[:, on], at[:, off])
    rolled, path = rollout(weights, answer, n_nodes), route.nodes(n_nodes)
    path[answer], other = False, ~path
    other[answer] = False
    reach = mask_reach(weights.pairs, answer, n_nodes)
    return {
        "mass": mass,
        "auroc": area,
        "rollout_mass": rolled[:, path].sum(1, keepdims=True),
        "rollout_auroc": auroc(rolled[:, path], rolled[:, other & reach])[:, None],
    }


def rollout(weights: Weights, answer: int, n_nodes: int) -> np.ndarray:
    """What the answer's state after t steps is made of, (T, n): row `answer` of prod (I - z) + z A, mean over heads.

    Row t - 1 is that of t steps; it sums to 1.
    """
    steps = len(weights.attention)
    rolled, mean = np.zeros((steps, n_nodes)), weights.attention.mean(1)
    rolled[:, answer] = 1
    for t in range(steps - 1, -1, -1):  # a run of t + 1 steps begins with its last
        rolled[t:] = rolled[t:] @ _step_matrix(weights, mean, t, n_nodes)
    return rolled


def rollout_from(weights: Weights, answer: int, n_nodes: int) -> np.ndarray:
    """What the answer's last state is made of the states after s steps, (T+1, n), s = 0..T; each row sums to 1."""
    steps, mean = len(weights.attention), weights.attention.mean(1)
    rolled = np.zeros((steps + 1, n_nodes))
    rolled[steps, answer] = 1
    for t in range(steps - 1, -1, -1):
        rolled[t] = rolled[t + 1] @ _step_matrix(weights, mean, t, n_nodes)
    return rolled


def _step_matrix(weights: Weights, mean: np.ndarray, t: int, n_nodes: int) -> csr_array:
    """(I - z) + z A of one step, A the mean over heads."""
    z = weights.gate[t]
    spread = csr_array((z[weights.pairs[0]] * mean[t], tuple(weights.pairs)), shape=(n_nodes, n_nodes))
    return spread + diags_array(1 - z)


def mask_reach(pairs: np.ndarray, answer: int, n_nodes: int) -> np.ndarray:
    """Whether a node can influence the answer at all under the mask, (n,) bool."""
    reach = np.zeros(n_nodes, dtype=bool)
    reach[answer] = True
    while True:
        further = reach.copy()
        further[pairs[1][reach[pairs[0]]]] = True
        if (further == reach).all():
            return reach
        reach = further


def auroc(on: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Chance that one of the first is above one of the second, ties half, (..., P) and (..., Q) -> (...)."""
    p, q = on.shape[-1], off.shape[-1]
    if not p or not q:
        return np.full(on.shape[:-1], np.nan)
    rank = rankdata(np.concatenate([on, off], axis=-1), axis=-1)[..., :p].sum(-1)
    return (rank - p * (p + 1) / 2) / (p * q)
