"""PCA: in how few directions do the states move, is it the same few at every step, and do new instances lie in them?

Owns the basis that all steps share, which the linked views draw in, and the bases of single steps with the angles
between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.probes.measuring import controls
from depthscope.probes.measuring.alignment import Rows
from depthscope.probes.measuring.progress import Count, counted, steps_of_runs
from depthscope.probes.measuring.results import Progress, refuse_over, shown, steps_for
from depthscope.probes.reading import margins as reading, nodes as sample

FIT_ROWS = 4096
"""States that a basis is fitted to, at most, evenly spread."""

COMPONENTS = 3
"""What is drawn, and the dimension of the subspaces whose angles are taken."""

FLAT = 1e-6
"""A step whose states spread less than this share of all states' spread has no directions of its own."""

RESAMPLES = 200


@dataclass(frozen=True)
class Basis:
    """Principal components of some states.

    Attributes:
        mean: (d,).
        axes: (k, d) orthonormal rows, the largest variance first; signs such that the largest entry is positive.
        share: (k,) of the variance that each explains in what it was fitted to.
    """

    mean: np.ndarray
    axes: np.ndarray
    share: np.ndarray

    def __post_init__(self) -> None:
        if self.axes.shape != (len(self.share), len(self.mean)):
            raise ValueError(f"axes have shape {self.axes.shape}, expected {(len(self.share), len(self.mean))}")

    def place(self, states: np.ndarray, components: int = COMPONENTS) -> np.ndarray:
        """Coordinates of states, (..., d) -> (..., components) float32; zeros where there are fewer axes."""
        placed = np.zeros((*states.shape[:-1], components), dtype=np.float32)
        axes = self.axes[:components]
        placed[..., : len(axes)] = (states.astype(np.float64) - self.mean) @ axes.T
        return placed

    def explained(self, states: np.ndarray, components: int = COMPONENTS) -> np.ndarray:
        """Share of the spread of states about this basis' mean along each of its first axes, (N, d) -> (components,).

        NaN where the states do not spread.
        """
        moved = states.astype(np.float64) - self.mean
        total, found = float((moved**2).sum()), np.zeros(components)
        axes = self.axes[:components]
        found[: len(axes)] = ((moved @ axes.T) ** 2).sum(axis=0)
        return found / total if total > 0 else np.full(components, np.nan)


def basis(states: np.ndarray) -> Basis:
    """The principal components of states, (N, d); at most FIT_ROWS of them are looked at.

    By the eigenvectors of the (d, d) covariance where there are more states than dimensions: a tenth of the time of a
    singular value decomposition, which a page waits for.
    """
    keep = np.unique(np.linspace(0, len(states) - 1, min(len(states), FIT_ROWS)).round().astype(np.int64))
    chosen = states[keep].astype(np.float64)
    mean = chosen.mean(axis=0)
    moved = chosen - mean
    if len(moved) > moved.shape[1]:
        squares, columns = np.linalg.eigh(moved.T @ moved)
        scale, axes = np.sqrt(np.maximum(squares[::-1], 0)), columns.T[::-1]
    else:
        _, scale, axes = np.linalg.svd(moved, full_matrices=False)
    sign = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return Basis(mean, axes * sign[:, None], scale**2 / max(float((scale**2).sum()), 1e-30))


def state_components(
    hidden: np.ndarray, nodes: np.ndarray, beside: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States of some nodes in the principal components of all steps, one basis for all.

    Args:
        hidden: (T+1, n, d).
        nodes: Which nodes to place, (m,).
        beside: Runs that share the basis, (T'+1, n', d) each, this one among them; without any it is this run's own.

    Returns:
        (T+1, m, 3) float32 (zeros where there are fewer than three dimensions), the share of the variance each
        component explains, (3,), and the least and greatest coordinates, (2, 3), of these nodes or of all runs beside.
    """
    runs = [run.reshape(-1, run.shape[-1]) for run in beside or (hidden,)]
    shared = basis(np.concatenate(runs))
    share, placed = shared.share[:COMPONENTS], shared.place(hidden[:, nodes])
    places = [shared.place(run) for run in runs] if beside else [placed.reshape(-1, COMPONENTS)]
    extent = np.stack([np.min([x.min(0) for x in places], axis=0), np.max([x.max(0) for x in places], axis=0)])
    return placed, np.pad(share, (0, COMPONENTS - len(share))), extent


@dataclass(frozen=True)
class Components:
    """Principal components of one model; arrays (T+1,) are by step.

    Attributes:
        share: (k,) variance that each component of the shared basis explains where it was fitted.
        held: (3,) the same of instances that it was not fitted to.
        held_low: (3,) lower end of its 95% interval, by bootstrap over groups of instances; NaN for a single group.
        held_high: (3,) upper end.
        by_step: (T+1,) share of the first three together, of the held-out states of each step about the shared mean.
        dimension: Participation ratio of the shared basis, (sum of variances)^2 / sum of their squares.
        own_dimension: (T+1,) the same of each step's own basis.
        angle: (T+1, 3) principal angles in degrees between each step's own three directions and the last step's, the
            smallest first; NaN where a step has fewer directions.
        ceiling: (T+1, 3) between those of two halves of the instances, at the same step.
        random: (3,) mean angles between random subspaces of as many dimensions.
    """

    share: np.ndarray
    held: np.ndarray
    held_low: np.ndarray
    held_high: np.ndarray
    by_step: np.ndarray
    dimension: float
    own_dimension: np.ndarray
    angle: np.ndarray
    ceiling: np.ndarray
    random: np.ndarray

    def __post_init__(self) -> None:
        rows = len(self.by_step)
        for name in ("angle", "ceiling"):
            if getattr(self, name).shape != (rows, COMPONENTS):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {(rows, COMPONENTS)}")


@dataclass(frozen=True)
class Pca:
    """Principal components of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of the split, halves and the untrained model.
        steps: T.
        n: Instances.
        n_fit: Instances that the bases are fitted to.
        nodes: Nodes of all instances.
        trained: Of the checkpoint.
        untrained: Of an untrained model on the same instances.
        permuted: (3,) shares where every coordinate of the checkpoint's states is dealt out anew over nodes and steps:
            what unequal spread of the coordinates explains without any direction of its own.
    """

    checkpoint: str
    sha256: str
    seed: int
    steps: int
    n: int
    n_fit: int
    nodes: int
    trained: Components
    untrained: Components
    permuted: np.ndarray


def unfit(checkpoint: Checkpoint) -> str | None:
    """Every checkpoint has states."""
    del checkpoint
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Pca:
    """Fits principal components to some instances and looks how far they hold for the others.

    Args:
        checkpoint: What runs.
        instances: Of two groups at least; twins are one group, equal instances are one.
        steps: T; None takes the default.
        seed: Of the split, halves and the untrained model.
        progress: Called with the steps run and bases fitted, and both in all; what it raises stops the work.

    Raises:
        InputError: If there are too few instances, or memory is short.

    Source:
        Pearson (1901); Bjorck and Golub (1973), Numerical methods for computing angles between linear subspaces.
    """
    wanted = steps_for(checkpoint, instances, steps)
    encodings = reading.encoded(checkpoint, instances)
    n_nodes = [e.n_nodes for e in encodings]
    refuse_over(
        24.0 * (wanted + 1) * sum(n_nodes) * checkpoint.model.shapes.width,
        f"the states of {sum(n_nodes)} nodes over {wanted} steps",
        "take fewer instances or steps",
    )
    group = sample.groups_of(instances)
    if len(np.unique(group)) < 2:
        raise InputError("a basis is tried on instances that it was not fitted to: give two that are no twins, or more")
    places = Rows(encodings, np.repeat(np.arange(len(encodings)), n_nodes), np.concatenate([*map(np.arange, n_nodes)]))
    held, found = sample.split(np.random.default_rng([seed, 5]), group), []
    permuted = np.empty(COMPONENTS)
    each = steps_of_runs(checkpoint.model, encodings, wanted) + 3 * (wanted + 1)
    count = Count(progress, 2 * each)
    for done, model in enumerate((checkpoint.model, controls.untrained(checkpoint, seed)), start=1):
        hidden = sample.states(counted(model, count.more), places, wanted)
        if not found:
            permuted = _permuted(hidden, seed)
        found.append(components(hidden, group[places.instance], held[places.instance], seed, count.more))
        count.upto(done * each)
    return Pca(
        checkpoint.name, checkpoint.sha256, seed, wanted, len(instances), int((~held).sum()), sum(n_nodes), *found,
        permuted=permuted,
    )  # fmt: skip


def components(
    hidden: np.ndarray, group: np.ndarray, held: np.ndarray, seed: int, each: Callable[[], None] = lambda: None
) -> Components:
    """Components of states (T+1, N, d), fitted to the nodes that are not `held`, (N,) bool; `group` is (N,).

    `each` is called after each of the 3 (T+1) bases of single steps.
    """
    rows, _, width = hidden.shape
    shared = basis(hidden[:, ~held].reshape(-1, width))
    spread = float(((hidden[:, ~held] - shared.mean) ** 2).sum(-1).mean())
    value, low, high = _held_out(shared, hidden[:, held], group[held], seed)
    halves = sample.split(np.random.default_rng([seed, 6]), group, 0.5)
    bases = []
    for part in (~held, halves, ~halves):
        bases.append([])
        for h in hidden:
            bases[-1].append(basis(h[part]))
            each()
    own, first, second = bases
    alive = [float(h[~held].var(axis=0).sum()) > FLAT * spread for h in hidden]
    rng = np.random.default_rng([seed, 7])
    chance = [_angles(*(rng.standard_normal((COMPONENTS, width)) for _ in range(2))) for _ in range(RESAMPLES)]
    nothing = np.full(COMPONENTS, np.nan)
    return Components(
        share=shared.share,
        held=value,
        held_low=low,
        held_high=high,
        by_step=np.array([shared.explained(h[held]).sum() for h in hidden]),
        dimension=_dimension(shared),
        own_dimension=np.array([_dimension(own[t]) if alive[t] else np.nan for t in range(rows)]),
        angle=np.array([_between(own[t], own[-1]) if alive[t] and alive[-1] else nothing for t in range(rows)]),
        ceiling=np.array([_between(first[t], second[t]) if alive[t] else nothing for t in range(rows)]),
        random=np.mean(chance, axis=0) if width >= COMPONENTS else nothing,
    )


def _held_out(shared: Basis, hidden: np.ndarray, group: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """Shares of the first components in states (T+1, M, d), with a bootstrap over groups: three arrays (3,)."""
    moved = hidden.astype(np.float64) - shared.mean
    along = np.zeros((len(group), COMPONENTS))
    axes = shared.axes[:COMPONENTS]
    along[:, : len(axes)] = ((moved @ axes.T) ** 2).sum(axis=0)
    total = (moved**2).sum(axis=(0, 2))
    names, which = np.unique(group, return_inverse=True)
    per_group = np.zeros((len(names), COMPONENTS + 1))
    np.add.at(per_group, which, np.column_stack([along, total]))
    whole = per_group.sum(axis=0)
    value = whole[:-1] / max(whole[-1], 1e-30)
    if len(names) < 2:
        return value, np.full(COMPONENTS, np.nan), np.full(COMPONENTS, np.nan)
    drawn = np.random.default_rng([seed, 4]).integers(len(names), size=(1000, len(names)))
    sums = per_group[drawn].sum(axis=1)
    low, high = np.quantile(sums[:, :-1] / np.maximum(sums[:, -1:], 1e-30), (0.025, 0.975), axis=0)
    return value, low, high


def _permuted(hidden: np.ndarray, seed: int) -> np.ndarray:
    """Shares of the first components once every coordinate is dealt out anew over nodes and steps, (3,)."""
    flat = hidden.reshape(-1, hidden.shape[-1])
    share = basis(np.random.default_rng([seed, 8]).permuted(flat, axis=0)).share[:COMPONENTS]
    return np.pad(share, (0, COMPONENTS - len(share)))


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


def table(result: Pca) -> str:
    """The result as text."""
    lines = [
        f"{result.checkpoint}: {result.nodes} nodes of {result.n} instances, {result.steps} steps; bases fitted to "
        f"{result.n_fit} of the instances",
        "  {:<10} {:>9} {:>32}  {}".format("model", "fitted", "held out, first three together", "dimension"),
    ]
    for name, found in (("trained", result.trained), ("untrained", result.untrained)):
        held = " ".join(f"{x:.3f}" for x in found.held)
        lines.append(
            f"  {name:<10} {found.share[:COMPONENTS].sum():9.3f} {held:>23} = {found.held.sum():.3f}"
            f"  {found.dimension:9.2f}"
        )
    lines.append(f"  {'permuted':<10} {result.permuted.sum():9.3f}")
    lines.append("\nby step: share in the shared basis; own dimension; angles with the last step's own directions (°)")
    heads = ("step", "share", "untrained", "dimension", "angles", "two halves", "untrained")
    lines.append("  {:>4} {:>6} {:>9} {:>9} {:>14} {:>14} {:>14}".format(*heads))
    for t in shown(result.steps):
        a, b = result.trained, result.untrained
        lines.append(
            f"  {t:4d} {a.by_step[t]:6.3f} {b.by_step[t]:9.3f} {a.own_dimension[t]:9.2f} {_three(a.angle[t]):>14} "
            f"{_three(a.ceiling[t]):>14} {_three(b.angle[t]):>14}"
        )
    lines.append(f"  random subspaces: {_three(result.trained.random)}")
    return "\n".join(lines)


def _three(angles: np.ndarray) -> str:
    return " ".join("-" if np.isnan(x) else f"{x:.0f}" for x in angles)
