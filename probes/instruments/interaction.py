"""Effective interaction: how much one state changes with each state before it, whatever the model is.

    W[s, j] = |d h[t, i] / d h[s, j]|        (Frobenius norm of a d x d block; i the answer's node and t = T by default)

One operator for attention, recurrence over tokens and anything else that has a step. Cotangents at node i are pulled
back step by step through one batch of copies of the instance, so that nothing but one step is ever held. Pulled back,
d directions give W for all sources at once; pushed forward, each of the n t sources would take d of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.tasks.paths import routes
from depthscope.probes.editing.language import node_of
from depthscope.probes.instruments.attention import auroc, rollout_from, weights_of
from depthscope.probes.maths.pullback import pulled_back, states_of
from depthscope.probes.measuring import controls, estimate
from depthscope.probes.measuring.results import Progress, refuse_over, steps_for
from depthscope.probes.reading.nodes import groups_of

EXACT = 4096
"""Up to so many nodes x width the derivative is taken in every direction of the state, above in random ones."""

DIRECTIONS = 32
"""Random directions where none are asked for."""

CELLS = 1 << 21
"""Bound on what one batch of copies holds at once, counted in nodes x width and in pairs of nodes x heads."""


@dataclass(frozen=True)
class Influence:
    """W of one instance.

    Attributes:
        value: (T+1, n) float64; row s says how much each state after s steps matters for node i's state after T steps.
        error: (T+1, n) relative standard error from the random directions, NaN where W is 0; 0 where exact.
    """

    value: np.ndarray
    error: np.ndarray

    def __post_init__(self) -> None:
        if self.error.shape != self.value.shape:
            raise ValueError(f"error has shape {self.error.shape}, but value has shape {self.value.shape}")


@dataclass(frozen=True)
class Figure:
    """One figure at every step s = 0..T-1, a mean over instances; every array is (T,), NaN where it is not defined.

    Attributes:
        title: What it is.
        value: Of the checkpoint's W.
        low: Lower end of its 95% interval, by bootstrap over groups of instances.
        high: Upper end.
        untrained: Of the W of an untrained network.
        excess_low: Lower end of the 95% interval of value less untrained, instance by instance.
        excess_high: Upper end.
        rollout: Of the checkpoint's rolled-out attention over the same steps; NaN without attention.
    """

    title: str
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    untrained: np.ndarray
    excess_low: np.ndarray
    excess_high: np.ndarray
    rollout: np.ndarray

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            if name != "title" and values.shape != self.value.shape:
                raise ValueError(f"{name} has shape {values.shape}, but value has shape {self.value.shape}")


@dataclass(frozen=True)
class InteractionScores:
    """Effective interaction and path of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of directions, untrained network and bootstrap.
        steps: Step whose state is taken the derivative of, T below.
        of: The node whose state that is, i: "the answer", or the one that is asked for.
        n: Instances with a path, or the one whose node is asked for.
        left_out: Instances without one.
        directions: Random directions behind each W; 0 where all are exact.
        error: Median relative standard error of W.
        mass: Share of W that lies on the nodes of the answer's path, node i left out; NaN where there is no path.
        auroc: Chance that a node on the path matters more than one off it, among those that can matter at all.
        agreement: (T,) rank correlation of W and rollout over those nodes; NaN without attention.
        agreement_low: Lower end of its 95% interval.
        agreement_high: Upper end.
        size: (T+1,) geometric mean of |W[s]| over all nodes together.
        beyond: States (s, j), s < T, too far from node i for the steps that are left; 0 for full attention.
        beyond_max: Largest W among them; anything but 0 means that the mask leaks.
        first: W of the first instance that is counted.
    """

    checkpoint: str
    sha256: str
    seed: int
    steps: int
    of: str
    n: int
    left_out: int
    directions: int
    error: float
    mass: Figure
    auroc: Figure
    agreement: np.ndarray
    agreement_low: np.ndarray
    agreement_high: np.ndarray
    size: np.ndarray
    beyond: int
    beyond_max: float
    first: Influence


TITLES = {"mass": "share of W on the path", "auroc": "AUROC of W, nodes on the path against off it"}


def unfit(checkpoint: Checkpoint) -> str | None:
    """None: every model has a step to differentiate."""
    del checkpoint
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    directions: int | None = None,
    node: str | None = None,
    at: int | None = None,
) -> InteractionScores:
    """Takes W of every instance that has a path, and scores it against the path.

    Args:
        checkpoint: What runs.
        instances: Of its task.
        steps: T; None takes what the instances need.
        seed: Of directions, untrained network and bootstrap.
        progress: Called with the instances done and in all; what it raises stops the work.
        directions: Random directions; 0 for all, None chooses by size.
        node: Node of a single instance whose state is taken the derivative of, by name or #number; None takes each
            instance's answer. With a node the instance needs no path.
        at: Step whose state it is, from 1 to T; None takes T.

    Raises:
        InputError: If no instance has a path, there is no such node or step, the checkpoint cannot read an instance, or
            it would take too much memory.

    Source:
        One linear operator for attention and state-space models: Ali et al. (2024), The hidden attention of Mamba
        models; random directions: Hutchinson (1990).
    """
    if directions is not None and directions < 0:
        raise InputError(f"directions should be 0 (all) or more (got {directions})")
    if node is not None and len(instances) != 1:
        raise InputError(f"a node is named in one instance, and there are {len(instances)}; give one as INPUT")
    task, config = tasks.get(checkpoint.config.task), checkpoint.config
    encodings = [task.encode(instance, config) for instance in instances]
    found = [routes(x, encoding, config) for x, encoding in zip(instances, encodings, strict=True)]
    ends = [encoding.answer if node is None else node_of(node, encoding.labels) for encoding in encodings]
    kept = [i for i, route in enumerate(found) if node is not None or (route.from_step != NEVER).any()]
    if not kept:
        raise InputError("no instance has a path from what is asked to the answer, so there is nothing to look for")
    steps = steps_for(checkpoint, [instances[i] for i in kept], steps)
    if at is not None and not 1 <= at <= steps:
        raise InputError(f"at should be a step from 1 to {steps} (got {at})")
    steps = steps if at is None else at  # what comes later does not change it
    for i in kept:
        _refuse(encodings[i], steps, checkpoint)
    plain = replace(checkpoint, model=controls.untrained(checkpoint, seed))
    rows: list[dict[str, np.ndarray]] = []
    beyond, leak, first, errors, used = 0, 0.0, None, [], 0
    for done, i in enumerate(kept, 1):
        encoding, end = encodings[i], ends[i]
        few = _directions(encoding, checkpoint, directions)
        own, other = (influence(x, encoding, steps, few, seed + i, end) for x in (checkpoint, plain))
        reach, path = reach_by_step(encoding, steps, end), found[i].nodes(encoding.n_nodes)
        far = ~reach[:-1]  # at T itself all but the node would be
        beyond, leak = beyond + int(far.sum()), max(leak, float(own.value[:-1][far].max(initial=0)))
        rolled = None
        if checkpoint.model.shapes.heads:
            weights = weights_of(trace.record(checkpoint, instances[i], steps), checkpoint)
            rolled = rollout_from(weights, end, encoding.n_nodes)
        rows.append(_row(own.value, other.value, rolled, path, reach, end))
        first, used = first or own, max(used, few)
        errors.append(own.error[np.isfinite(own.error)])
        if progress is not None:
            progress(done, len(kept))
    assert first is not None
    group = groups_of(instances)[kept]
    mean = lambda name: estimate.mean(np.stack([row[name] for row in rows], axis=-1), group, seed)  # noqa: E731
    figures = {
        name: Figure(
            title, *mean(name), mean(f"{name}.untrained").value, *mean(f"{name}.excess")[1:], mean(f"{name}.rollout")[0]
        )
        for name, title in TITLES.items()
    }
    return InteractionScores(
        checkpoint.name, checkpoint.sha256, seed, steps, node or "the answer", len(kept), len(instances) - len(kept),
        used, float(np.median(np.concatenate(errors))), figures["mass"], figures["auroc"], *mean("agreement"),
        10 ** mean("size").value, beyond, leak, first,
    )  # fmt: skip


def _directions(encoding: Encoding, checkpoint: Checkpoint, asked: int | None) -> int:
    """Random directions to take; 0 for all."""
    width = checkpoint.model.shapes.width
    few = (0 if encoding.n_nodes * width <= EXACT else DIRECTIONS) if asked is None else asked
    return 0 if few >= width else few


def _refuse(encoding: Encoding, steps: int, checkpoint: Checkpoint) -> None:
    n, shapes = encoding.n_nodes, checkpoint.model.shapes
    size = 4 * (steps * n * (shapes.width + 4) + 12 * n * (shapes.width + n * max(1, shapes.heads)))
    refuse_over(size, f"interaction over {n} nodes at {steps} steps", "run fewer steps or a smaller input")


@torch.no_grad()
def influence(
    checkpoint: Checkpoint,
    encoding: Encoding,
    steps: int,
    directions: int = 0,
    seed: int = 0,
    node: int | None = None,
) -> Influence:
    """W[s, j] of one instance, s = 0..T.

    Args:
        checkpoint: Any model with a step.
        encoding: The instance as it reads it.
        steps: T.
        directions: Random directions at the node; 0 takes every direction of the state, and W is exact.
        seed: Of the directions.
        node: Index of node i; None takes the answer's.
    """
    node = encoding.answer if node is None else node
    model, width, n = checkpoint.model, checkpoint.model.shapes.width, encoding.n_nodes
    device = next(model.parameters()).device
    alone = collate([encoding]).to(device)
    states = states_of(model, model.prepare(alone), steps)
    if directions:
        drawn = np.random.default_rng(seed).standard_normal((directions, width))
        start = torch.from_numpy(drawn).to(states[0])
    else:
        start = torch.eye(width, dtype=states[0].dtype, device=device)
    at_once = max(1, CELLS // (n * max(width, n * max(1, checkpoint.model.shapes.heads))))
    parts = [_pulled(model, encoding, states, part, node) for part in start.split(at_once)]
    squares = np.concatenate(parts, axis=1)  # (T+1, K, n)
    if not directions:
        return Influence(np.sqrt(squares.sum(1)), np.zeros((steps + 1, n)))
    value = squares.mean(1)
    error = squares.std(1, ddof=1) / np.sqrt(directions) if directions > 1 else np.full_like(value, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Influence(np.sqrt(value), np.where(value > 0, error / (2 * value), np.nan))


def _pulled(
    model: Any, encoding: Encoding, states: Sequence[torch.Tensor], start: torch.Tensor, node: int
) -> np.ndarray:
    """Squared size of cotangents at a node, pulled back to every step and node, (T+1, K, n) float64.

    Copies of the instance are independent of each other, so that one pull-back of the batch is K of them.
    """
    rows, n = len(start), encoding.n_nodes
    context = model.prepare(collate([encoding] * rows).to(start.device))
    cotangent = states[0].new_zeros((rows, n, start.shape[1]))
    cotangent[:, node] = start
    squares = np.zeros((len(states), rows, n))
    for s, pulled, scale in pulled_back(model, context, states, cotangent):
        squares[s] = (pulled.double().square().sum(-1) * torch.exp(2 * scale)[:, None]).cpu().numpy()
    return squares


def reach_by_step(encoding: Encoding, steps: int, node: int | None = None) -> np.ndarray:
    """Whether each state after s steps can reach a node's (None: the answer's) by T under the mask, (T+1, n) bool."""
    reach = np.zeros((steps + 1, encoding.n_nodes), dtype=bool)
    reach[steps, encoding.answer if node is None else node] = True
    for s in range(steps - 1, -1, -1):
        reach[s] = reach[s + 1]
        if encoding.edge_index is None:
            reach[s] = True
        else:
            query, key = encoding.edge_index
            reach[s, key[reach[s + 1, query]]] = True
    return reach


def _row(
    own: np.ndarray, other: np.ndarray, rolled: np.ndarray | None, path: np.ndarray, reach: np.ndarray, end: int
) -> dict[str, np.ndarray]:
    """The figures of one instance, (T,) each."""
    steps = len(own) - 1
    row = {"size": np.log10(np.sqrt((own**2).sum(1)).clip(1e-300))}
    for who, values in (("", own), (".untrained", other), (".rollout", rolled)):
        mass, area = np.full(steps, np.nan), np.full(steps, np.nan)
        for s in range(steps if values is not None and path.any() else 0):
            assert values is not None
            there = reach[s].copy()
            there[end] = False
            on, off = values[s][there & path], values[s][there & ~path]
            total = on.sum() + off.sum()
            mass[s] = on.sum() / total if total > 0 else np.nan
            area[s] = auroc(on, off)
        row |= {f"mass{who}": mass, f"auroc{who}": area}
    row |= {f"{name}.excess": row[name] - row[f"{name}.untrained"] for name in TITLES}
    row["agreement"] = np.full(steps, np.nan)
    for s in range(steps if rolled is not None else 0):
        assert rolled is not None
        there = reach[s].copy()
        there[end] = False
        if there.sum() > 2 and np.ptp(own[s][there]) > 0 and np.ptp(rolled[s][there]) > 0:
            row["agreement"][s] = np.corrcoef(rankdata(own[s][there]), rankdata(rolled[s][there]))[0, 1]
    return row


SHOWN = 8
"""Steps in the table; --json has them all."""


def table(result: InteractionScores) -> str:
    """The figures at some steps, with their controls."""
    exact = f"{result.directions} random directions, median error {result.error:.1%}" if result.directions else "exact"
    lines = [
        f"{result.checkpoint}: {result.n} instances ({result.left_out} without a path left out), {result.steps} steps",
        f"W of {result.of} after step {result.steps} is {exact}",
        f"states too far away to matter: {result.beyond}, largest W among them {result.beyond_max:g}",
    ]
    shown = np.unique(np.linspace(0, result.steps - 1, SHOWN).round().astype(int))
    for name in TITLES:
        figure: Figure = getattr(result, name)
        lines += ["", figure.title]
        lines.append(f"{'s':>4}{'value':>24}{'untrained':>11}{'less untrained':>20}{'rollout':>9}")
        for s in shown:
            value = f"{figure.value[s]:.3f} [{figure.low[s]:.3f}, {figure.high[s]:.3f}]"
            excess = f"[{figure.excess_low[s]:+.3f}, {figure.excess_high[s]:+.3f}]"
            lines.append(f"{s:4d}{value:>24}{figure.untrained[s]:11.3f}{excess:>20}{figure.rollout[s]:9.3f}")
    lines += ["", "rank correlation of W and rollout, and size of W", f"{'s':>4}{'correlation':>24}{'|W|':>12}"]
    for s in shown:
        value = f"{result.agreement[s]:.3f} [{result.agreement_low[s]:.3f}, {result.agreement_high[s]:.3f}]"
        lines.append(f"{s:4d}{value:>24}{result.size[s]:12.3g}")
    return "\n".join(lines)
