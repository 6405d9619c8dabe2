"""The wavefront: from which step on each node is read right, and how that grows with how far the node is.

    tau[i] = min {t : p(concept at i) >= .9 from t on}        tau = a + b * distance        speed = 1 / b

Nodes at distance 0 (the source, an atom, the queried person) show their concept before the first step and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding
from depthscope.core.errors import InputError
from depthscope.core.frontier import wilson
from depthscope.core.tasks import twins
from depthscope.probes.maths.line_fit import OWN, SHUFFLED, UNTRAINED, Fit, line
from depthscope.probes.measuring import controls, results
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import margins as reading
from depthscope.probes.reading.margins import Read

MAX_TWINS = 40
"""Instances whose twins are looked for, the first ones."""

NODE_BYTES = 256
"""Held for each node beside its margins: orders, arrivals, groups and their permutations."""


@dataclass(frozen=True)
class TwinControl:
    """Nodes whose concept differs between an instance and its twin, read for the instance's own concept.

    Attributes:
        instances: Instances that have a twin.
        without: Instances looked at that have none.
        nodes: Nodes that differ and lie within T.
        arrived: Share of them that arrive in the instance's own run.
        arrived_low: Lower end of its 95% interval (Wilson); NaN without nodes.
        arrived_high: Upper end.
        twin: Share that arrive in the run of the twin, where the concept is false.
        twin_low: Lower end of its 95% interval.
        twin_high: Upper end.
    """

    instances: int
    without: int
    nodes: int
    arrived: float
    arrived_low: float
    arrived_high: float
    twin: float
    twin_low: float
    twin_high: float


@dataclass(frozen=True)
class Wavefront:
    """The wave of one checkpoint over N instances; arrays (D,) are by distance, (M,) by node.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        reader: "readout" or "probe".
        steps: T.
        threshold: Of the probability.
        seed: Of bootstrap, shuffling, twins and the untrained model.
        n: Instances.
        fits: For each order the own line and its controls.
        twin: The other control.
        distance: (D,) the distances that occur, by the first order.
        due: (D,) nodes there.
        arrived: (D,) share that arrives.
        arrived_low: (D,) lower end of its 95% interval (Wilson).
        arrived_high: (D,) upper end.
        untrained_arrived: (D,) share in the untrained model.
        tau_mean: (D,) mean arrival of those that arrive; NaN where none does.
        stall: Greatest distance up to which at least half of the nodes arrive at every distance; 0 for none.
        stalled: Whether there are nodes beyond it.
        instance: (M,) index of the instance of each node in the fit.
        node: (M,) index of the node in it.
        node_distance: (M,) how far it is.
        node_arrival: (M,) tau, -1 where it does not arrive.
    """

    checkpoint: str
    sha256: str
    reader: str
    steps: int
    threshold: float
    seed: int
    n: int
    fits: tuple[Fit, ...]
    twin: TwinControl
    distance: np.ndarray
    due: np.ndarray
    arrived: np.ndarray
    arrived_low: np.ndarray
    arrived_high: np.ndarray
    untrained_arrived: np.ndarray
    tau_mean: np.ndarray
    stall: int
    stalled: bool
    instance: np.ndarray
    node: np.ndarray
    node_distance: np.ndarray
    node_arrival: np.ndarray

    def __post_init__(self) -> None:
        by_distance = ("due", "arrived", "arrived_low", "arrived_high", "untrained_arrived", "tau_mean")
        for axis, names in {"distance": by_distance, "instance": ("node", "node_distance", "node_arrival")}.items():
            due = getattr(self, axis).shape
            for name in names:
                got = getattr(self, name).shape
                if got != due:
                    raise ValueError(f"{name} has shape {got}, but {axis} has shape {due}")

    def fit(self, order: str | None = None, of: str = OWN) -> Fit:
        """The line of an order, the first if None, or its control."""
        order = self.fits[0].order if order is None else order
        return next(fit for fit in self.fits if (fit.order, fit.of) == (order, of))


unfit = reading.unfit


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    reader: str | None = None,
    threshold: float = 0.9,
) -> Wavefront:
    """Follows the wave through some instances.

    Args:
        checkpoint: What runs.
        instances: Of its task; twins side by side are resampled together.
        steps: T; None takes what the hardest of them needs.
        seed: Of bootstrap, shuffling, twins and the untrained model.
        progress: Called with the runs done and in all; what it raises stops the work.
        reader: "readout" or "probe"; None takes the readout where the model has one at every node.
        threshold: Of the probability from which a node counts as arrived.

    Raises:
        InputError: If the checkpoint cannot read an instance, no node lies between 1 and T, or it would take too much
            memory.

    Source:
        Ours; compare the prefix match length of ProcBench (2024).
    """
    steps, reader = reading.steps_for(checkpoint, instances, steps), reading.reader_of(checkpoint, reader)
    n, looked = len(instances), min(len(instances), MAX_TWINS)
    _refuse_over(checkpoint, reading.encoded(checkpoint, instances), steps, reader)
    total = 2 * n + looked
    own = reading.read(checkpoint, instances, steps, reader, progress=results.part(progress, 0, total))
    blank = controls.untrained(checkpoint, seed)
    fresh = reading.probe_of(checkpoint, blank, seed) if reader == reading.PROBE else None
    idle = reading.read(checkpoint, instances, steps, reader, blank, fresh, progress=results.part(progress, n, total))
    wheres = [reading.orders(checkpoint, x, e) for x, e in zip(instances, own.encodings, strict=True)]
    first = next(iter(wheres[0]))
    taken = [(where[first] >= 1) & (where[first] <= steps) for where in wheres]
    instance = np.repeat(np.arange(n), [mask.sum() for mask in taken])
    if not len(instance):
        raise InputError(f"no node lies between 1 and {steps} steps away, so that there is no wave to follow")
    node = np.concatenate([np.flatnonzero(mask) for mask in taken])
    tau, tau_idle = (_pick(run, taken, threshold) for run in (own, idle))
    far = {name: np.concatenate([w[name][m] for w, m in zip(wheres, taken, strict=True)]) for name in wheres[0]}
    group, rng = own.group[instance], np.random.default_rng([seed, 2])
    mixed = np.lexsort((rng.random(len(instance)), instance))  # another node of the same instance
    fits = [
        line(name, of, arrivals, values[mixed] if of == SHUFFLED else values, group, seed)
        for name, values in far.items()
        for of, arrivals in ((OWN, tau), (SHUFFLED, tau), (UNTRAINED, tau_idle))
    ]
    distance, which, due = np.unique(far[first], return_inverse=True, return_counts=True)
    there = np.bincount(which, tau >= 0)
    low, high = wilson(there, due)
    half = there >= due / 2
    stall = int(distance[-1] if half.all() else distance[np.argmin(half)] - 1)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(which, np.maximum(tau, 0)) / np.where(there, there, np.nan)
    return Wavefront(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        reader=reader,
        steps=steps,
        threshold=threshold,
        seed=seed,
        n=n,
        fits=tuple(fits),
        twin=_twins(
            checkpoint, instances[:looked], own, taken, reader, threshold, seed, results.part(progress, 2 * n, total)
        ),
        distance=distance,
        due=due,
        arrived=there / due,
        arrived_low=low,
        arrived_high=high,
        untrained_arrived=np.bincount(which, tau_idle >= 0) / due,
        tau_mean=mean,
        stall=stall,
        stalled=not half.all(),
        instance=instance,
        node=node,
        node_distance=far[first],
        node_arrival=tau,
    )


def _refuse_over(checkpoint: Checkpoint, encodings: list[Encoding], steps: int, reader: str) -> None:
    """Refuses what would not fit: the margins of all runs, the untrained ones' and the twins', nodes and probes."""
    size = 2 * reading.held(checkpoint, encodings, steps) + reading.held(checkpoint, encodings[:MAX_TWINS], steps)
    size += NODE_BYTES * sum(e.n_nodes for e in encodings)
    if reader == reading.PROBE:
        size += reading.held_by_fit(checkpoint)
    results.refuse_over(size, f"the waves of {len(encodings)} instances over {steps} steps", reading.FEWER)


def _pick(run: Read, taken: list[np.ndarray], threshold: float) -> np.ndarray:
    """Arrivals of the nodes taken, one instance after another."""
    return np.concatenate([reading.arrival(m[:, k], threshold) for m, k in zip(run.margins, taken, strict=True)])


def _twins(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    own: Read,
    taken: list[np.ndarray],
    reader: str,
    threshold: float,
    seed: int,
    progress: Progress | None,
) -> TwinControl:
    """Reads the nodes that differ in both runs, each for the concept that the instance itself has there."""
    task, pairs = tasks.get(checkpoint.config.task), []
    for i, instance in enumerate(instances):
        try:
            other = task.encode(twins.find(instance, seed).instance, checkpoint.config)
        except InputError:
            continue
        if np.array_equal(other.subformula, own.encodings[i].subformula):
            same = np.ones(other.n_nodes, dtype=bool)
        elif other.n_nodes == own.encodings[i].n_nodes:  # edges as tokens: some places name another node
            same = other.subformula == own.encodings[i].subformula
        else:
            continue
        pairs.append((i, other, same))
    against = [own.encodings[i] for i, _, _ in pairs]
    steps = len(own.margins[0]) - 1
    runs = reading.margins(checkpoint, [o for _, o, _ in pairs], steps, reader, against=against, progress=progress)
    here, there = [], []
    for (i, other, same), margin in zip(pairs, runs, strict=True):
        mine = own.encodings[i]
        a, b = (reading.has_from(checkpoint.config.task, e) for e in (mine, other))
        differs = same & taken[i] & ((mine.value != other.value) | ((a > steps) != (b > steps)))
        here.append(reading.arrival(own.margins[i][:, differs], threshold) >= 0)
        there.append(reading.arrival(margin[:, differs], threshold) >= 0)
    nodes = sum(len(x) for x in here)
    shares = []
    for found in (here, there):
        k = np.array(sum(int(x.sum()) for x in found))
        shares += [k / nodes, *wilson(k, nodes)] if nodes else [np.nan] * 3
    return TwinControl(len(pairs), len(instances) - len(pairs), nodes, *(float(x) for x in shares))


def table(result: Wavefront) -> str:
    """The lines with their controls, then the arrivals by distance."""
    unit = result.fits[0].order
    out = [
        f"{result.checkpoint}: {result.n} instances, T = {result.steps}, read by the {result.reader}, "
        f"p >= {result.threshold:g}",
        "",
        f"{'order':<10}{'of':<11}{'speed':>7}{'95% interval':>17}{'steps each':>12}{'a':>7}{'arrived':>14}",
    ]
    for fit in result.fits:
        interval = f"[{_number(fit.speed_low)}, {_number(fit.speed_high)}]"
        out.append(
            f"{fit.order:<10}{fit.of:<11}{_number(fit.speed):>7}{interval:>17}{_number(fit.slope):>12}"
            f"{_number(fit.intercept):>7}{f'{fit.arrived}/{fit.due}':>14}"
        )
    out += ["", f"{'order':<10}{'of':<11}" + "".join(f"{x:>24}" for x in ("R2", "log2 R2", "difference", "Spearman"))]
    for fit in result.fits:
        cells = [
            f"{_number(getattr(fit, x))} [{_number(getattr(fit, f'{x}_low'))}, {_number(getattr(fit, f'{x}_high'))}]"
            for x in ("r2", "r2_log2", "difference", "spearman")
        ]
        out.append(f"{fit.order:<10}{fit.of:<11}" + "".join(f"{cell:>24}" for cell in cells))
    twin = result.twin
    out += [
        "",
        f"nodes that differ from the twin's: {twin.nodes} in {twin.instances} of the first "
        f"{min(result.n, MAX_TWINS)} instances "
        f"({twin.without} have no twin); "
        f"arrive in the own run {_number(twin.arrived)} [{_number(twin.arrived_low)}, {_number(twin.arrived_high)}], "
        f"in the twin's {_number(twin.twin)} [{_number(twin.twin_low)}, {_number(twin.twin_high)}]",
        f"at least half arrive up to {unit} {result.stall}" + ("" if result.stalled else ", the greatest there is"),
        "",
        f"{unit:>10}{'nodes':>8}{'arrived':>9}{'95% interval':>17}{'untrained':>11}{'mean tau':>10}",
    ]
    for k, far in enumerate(result.distance):
        interval = f"[{result.arrived_low[k]:.3f}, {result.arrived_high[k]:.3f}]"
        out.append(
            f"{far:>10}{result.due[k]:>8}{result.arrived[k]:>9.3f}{interval:>17}{result.untrained_arrived[k]:>11.3f}"
            f"{_number(result.tau_mean[k]):>10}"
        )
    return "\n".join(out)


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"
