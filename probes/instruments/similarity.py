"""Similarity: how alike the states of two steps are, or those of two checkpoints at the same step.

Owns which states are compared and with which controls; what alike means is `probes.maths.similarity`'s business, which
node of one checkpoint is which of another's `probes.measuring.alignment`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core.checkpoint import Checkpoint
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.maths import similarity
from depthscope.probes.measuring import alignment, controls, results
from depthscope.probes.measuring.alignment import MAX_ROWS
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes
from depthscope.probes.reading import nodes

MAX_SHOWN = 9
"""Steps that are compared, spread evenly over 0..T."""

FOLDS, DYNAMIC_FOLDS = 10, 4
"""Parts of the instances that are left out one after the other, for intervals."""

HALVES = 4
"""Times the coordinates are halved for the ceiling."""


@dataclass(frozen=True)
class Alike:
    """One measure; arrays (K,) are by step, NaN where a side does not vary.

    Attributes:
        title: Name of the measure.
        square: (K, K) every step of the first (rows) with every step of the second.
        likeness: The first at each step with what it is compared with; its interval by leaving out tenths of the
            instances.
        ceiling: As much as could be expected.
        untrained: The same of an untrained network.
        shuffled: The same with the rows of one side in a random order.
    """

    title: str
    square: np.ndarray
    likeness: Estimate
    ceiling: np.ndarray
    untrained: np.ndarray
    shuffled: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, (len(self.likeness),) * 2, "square")
        check_shapes(self, self.likeness.shape, "ceiling", "untrained", "shuffled")


@dataclass(frozen=True)
class Dynamics:
    """Similarity of the linear maps that best describe the steps (DSA), at most 1.

    Attributes:
        title: What is compared.
        likeness: Similarity; its interval by leaving out quarters of the instances.
        ceiling: Of the same steps fitted on two halves of the instances.
        untrained: With an untrained network in place of the second.
        shuffled: With the steps of the second in a random order.
    """

    title: str
    likeness: Estimate
    ceiling: float
    untrained: float
    shuffled: float


@dataclass(frozen=True)
class Similarity(Result):
    """Similarities of one checkpoint's steps, or of two checkpoints at each step.

    Attributes:
        other: Name of the second; empty if the steps of one are compared, each with the last.
        ceiling_by: What the ceiling is: "split-half" of the coordinates, or a second seed by name.
        n: Instances.
        n_rows: Rows compared.
        step: (K,) the steps compared.
        cka: Debiased CKA.
        procrustes: Procrustes similarity.
        dynamics: DSA: the first half of the steps with the second, or one checkpoint's with the other's.
    """

    other: str
    ceiling_by: str
    n: int
    n_rows: int
    step: np.ndarray
    cka: Alike
    procrustes: Alike
    dynamics: Dynamics

    def table(self) -> str:
        """Each measure over the steps, its controls beside it."""
        against = f"{self.other} at the same step" if self.other else f"its own step {self.steps}"
        lines = [
            f"{self.checkpoint} and {against}: {self.n_rows} nodes of {self.n} instances, T = {self.steps}; "
            f"ceiling: {self.ceiling_by}"
        ]
        for one in (self.cka, self.procrustes):
            lines += ["", f"{'step':>6}{one.title:>24}{'ceiling':>10}{'untrained':>11}{'shuffled':>10}"]
            for k, t in enumerate(self.step):
                beside = f"{one.ceiling[k]:>10.3f}{one.untrained[k]:>11.3f}{one.shuffled[k]:>10.3f}"
                lines.append(f"{t:>6}{f'{one.likeness[k]}':>24}{beside}")
        d = self.dynamics
        lines += [
            "",
            f"DSA, {d.title}: {d.likeness}; ceiling {d.ceiling:.3f}, untrained {d.untrained:.3f}, "
            f"steps shuffled {d.shuffled:.3f}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Options:
    """Of the command."""

    other: str | None = option(None, "a checkpoint of the same task to compare with", metavar="CKPT")
    ceiling: str | None = option(None, "of the same recipe and another seed (default: a shipped one)", metavar="CKPT")


@dataclass(frozen=True)
class States:
    """The states of the same N rows over the steps, (T+1, N, d) each.

    Attributes:
        first: Of the checkpoint.
        second: Of the other; None where the steps of one are compared.
        again: Of a second seed; None without one.
        blank: Of an untrained network, in the second's place if there is one.
        group: (N,) rows of instances of one group are left out together.
        shuffle: (N,) a random order of the rows.
    """

    first: np.ndarray
    second: np.ndarray | None
    again: np.ndarray | None
    blank: np.ndarray
    group: np.ndarray
    shuffle: np.ndarray

    def at(self, step: np.ndarray) -> States:
        """At some steps alone."""
        names = ("first", "second", "again", "blank")
        return replace(self, **{name: None if (x := getattr(self, name)) is None else x[step] for name in names})


@instrument(
    "how alike the states of every step are to the last, or to those of another checkpoint",
    options=Options,
    instances=40,
)
def measure(bench: Bench, options: Options) -> Similarity:
    """Compares states, of the steps of one checkpoint with its last or of two checkpoints step by step."""
    checkpoint, bench = bench.checkpoint, bench.for_all()
    second = alignment.beside(checkpoint, options.other)
    if second is not None and second.name == checkpoint.name:
        second = replace(second, name=f"{second.name} (other)")
    wanted = options.ceiling
    seeded = alignment.second_seed(checkpoint) if wanted is None else alignment.other_seed(checkpoint, wanted)
    if seeded is not None:
        seeded = replace(seeded, name=f"{seeded.name} (seed {seeded.training.get('seed')})")
    rng = bench.rng("rows")
    states = _states(bench, second, seeded, rng)
    step = np.array(results.shown(bench.steps, MAX_SHOWN))
    shown = states.at(step)
    cka = _alike("debiased CKA", lambda x, y: similarity.cka(similarity.kernels(x), similarity.kernels(y)), shown, rng)
    bench.tick()
    procrustes = _alike("Procrustes", similarity.procrustes, shown, rng)
    bench.tick()
    dynamics = _dynamics(states, rng, bench.seed)
    bench.tick()
    return Similarity(
        **bench.header,
        other="" if second is None else second.name,
        ceiling_by="split-half" if seeded is None else seeded.name,
        n=len(bench.instances),
        n_rows=len(states.group),
        step=step,
        cka=cka,
        procrustes=procrustes,
        dynamics=dynamics,
    )


def _states(bench: Bench, second: Checkpoint | None, seeded: Checkpoint | None, rng: np.random.Generator) -> States:
    """The states of rows that all sides have."""
    sides = [side for side in (bench.checkpoint, second, seeded) if side is not None]
    places = alignment.rows(sides, bench.instances, rng)
    size = 16.0 * (bench.steps + 1) * MAX_ROWS * max(side.model.shapes.width for side in sides)
    bench.reserve(size, f"the states of {MAX_ROWS} nodes over {bench.steps} steps", "take fewer steps")
    bench.expect(len(sides) + 4)

    def run(model: Any, side: Checkpoint) -> np.ndarray:
        states = nodes.states(model, places[side.name], bench.steps)
        bench.tick()
        return states

    later = second or bench.checkpoint
    group = bench.group[places[bench.checkpoint.name].instance]
    return States(
        first=run(bench.model, bench.checkpoint),
        blank=run(controls.untrained(later, bench.seed), later),
        second=None if second is None else run(second.model, second),
        again=None if seeded is None else run(seeded.model, seeded),
        group=group,
        shuffle=rng.permutation(len(group)),
    )


def _alike(
    title: str, square: Callable[[np.ndarray, np.ndarray], np.ndarray], states: States, rng: np.random.Generator
) -> Alike:
    """One measure with its controls; `square` is it of every set of the first with every set of the second."""
    every = np.arange(len(states.group))

    def line(a: np.ndarray, b: np.ndarray | None, keep: np.ndarray = every) -> np.ndarray:
        """Each step of the first with the same step of the second, or with the last of its own."""
        if b is None:
            return square(a[:, keep], a[-1:, keep])[:, 0]
        return np.array([square(x[None, keep], y[None, keep])[0, 0] for x, y in zip(a, b, strict=True)])

    a, b, again, blank = states.first, states.second, states.again, states.blank
    value = line(a, b)
    left = [line(a, b, keep) for keep in similarity.without(states.group, FOLDS)]
    mixed = (a[-1:].repeat(len(a), 0) if b is None else b)[:, states.shuffle]
    return Alike(
        title=title,
        square=square(a, a if b is None else b),
        likeness=Estimate(value, *similarity.jackknife(value, left), len(every)),
        ceiling=line(a, again) if again is not None else _halves(a, line, rng),
        untrained=line(blank, None) if b is None else line(a, blank),
        shuffled=line(a, mixed),
    )


def _halves(
    states: np.ndarray, line: Callable[[np.ndarray, np.ndarray], np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Mean likeness of two random halves of the coordinates at the same step, (K,)."""
    values = []
    for _ in range(HALVES):
        order = rng.permutation(states.shape[-1])
        half = len(order) // 2
        values.append(line(states[..., order[:half]], states[..., order[half : 2 * half]]))
    return np.mean(values, axis=0)


def _dynamics(states: States, rng: np.random.Generator, seed: int) -> Dynamics:
    """DSA with its controls."""
    first, second, group = states.first, states.second, states.group
    middle = (len(first) - 1) // 2
    early, late = (first[: middle + 2], first[middle:]) if second is None else (first, second)

    def dsa(one: np.ndarray, other: np.ndarray) -> float:
        return similarity.dsa(similarity.dynamics(one), similarity.dynamics(other), seed)

    value = np.array(dsa(early, late))
    left = [np.array(dsa(early[:, keep], late[:, keep])) for keep in similarity.without(group, DYNAMIC_FOLDS)]
    odd = np.searchsorted(np.unique(group), group) % 2 == 1
    halves = [first[:, half] for half in (odd, ~odd) if half.sum() > 1]
    return Dynamics(
        title="steps of the first half and of the second" if second is None else "steps of both",
        likeness=Estimate(value, *similarity.jackknife(value, left), len(group)),
        ceiling=dsa(*halves) if len(halves) == 2 else float("nan"),
        untrained=dsa(early, states.blank),
        shuffled=dsa(early, late[rng.permutation(len(late))]),
    )
