"""Effective interaction: how much one state changes with each state before it, whatever the model is.

    W[s, j] = |d h[t, i] / d h[s, j]|        (Frobenius norm of a d x d block; i the answer's node and t = T by default)

One operator for attention, recurrence over tokens and anything else that has a step. Cotangents at node i are pulled
back step by step through one batch of copies of the instance, so that nothing but one step is ever held. Pulled back,
d directions give W for all sources at once; pushed forward, each of the n t sources would take d of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

from depthscope.core import trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding, collate
from depthscope.core.errors import InputError
from depthscope.probes.editing.language import node_of
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.instruments.attention import auroc, rollout_from, weights_of, with_a_path
from depthscope.probes.maths.pullback import pulled_back, states_of
from depthscope.probes.measuring import results
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

SHOWN = 8
"""Steps in the table; --json has them all."""

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
        check_shapes(self, self.value.shape, "error")


@dataclass(frozen=True)
class Figure:
    """One figure at every step s = 0..T-1, (T,), a mean over instances; NaN where it is not defined.

    Attributes:
        title: What it is.
        trained: Of the checkpoint's W.
        excess: `trained` less `untrained`, instance by instance.
        untrained: Of the W of an untrained network.
        rollout: Of the checkpoint's rolled-out attention over the same steps; NaN without attention.
    """

    title: str
    trained: Estimate
    excess: Estimate
    untrained: np.ndarray
    rollout: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.trained.shape, "excess", "untrained", "rollout")


@dataclass(frozen=True)
class InteractionScores(Result):
    """Effective interaction and path of one checkpoint; `steps` is the step whose state is taken the derivative of.

    Attributes:
        of: The node whose state that is, i: "the answer", or the one that was named.
        n: Instances with a path, or the one whose node was named.
        left_out: Instances without one.
        directions: Random directions behind each W; 0 where all are exact.
        error: Median relative standard error of W.
        mass: Share of W that lies on the nodes of the answer's path, node i left out; NaN where there is no path.
        auroc: Chance that a node on the path matters more than one off it, among those that can matter at all.
        agreement: (T,) rank correlation of W and rollout over those nodes; NaN without attention.
        size: (T+1,) geometric mean of |W[s]| over all nodes together.
        beyond: States (s, j), s < T, too far from node i for the steps that are left; 0 for full attention.
        beyond_max: Largest W among them; anything but 0 means that the mask leaks.
        first: W of the first instance that is counted.
    """

    of: str
    n: int
    left_out: int
    directions: int
    error: float
    mass: Figure
    auroc: Figure
    agreement: Estimate
    size: np.ndarray
    beyond: int
    beyond_max: float
    first: Influence

    def table(self) -> str:
        """The figures at some steps, with their controls."""
        exact = f"{self.directions} random directions, median error {self.error:.1%}" if self.directions else "exact"
        lines = [
            f"{self.checkpoint}: {self.n} instances ({self.left_out} without a path left out), {self.steps} steps",
            f"W of {self.of} after step {self.steps} is {exact}",
            f"states too far away to matter: {self.beyond}, largest W among them {self.beyond_max:g}",
        ]
        shown = results.shown(self.steps - 1, SHOWN)
        for figure in (self.mass, self.auroc):
            lines += ["", figure.title]
            lines.append(f"{'s':>4}{'value':>24}{'untrained':>11}{'less untrained':>25}{'rollout':>9}")
            for s in shown:
                excess, controls = f"{figure.excess[s]:+.3f}", (figure.untrained[s], figure.rollout[s])
                lines.append(f"{s:4d}{f'{figure.trained[s]}':>24}{controls[0]:11.3f}{excess:>25}{controls[1]:9.3f}")
        lines += ["", "rank correlation of W and rollout, and size of W", f"{'s':>4}{'correlation':>24}{'|W|':>12}"]
        return "\n".join([*lines, *(f"{s:4d}{f'{self.agreement[s]}':>24}{self.size[s]:12.3g}" for s in shown)])


TITLES = {"mass": "share of W on the path", "auroc": "AUROC of W, nodes on the path against off it"}


@dataclass(frozen=True)
class Options:
    """Of the command."""

    directions: int | None = option(None, "random ones; 0 for all (default: by size)", type=int, metavar="K")
    node: str | None = option(None, "of INPUT, that is influenced (default: the answer's)", metavar="NAME")
    at: int | None = option(None, "at which it is influenced (default: the last)", type=int, metavar="STEP")


@instrument(
    "how much the answer, or one state, changes with each state before it, attention or not",
    options=Options,
    instances=8,
)
def measure(bench: Bench, options: Options) -> InteractionScores:
    """Takes W of every instance that has a path, and scores it against the path.

    Source:
        One linear operator for attention and state-space models: Ali et al. (2024), The hidden attention of Mamba
        models; random directions: Hutchinson (1990).
    """
    n, bench, nodes = len(bench.instances), *_subjects(bench, options)
    for encoding in bench.encodings:
        size, shapes = encoding.n_nodes, bench.model.shapes
        rows = bench.steps * size * (shapes.width + 4) + 12 * size * (shapes.width + size * max(1, shapes.heads))
        bench.reserve(
            4 * rows, f"interaction over {size} nodes at {bench.steps} steps", "run fewer steps or a smaller input"
        )
    bench.expect(len(bench.instances))
    rows, beyond, leak, first, errors, used = [], 0, 0.0, None, [], 0
    for k, (instance, encoding, route) in enumerate(zip(bench.instances, bench.encodings, bench.routes, strict=True)):
        index, node = nodes[k]
        few = _directions(encoding, bench.checkpoint, options.directions)
        trained, untrained = (
            influence(side, encoding, bench.steps, few, bench.seed + index, node)
            for side in (bench.checkpoint, bench.blank)
        )
        reach, path = reach_by_step(encoding, bench.steps, node), route.nodes(encoding.n_nodes)
        far = ~reach[:-1]  # at T itself all but the node would be
        beyond, leak = beyond + int(far.sum()), max(leak, float(trained.value[:-1][far].max(initial=0)))
        rolled = None
        if bench.model.shapes.heads:
            weights = weights_of(trace.record(bench.checkpoint, instance, bench.steps), bench.checkpoint)
            rolled = rollout_from(weights, node, encoding.n_nodes)
        rows.append(_row(trained.value, untrained.value, rolled, path, reach, node))
        first, used = first or trained, max(used, few)
        errors.append(trained.error[np.isfinite(trained.error)])
        bench.tick()
    assert first is not None
    mean = lambda name: bench.mean(np.stack([row[name] for row in rows], axis=-1))  # noqa: E731
    mass, auroc = (
        Figure(
            title, mean(name), mean(f"{name}.excess"), mean(f"{name}.untrained").value, mean(f"{name}.rollout").value
        )
        for name, title in TITLES.items()
    )
    return InteractionScores(
        **bench.header,
        of=options.node or "the answer",
        n=len(bench.instances),
        left_out=n - len(bench.instances),
        directions=used,
        error=float(np.median(np.concatenate(errors))),
        mass=mass,
        auroc=auroc,
        agreement=mean("agreement"),
        size=10 ** mean("size").value,
        beyond=beyond,
        beyond_max=leak,
        first=first,
    )


def _subjects(bench: Bench, options: Options) -> tuple[Bench, list[tuple[int, int]]]:
    """The bench on the instances that count, up to the step that is influenced; the index and node i of each.

    Raises:
        InputError: If no instance has a path, there is no such node or step, or directions are negative.
    """
    if options.directions is not None and options.directions < 0:
        raise InputError(f"directions should be 0 (all) or more (got {options.directions})")
    if options.node is not None and len(bench.instances) != 1:
        raise InputError(f"a node is named in one instance, and there are {len(bench.instances)}; give one as INPUT")
    if options.node is not None:
        some, nodes = bench, [(0, node_of(options.node, bench.encodings[0].labels))]
    else:
        some, index = with_a_path(bench)
        nodes = [(i, bench.encodings[i].answer) for i in index]
    if options.at is not None and not 1 <= options.at <= some.steps:
        raise InputError(f"at should be a step from 1 to {some.steps} (got {options.at})")
    return some.with_steps(options.at or some.steps), nodes  # what comes later does not change it


def _directions(encoding: Encoding, checkpoint: Checkpoint, requested: int | None) -> int:
    """Random directions to take; 0 for all."""
    width = checkpoint.model.shapes.width
    few = (0 if encoding.n_nodes * width <= EXACT else DIRECTIONS) if requested is None else requested
    return 0 if few >= width else few


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
    trained: np.ndarray,
    untrained: np.ndarray,
    rolled: np.ndarray | None,
    path: np.ndarray,
    reach: np.ndarray,
    node: int,
) -> dict[str, np.ndarray]:
    """The figures of one instance, (T,) each; `size` is (T+1,)."""
    steps = len(trained) - 1
    there = reach.copy()
    there[:, node] = False
    row = {"size": np.log10(np.sqrt((trained**2).sum(1)).clip(1e-300))}
    for arm, values in (("", trained), (".untrained", untrained), (".rollout", rolled)):
        mass, area = np.full(steps, np.nan), np.full(steps, np.nan)
        for s in range(steps if values is not None and path.any() else 0):
            assert values is not None
            on, off = values[s][there[s] & path], values[s][there[s] & ~path]
            total = on.sum() + off.sum()
            mass[s] = on.sum() / total if total > 0 else np.nan
            area[s] = auroc(on, off)
        row |= {f"mass{arm}": mass, f"auroc{arm}": area}
    row |= {f"{name}.excess": row[name] - row[f"{name}.untrained"] for name in TITLES}
    row["agreement"] = np.full(steps, np.nan)
    for s in range(steps if rolled is not None else 0):
        assert rolled is not None
        one, other = trained[s][there[s]], rolled[s][there[s]]
        if len(one) > 2 and np.ptp(one) > 0 and np.ptp(other) > 0:
            row["agreement"][s] = np.corrcoef(rankdata(one), rankdata(other))[0, 1]
    return row
