"""PCA: in how few directions do the states move, is it the same few at every step, and do new instances lie in them?

The bases themselves are `probes.maths.pca`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthscope.core.errors import InputError
from depthscope.probes.instrument import Bench, instrument
from depthscope.probes.maths.pca import COMPONENTS, Basis, basis, first
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result, shown
from depthscope.probes.measuring.shapes import check_shapes
from depthscope.probes.reading import nodes as sample
from depthscope.probes.reading.nodes import Rows

FLAT = 1e-6
"""A step whose states spread less than this share of all states' spread has no directions of its own."""

SUBSPACES = 200
"""Pairs of random subspaces, between which angles are taken for comparison."""


@dataclass(frozen=True)
class Components:
    """Principal components of one model; arrays (T+1,) are by step.

    Attributes:
        share: (k,) variance that each component of the shared basis explains where it was fitted.
        held_out: (3,) the same of instances that it was not fitted to.
        by_step: (T+1,) share of the first three together, of the held-out states of each step about the shared mean.
        dimension: Participation ratio of the shared basis, (sum of variances)^2 / sum of their squares.
        step_dimension: (T+1,) the same of the basis of each step.
        angle: (T+1, 3) principal angles in degrees between each step's own three directions and the last step's, the
            smallest first; NaN where a step has fewer directions.
        ceiling: (T+1, 3) between those of two halves of the instances, at the same step.
        random: (3,) mean angles between random subspaces of as many dimensions.
    """

    share: np.ndarray
    held_out: Estimate
    by_step: np.ndarray
    dimension: float
    step_dimension: np.ndarray
    angle: np.ndarray
    ceiling: np.ndarray
    random: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, (len(self.by_step), COMPONENTS), "angle", "ceiling")


@dataclass(frozen=True)
class Pca(Result):
    """Principal components of one checkpoint.

    Attributes:
        n: Instances.
        n_fit: Instances that the bases are fitted to.
        nodes: Nodes of all instances.
        trained: Of the checkpoint.
        untrained: Of an untrained model on the same instances.
        permuted: (3,) shares where every coordinate of the checkpoint's states is shuffled over nodes and steps: what
            unequal spread of the coordinates explains without any direction of its own.
    """

    n: int
    n_fit: int
    nodes: int
    trained: Components
    untrained: Components
    permuted: np.ndarray

    def table(self) -> str:
        """Shares of the shared basis, then shares, dimensions and angles by step."""
        lines = [
            f"{self.checkpoint}: {self.nodes} nodes of {self.n} instances, {self.steps} steps; bases fitted to "
            f"{self.n_fit} of the instances",
            f"  {'model':<10} {'fitted':>9} {'held out, first three together':>32}  dimension",
        ]
        for name, one in (("trained", self.trained), ("untrained", self.untrained)):
            each = " ".join(f"{x:.3f}" for x in one.held_out.value)
            lines.append(
                f"  {name:<10} {one.share[:COMPONENTS].sum():9.3f} {each:>23} = {one.held_out.value.sum():.3f}"
                f"  {one.dimension:9.2f}"
            )
        lines += [
            f"  {'permuted':<10} {self.permuted.sum():9.3f}",
            "\nby step: share in the shared basis; own dimension; angles with the last step's own directions (°)",
            f"  step  share untrained dimension {'angles':>14} {'two halves':>14} {'untrained':>14}",
        ]
        a, b = self.trained, self.untrained
        for t in shown(self.steps):
            angles = " ".join(f"{_three(x):>14}" for x in (a.angle[t], a.ceiling[t], b.angle[t]))
            lines.append(f"  {t:4d} {a.by_step[t]:6.3f} {b.by_step[t]:9.3f} {a.step_dimension[t]:9.2f} {angles}")
        lines.append(f"  random subspaces: {_three(a.random)}")
        return "\n".join(lines)


@instrument(
    "in how few directions the states move, and whether those are the same at every step and for new instances",
    instances=40,
)
def measure(bench: Bench, options: object) -> Pca:
    """Fits principal components to some instances and looks how much of the others' spread they explain.

    Source:
        Pearson (1901); Bjorck and Golub (1973), Numerical methods for computing angles between linear subspaces.
    """
    bench = bench.for_all()
    places = Rows.every(bench.encodings)
    nodes, instance = len(places.node), places.instance
    bench.reserve(
        24.0 * (bench.steps + 1) * nodes * bench.model.shapes.width,
        f"the states of {nodes} nodes over {bench.steps} steps",
    )
    if len(np.unique(bench.group)) < 2:
        raise InputError("a basis is tried on instances that it was not fitted to: give two that are no twins, or more")
    held_out = sample.split(bench.rng("split"), bench.group)
    each = bench.runs() + 3 * (bench.steps + 1)
    count = bench.expect(2 * each)
    results, permuted = [], np.empty(COMPONENTS)
    for model in (bench.model, bench.untrained):
        hidden = sample.states(model, places, bench.steps, bench.tick)
        if not results:
            flat = hidden.reshape(-1, hidden.shape[-1])
            permuted = first(basis(bench.rng("coordinates").permuted(flat, axis=0)).share)
        results.append(components(bench, hidden, bench.group[instance], held_out[instance]))
        count.upto(len(results) * each)
    return Pca(
        **bench.header, n=len(bench.instances), n_fit=int((~held_out).sum()), nodes=nodes,
        trained=results[0], untrained=results[1], permuted=permuted,
    )  # fmt: skip


def components(bench: Bench, hidden: np.ndarray, group: np.ndarray, held_out: np.ndarray) -> Components:
    """Components of states (T+1, N, d), fitted to the nodes that are not held out, (N,) bool; `group` is (N,).

    Ticks after each of the 3 (T+1) bases of single steps.
    """
    rows, _, width = hidden.shape
    shared = basis(hidden[:, ~held_out].reshape(-1, width))
    spread = float(((hidden[:, ~held_out] - shared.mean) ** 2).sum(-1).mean())
    halves = sample.split(bench.rng("halves"), group, 0.5)
    bases: list[list[Basis]] = []
    for part in (~held_out, halves, ~halves):
        bases.append([])
        for h in hidden:
            bases[-1].append(basis(h[part]))
            bench.tick()
    fitted, one, other = bases
    alive = [float(h[~held_out].var(axis=0).sum()) > FLAT * spread for h in hidden]
    rng = bench.rng("subspaces")
    chance = [_angles(*(rng.standard_normal((COMPONENTS, width)) for _ in range(2))) for _ in range(SUBSPACES)]
    nothing = np.full(COMPONENTS, np.nan)
    return Components(
        share=shared.share,
        held_out=_explained(bench, shared, hidden[:, held_out], group[held_out]),
        by_step=np.array([shared.explained(h[held_out]).sum() for h in hidden]),
        dimension=_dimension(shared),
        step_dimension=np.array([_dimension(fitted[t]) if alive[t] else np.nan for t in range(rows)]),
        angle=np.array([_between(fitted[t], fitted[-1]) if alive[t] and alive[-1] else nothing for t in range(rows)]),
        ceiling=np.array([_between(one[t], other[t]) if alive[t] else nothing for t in range(rows)]),
        random=np.mean(chance, axis=0) if width >= COMPONENTS else nothing,
    )


def _explained(bench: Bench, shared: Basis, hidden: np.ndarray, group: np.ndarray) -> Estimate:
    """Shares of the first components, (3,), in states (T+1, M, d)."""
    moved = hidden.astype(np.float64) - shared.mean
    along, axes = np.zeros((COMPONENTS, len(group))), shared.axes[:COMPONENTS]
    along[: len(axes)] = ((moved @ axes.T) ** 2).sum(axis=0).T
    return Estimate.ratio(along, (moved**2).sum(axis=(0, 2)), group, bench.rng("bootstrap"))


def _dimension(of: Basis) -> float:
    """Participation ratio: k for k equal variances, 1 for a line."""
    return float(1 / max(float((of.share**2).sum()), 1e-30))


def _between(first: Basis, second: Basis) -> np.ndarray:
    """Principal angles in degrees of the first directions of two bases, (3,); NaN where one has fewer."""
    for side in (first, second):
        if (side.share[:COMPONENTS] > FLAT).sum() < COMPONENTS:
            return np.full(COMPONENTS, np.nan)
    return _angles(first.axes[:COMPONENTS], second.axes[:COMPONENTS])


def _angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Principal angles in degrees of two subspaces spanned by rows, (3, d) each -> (3,), the smallest first."""
    from scipy.linalg import subspace_angles  # late: the app starts without it

    return np.sort(np.degrees(subspace_angles(first.T, second.T)))


def _three(angles: np.ndarray) -> str:
    return " ".join("-" if np.isnan(x) else f"{x:.0f}" for x in angles)
