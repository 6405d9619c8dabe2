"""Attention: does it lie on the path that the answer has to come along? At every step and head, and rolled out.

Owns the figures and their controls; which links are on the path stands in `core.tasks.paths`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.stats import rankdata

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, SPARSE_ABOVE, Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks.paths import Routes, routes
from depthscope.core.trace import Trace
from depthscope.probes.measuring import controls, estimate
from depthscope.probes.measuring.results import Progress, refuse_over, steps_for
from depthscope.probes.reading.nodes import groups_of

RESIDUAL = 0.5
"""What a block without a gate is taken to keep of a state in the rollout (Abnar & Zuidema 2020)."""


@dataclass(frozen=True)
class Weights:
    """Attention of one run over the M pairs that the mask allows.

    Attributes:
        pairs: (2, M) pairs (query, key), sorted by query, then key.
        attention: (T, heads, M) each query's weights sum to 1.
        gate: (T, n) share of a state that an update replaces.
        seen: (heads, M) bool, the pairs whose key a head can choose for the query, at least one a query; None where
            every head chooses among all.
    """

    pairs: np.ndarray
    attention: np.ndarray
    gate: np.ndarray
    seen: np.ndarray | None = None

    def __post_init__(self) -> None:
        got, due = self.attention.shape, (len(self.gate), self.pairs.shape[1])
        if (got[0], got[2]) != due:
            raise ValueError(f"attention has shape {got}, but gate {self.gate.shape} and pairs {self.pairs.shape}")
        if self.seen is not None and self.seen.shape != got[1:]:
            raise ValueError(f"seen has shape {self.seen.shape}, but attention has shape {got}")


@dataclass(frozen=True)
class Figure:
    """One figure at every step 1..T and head, a mean over instances, with its controls; every array is (T, heads).

    Attributes:
        title: What it is.
        value: Of the checkpoint; NaN at steps where no instance has a path yet.
        low: Lower end of its 95% interval, by bootstrap over groups of instances.
        high: Upper end.
        uniform: The same of attention spread evenly over the keys that a head can see.
        permuted: Of the checkpoint's own weights, dealt out anew among the keys of each query that a head can see.
        untrained: Of an untrained network.
        excess: Value less that of uniform attention.
        excess_low: Lower end of its 95% interval, instance by instance.
        excess_high: Upper end.
    """

    title: str
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    uniform: np.ndarray
    permuted: np.ndarray
    untrained: np.ndarray
    excess: np.ndarray
    excess_low: np.ndarray
    excess_high: np.ndarray

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            if name != "title" and values.shape != self.value.shape:
                raise ValueError(f"{name} has shape {values.shape}, but value has shape {self.value.shape}")


@dataclass(frozen=True)
class AttentionScores:
    """Attention and path of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of permutations, untrained network and bootstrap.
        steps: T.
        n: Instances with a path.
        left_out: Instances without one.
        mass: Share of a path node's attention that goes along the path.
        auroc: Chance that a link on the path has more attention than one off it.
        rollout_mass: Share of the answer's rolled-out attention on the path's other nodes; one column.
        rollout_auroc: Chance that a node on the path has more of it than one off the path; one column.
    """

    checkpoint: str
    sha256: str
    seed: int
    steps: int
    n: int
    left_out: int
    mass: Figure
    auroc: Figure
    rollout_mass: Figure
    rollout_auroc: Figure


TITLES = {
    "mass": "mass on the path",
    "auroc": "AUROC, links on the path against off it",
    "rollout_mass": "rollout: the answer's mass on the path",
    "rollout_auroc": "rollout: AUROC, nodes on the path against off it",
}


def unfit(checkpoint: Checkpoint) -> str | None:
    """Why there is no attention to look at; None if there is."""
    return None if checkpoint.model.shapes.heads else "it has no attention; `interaction` asks the same of any model"


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> AttentionScores:
    """Scores attention against the path of every instance that has one.

    Args:
        checkpoint: What runs.
        instances: Of its task.
        steps: T; None takes what the instances need.
        seed: Of permutations, untrained network and bootstrap.
        progress: Called with the instances done and in all; what it raises stops the work.

    Raises:
        InputError: If no instance has a path, the checkpoint cannot read one, or it would take too much memory.

    Source:
        Rollout: Abnar & Zuidema (2020), Quantifying attention flow in transformers; here with the recorded mean gate
        in the place of their residual half.
    """
    task, config = tasks.get(checkpoint.config.task), checkpoint.config
    encodings = [task.encode(instance, config) for instance in instances]
    found = [routes(x, encoding, config) for x, encoding in zip(instances, encodings, strict=True)]
    kept = [i for i, route in enumerate(found) if (route.from_step != NEVER).any()]
    if not kept:
        raise InputError("no instance has a path from what is asked to the answer, so there is nothing to look for")
    steps = steps_for(checkpoint, [instances[i] for i in kept], steps)
    plain, rng = replace(checkpoint, model=controls.untrained(checkpoint, seed)), np.random.default_rng(seed)
    for i in kept:
        _refuse(encodings[i], steps, checkpoint.model.shapes.heads)
    by: dict[str, list[dict[str, np.ndarray]]] = {"own": [], "uniform": [], "permuted": [], "untrained": []}
    for done, i in enumerate(kept, 1):
        where = (found[i], encodings[i].answer, encodings[i].n_nodes)
        own = weights_of(trace.record(checkpoint, instances[i], steps), checkpoint)
        other = weights_of(trace.record(plain, instances[i], steps), plain)
        for who, weights in (
            ("own", own),
            ("uniform", uniform(own)),
            ("permuted", permuted(own, rng)),
            ("untrained", other),
        ):
            by[who].append(figures(weights, *where))
        if progress is not None:
            progress(done, len(kept))
    group = groups_of(instances)[kept]
    columns = {
        name: _figure(title, {who: np.stack([x[name] for x in rows]) for who, rows in by.items()}, group, seed)
        for name, title in TITLES.items()
    }
    return AttentionScores(
        checkpoint.name, checkpoint.sha256, seed, steps, len(kept), len(instances) - len(kept), **columns
    )


def _refuse(encoding: Encoding, steps: int, heads: int) -> None:
    n, edges = encoding.n_nodes, encoding.edge_index
    pairs = n * n if edges is None or n <= SPARSE_ABOVE else edges.shape[1]
    size = 8 * (3 * steps * heads * pairs + steps * n)
    refuse_over(size, f"attention over {pairs} pairs at {steps} steps", "run fewer steps or a smaller input")


def _figure(title: str, by: dict[str, np.ndarray], group: np.ndarray, seed: int) -> Figure:
    """Means over instances of (N, T, heads) each."""
    mean = lambda values: estimate.mean(np.moveaxis(values, 0, -1), group, seed)  # noqa: E731
    own, excess = mean(by["own"]), mean(by["own"] - by["uniform"])
    return Figure(
        title=title,
        value=own.value,
        low=own.low,
        high=own.high,
        uniform=mean(by["uniform"]).value,
        permuted=mean(by["permuted"]).value,
        untrained=mean(by["untrained"]).value,
        excess=excess.value,
        excess_low=excess.low,
        excess_high=excess.high,
    )


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
    seen = _sides(pairs[:, order], checkpoint.model.shapes.heads, run.n_nodes) if checkpoint.config.geometric else None
    return Weights(pairs[:, order], attention[:, :, order], gate, seen)


def _sides(pairs: np.ndarray, heads: int, n_nodes: int) -> np.ndarray:
    """The pairs that each head of geometric attention chooses among, (heads, M) bool: one side, itself where none is.

    The first half of the heads look to the left. Elsewhere a head is left with the query itself where nothing matches;
    that is no choice among keys.
    """
    query, key = pairs
    left = (key < query) | ((key == query) & (query == 0))
    right = (key > query) | ((key == query) & (query == n_nodes - 1))
    return np.repeat([left, right], heads // 2, axis=0)


def uniform(own: Weights) -> Weights:
    """Each query's attention spread evenly over the keys that a head can see; gates as they are."""
    seen = np.ones((1, own.pairs.shape[1]), dtype=bool) if own.seen is None else own.seen
    count = np.stack([np.bincount(own.pairs[0], weights=row) for row in seen])  # (heads, n)
    return replace(own, attention=np.broadcast_to(seen / count[:, own.pairs[0]], own.attention.shape))


def permuted(own: Weights, rng: np.random.Generator) -> Weights:
    """Each query's own weights, dealt out anew among the keys that a head can see, at every step on its own.

    What a head gives to others (to the query itself, where nothing matches) stays there.
    """
    coins, dealt = rng.random(own.attention.shape), own.attention.copy()
    for head in range(dealt.shape[1]):
        there = np.arange(dealt.shape[2]) if own.seen is None else np.flatnonzero(own.seen[head])
        mine = coins[:, head, there]
        order = np.lexsort((mine, np.broadcast_to(own.pairs[0, there], mine.shape)), axis=-1)  # within each query
        dealt[:, head, there] = np.take_along_axis(own.attention[:, head, there], order, axis=-1)
    return replace(own, attention=dealt)


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


def table(result: AttentionScores) -> str:
    """The best head at some steps, beside uniform attention and the best heads of the other controls."""
    head = f"{result.checkpoint}: {result.n} instances with a path ({result.left_out} without), {result.steps} steps"
    return "\n\n".join([head, *(_block(getattr(result, name)) for name in TITLES)])


SHOWN = 8
"""Steps in the table; --json has them all."""


def _block(figure: Figure) -> str:
    heads = figure.value.shape[1]
    lines = [figure.title]
    lines.append(f"{'step':>6}{'head':>6}{'value':>24}{'uniform':>9}{'permuted':>10}{'untrained':>11}{'excess':>20}")
    for t in np.unique(np.linspace(0, len(figure.value) - 1, SHOWN).round().astype(int)):
        if np.isnan(figure.value[t]).all():
            continue
        h = int(np.nanargmax(figure.value[t]))
        value, low, high = (getattr(figure, name)[t, h] for name in ("value", "low", "high"))
        permuted, untrained = np.nanmax(figure.permuted[t]), np.nanmax(figure.untrained[t])  # their best heads, too
        line = f"{t + 1:6d}{str(h) if heads > 1 else 'mean':>6}{f'{value:.3f} [{low:.3f}, {high:.3f}]':>24}"
        line += f"{figure.uniform[t, h]:9.3f}{permuted:10.3f}{untrained:11.3f}"
        lines.append(line + f"{f'[{figure.excess_low[t, h]:+.3f}, {figure.excess_high[t, h]:+.3f}]':>20}")
    return "\n".join(lines)
