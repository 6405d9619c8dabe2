"""The wavefront: from which step on each node is read right, and how that grows with how far the node is.

    tau[i] = min {t : p(concept at i) >= .9 from t on}        tau = a + b * distance        speed = 1 / b

Nodes at distance 0 (the source, an atom, the queried person) show their concept before the first step and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.encoding import Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.maths.line_fit import OWN, SHUFFLED, UNTRAINED, Fit, line
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes
from depthscope.probes.reading import margins as reading
from depthscope.probes.reading.margins import ByReader, Reader
from depthscope.probes.reading.nodes import Rows

MAX_TWINS = 40
"""Instances whose twins are looked for, the first ones."""

NODE_BYTES = 256
"""Of each node beside its margins: orders, arrivals, groups and their permutations."""


@dataclass(frozen=True)
class TwinControl:
    """Nodes within T whose concept differs between an instance and its twin, read for the instance's own concept.

    Attributes:
        instances: Instances that have a twin.
        without: Instances looked at that have none.
        arrived: Share of the nodes that arrive in the instance's own run.
        twin: Share that arrive in the run of the twin, where the concept is false.
    """

    instances: int
    without: int
    arrived: Estimate
    twin: Estimate


@dataclass(frozen=True)
class Wavefront(Result):
    """The wave of one checkpoint over N instances; arrays (D,) are by distance, (M,) by node.

    Attributes:
        reader: "readout" or "probe".
        threshold: Of the probability.
        n: Instances.
        fits: For each order the own line and its controls.
        twin: The other control.
        distance: (D,) the distances that occur, by the first order.
        arrived: (D,) share of the nodes there that arrives.
        untrained_arrived: (D,) share in the untrained model.
        tau_mean: (D,) mean arrival of those that arrive; NaN where none does.
        stall: Greatest distance up to which at least half of the nodes arrive at every distance; 0 for none.
        stalled: Whether there are nodes beyond it.
        instance: (M,) index of the instance of each node in the fit.
        node: (M,) index of the node in it.
        node_distance: (M,) how far it is.
        node_arrival: (M,) tau, -1 where it does not arrive.
    """

    reader: str
    threshold: float
    n: int
    fits: tuple[Fit, ...]
    twin: TwinControl
    distance: np.ndarray
    arrived: Estimate
    untrained_arrived: np.ndarray
    tau_mean: np.ndarray
    stall: int
    stalled: bool
    instance: np.ndarray
    node: np.ndarray
    node_distance: np.ndarray
    node_arrival: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.distance.shape, "arrived", "untrained_arrived", "tau_mean")
        check_shapes(self, self.instance.shape, "node", "node_distance", "node_arrival")

    def fit(self, order: str | None = None, of: str = OWN) -> Fit:
        """The line of an order, the first if None, or its control."""
        order = self.fits[0].order if order is None else order
        return next(fit for fit in self.fits if (fit.order, fit.of) == (order, of))

    def table(self) -> str:
        """The lines with their controls, then the arrivals by distance."""
        unit, twin = self.fits[0].order, self.twin
        out = [
            f"{self.checkpoint}: {self.n} instances, T = {self.steps}, read by the {self.reader}, "
            f"p >= {self.threshold:g}",
            "",
            f"{'order':<10}{'of':<11}{'speed':>24}{'steps each':>12}{'a':>7}{'arrived':>14}",
        ]
        for fit in self.fits:
            out.append(
                f"{fit.order:<10}{fit.of:<11}{f'{fit.speed}':>24}{_number(fit.slope.value):>12}"
                f"{_number(fit.intercept):>7}{f'{fit.arrived}/{fit.within}':>14}"
            )
        titles = ("R2", "log2 R2", "difference", "Spearman")
        out += ["", f"{'order':<10}{'of':<11}" + "".join(f"{x:>24}" for x in titles)]
        for fit in self.fits:
            cells = (fit.r2, fit.r2_log2, fit.difference, fit.spearman)
            out.append(f"{fit.order:<10}{fit.of:<11}" + "".join(f"{f'{cell}':>24}" for cell in cells))
        out += [
            "",
            f"nodes that differ from the twin's: {twin.arrived.n} in {twin.instances} of the first "
            f"{min(self.n, MAX_TWINS)} instances ({twin.without} have no twin); "
            f"arrive in the own run {twin.arrived}, in the twin's {twin.twin}",
            f"at least half arrive up to {unit} {self.stall}" + ("" if self.stalled else ", the greatest there is"),
            "",
            f"{unit:>10}{'nodes':>8}{'arrived':>24}{'untrained':>11}{'mean tau':>10}",
        ]
        for far, arrived, blank, tau in zip(
            self.distance, self.arrived, self.untrained_arrived, self.tau_mean, strict=True
        ):
            out.append(f"{far:>10}{arrived.n:>8}{f'{arrived}':>24}{blank:>11.3f}{_number(tau):>10}")
        return "\n".join(out)


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


@dataclass(frozen=True)
class Options(ByReader):
    """Of the command and the form."""

    threshold: float = option(0.9, "of the probability (default .9)", type=float)


@instrument(
    "from which step each node is read right, and how that grows with its distance",
    options=Options,
    unfit=reading.unfit,
    instances=100,
)
def measure(bench: Bench, options: Options) -> Wavefront:
    """Follows the wave through some instances.

    Source:
        Ours; compare the prefix match length of ProcBench (2024).
    """
    reader, n = Reader.of(bench, options.reader), len(bench.instances)
    _reserve(bench, reader)
    wheres = reading.orders(bench)
    first = next(iter(wheres[0]))
    within = [(where[first] >= 1) & (where[first] <= bench.steps) for where in wheres]
    rows = Rows.where(bench.encodings, within)
    instance = rows.instance
    if not len(instance):
        raise InputError(f"no node lies between 1 and {bench.steps} steps away, so that there is no wave to follow")
    pairs = _pairs(bench)
    others = replace(bench, instances=[pair.twin for pair in pairs])
    bench.expect(2 * bench.runs() + others.runs())
    own, idle = (reading.margins(bench, x) for x in (reader, reader.untrained(bench)))

    def arrivals(margins: list[np.ndarray]) -> np.ndarray:
        rows = zip(margins, within, strict=True)
        return np.concatenate([reading.arrival(margin[:, mask], options.threshold) for margin, mask in rows])

    tau, tau_idle = arrivals(own), arrivals(idle)
    far = {name: np.concatenate([w[name][m] for w, m in zip(wheres, within, strict=True)]) for name in wheres[0]}
    distance, which, count = np.unique(far[first], return_inverse=True, return_counts=True)
    there = np.bincount(which, tau >= 0)
    half = there >= count / 2
    return Wavefront(
        **bench.header,
        reader=reader.name,
        threshold=options.threshold,
        n=n,
        fits=_fits(bench, instance, far, tau, tau_idle),
        twin=_twins(bench, others, pairs, reader, own, within, options.threshold),
        distance=distance,
        arrived=Estimate.share(there, count),
        untrained_arrived=np.bincount(which, tau_idle >= 0) / count,
        tau_mean=np.bincount(which, np.maximum(tau, 0)) / np.where(there, there, np.nan),
        stall=int(distance[-1] if half.all() else distance[np.argmin(half)] - 1),
        stalled=not half.all(),
        instance=instance,
        node=rows.node,
        node_distance=far[first],
        node_arrival=tau,
    )


def _fits(
    bench: Bench, instance: np.ndarray, far: dict[str, np.ndarray], tau: np.ndarray, tau_idle: np.ndarray
) -> tuple[Fit, ...]:
    """The own line of every order and its controls, through nodes (M,) of the instances they are in."""
    mixed = np.lexsort((bench.rng("shuffled").random(len(instance)), instance))  # another node of the same instance
    return tuple(
        line(name, of, arrived, values[mixed] if of == SHUFFLED else values, bench.group[instance], bench.rng("line"))
        for name, values in far.items()
        for of, arrived in ((OWN, tau), (SHUFFLED, tau), (UNTRAINED, tau_idle))
    )


def _reserve(bench: Bench, reader: Reader) -> None:
    """Of the margins of all runs, the untrained ones' and the twins', of nodes and probes."""
    encodings, steps = bench.encodings, bench.steps
    size = 2 * reading.bytes_of_margins(encodings, steps) + reading.bytes_of_margins(encodings[:MAX_TWINS], steps)
    size += NODE_BYTES * sum(e.n_nodes for e in encodings)
    if reader.probe is not None:
        size += reading.bytes_of_fit(bench.checkpoint)
    bench.reserve(size, f"the waves of {len(encodings)} instances over {steps} steps")


@dataclass(frozen=True)
class _Pair:
    """An instance, by its index, its twin, and the nodes that stand for the same thing in both, (n,) bool."""

    index: int
    twin: Any
    same: np.ndarray


def _pairs(bench: Bench) -> list[_Pair]:
    """The first instances that have a twin whose nodes can be compared with theirs."""
    task, pairs = tasks.get(bench.checkpoint.config.task), []
    for i, mine in enumerate(bench.encodings[:MAX_TWINS]):
        try:
            twin = twins.find(bench.instances[i], bench.seed).instance
        except InputError:
            continue
        other = task.encode(twin, bench.checkpoint.config)
        if np.array_equal(other.instance_node, mine.instance_node):
            pairs.append(_Pair(i, twin, np.ones(other.n_nodes, dtype=bool)))
        elif other.n_nodes == mine.n_nodes:  # edges as tokens: some places name another node
            pairs.append(_Pair(i, twin, other.instance_node == mine.instance_node))
    return pairs


def _twins(
    bench: Bench,
    others: Bench,
    pairs: list[_Pair],
    reader: Reader,
    own: list[np.ndarray],
    within: list[np.ndarray],
    threshold: float,
) -> TwinControl:
    """Reads the nodes that differ in both runs, each for the concept that the instance itself has there."""
    runs = reading.margins(others, reader, [bench.encodings[pair.index] for pair in pairs])
    here, there, nodes = 0, 0, 0
    for pair, other, margin in zip(pairs, others.encodings, runs, strict=True):
        differs = pair.same & within[pair.index] & _differ(bench, bench.encodings[pair.index], other)
        here += int((reading.arrival(own[pair.index][:, differs], threshold) >= 0).sum())
        there += int((reading.arrival(margin[:, differs], threshold) >= 0).sum())
        nodes += int(differs.sum())
    looked = min(len(bench.instances), MAX_TWINS)
    return TwinControl(len(pairs), looked - len(pairs), Estimate.share(here, nodes), Estimate.share(there, nodes))


def _differ(bench: Bench, mine: Encoding, other: Encoding) -> np.ndarray:
    """Nodes whose concept, or whether the oracle has it within T, is another in the twin, (n,) bool."""
    late = [e.has_from > bench.steps for e in (mine, other)]
    return (mine.value != other.value) | (late[0] != late[1])
