"""Similarity: how alike the states of two steps are, or those of two checkpoints at the same step.

Owns which states are compared and with which controls; what alike means is `probes.maths.similarity`'s business, which
node of one checkpoint is which of another's `probes.measuring.alignment`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core.checkpoint import Checkpoint
from depthscope.probes.maths import similarity
from depthscope.probes.measuring import alignment as pairing, controls, results
from depthscope.probes.measuring.alignment import MAX_ROWS
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import nodes as sample

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
        value: The first at each step with what it is compared with.
        low: Lower end of its 95% interval, by leaving out tenths of the instances.
        high: Upper end.
        ceiling: As much as could be expected.
        untrained: The same of an untrained network.
        shuffled: The same with the rows of one side dealt out at random.
    """

    title: str
    square: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ceiling: np.ndarray
    untrained: np.ndarray
    shuffled: np.ndarray

    def __post_init__(self) -> None:
        k = len(self.value)
        for name, shape in {
            "square": (k, k),
            **dict.fromkeys(("low", "high", "ceiling", "untrained", "shuffled"), (k,)),
        }.items():
            got = getattr(self, name).shape
            if got != shape:
                raise ValueError(f"{name} has shape {got}, but value has shape {self.value.shape}, so {shape} is due")


@dataclass(frozen=True)
class Dynamics:
    """Similarity of the linear maps that best describe the steps (DSA), at most 1.

    Attributes:
        title: What is compared.
        value: Similarity.
        low: Lower end of its 95% interval, by leaving out quarters of the instances.
        high: Upper end.
        ceiling: Of the same steps fitted on two halves of the instances.
        untrained: With an untrained network in place of the second.
        shuffled: With the steps of the second in a random order.
    """

    title: str
    value: float
    low: float
    high: float
    ceiling: float
    untrained: float
    shuffled: float


@dataclass(frozen=True)
class Similarity:
    """Similarities of one checkpoint's steps, or of two checkpoints at each step.

    Attributes:
        checkpoint: Name of the first.
        sha256: Of its weights.
        other: Name of the second; empty if the steps of one are compared, each with the last.
        ceiling_by: What the ceiling is: "split-half" of the coordinates, or a second seed by name.
        steps: T.
        seed: Of rows, halves, shuffling and the untrained network.
        n: Instances.
        n_rows: Rows compared.
        step: (K,) the steps compared.
        cka: Debiased CKA.
        procrustes: Procrustes similarity.
        dynamics: DSA: the first half of the steps with the second, or one checkpoint's with the other's.
    """

    checkpoint: str
    sha256: str
    other: str
    ceiling_by: str
    steps: int
    seed: int
    n: int
    n_rows: int
    step: np.ndarray
    cka: Alike
    procrustes: Alike
    dynamics: Dynamics


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
    other: str | None = None,
    ceiling: str | None = None,
) -> Similarity:
    """Compares states.

    Args:
        checkpoint: The first.
        instances: Of its task.
        steps: T; None takes what the instances need.
        seed: Of rows, halves, shuffling and the untrained network.
        progress: Called with the parts done and in all; what it raises stops the work.
        other: Name or path of the second checkpoint; None compares the steps of the first with its last.
        ceiling: Name or path of one of the same recipe and another seed; None takes a shipped one, or else halves.

    Raises:
        InputError: If the second reads another task, the ceiling is no second seed, or there are too few nodes to
            compare.
    """
    second = pairing.beside(checkpoint, other)
    if second is not None and second.name == checkpoint.name:
        second = replace(second, name=f"{second.name} (other)")
    seeded = pairing.second_seed(checkpoint) if ceiling is None else pairing.other_seed(checkpoint, ceiling)
    if seeded is not None:
        seeded = replace(seeded, name=f"{seeded.name} (seed {seeded.training.get('seed')})")
    steps = results.steps_for(checkpoint, instances, steps)
    rng = np.random.default_rng([seed, 15])
    sides = [side for side in (checkpoint, second, seeded) if side is not None]
    places = pairing.rows(sides, instances, rng)
    size = 16.0 * (steps + 1) * MAX_ROWS * max(side.model.shapes.width for side in sides)
    results.refuse_over(size, f"the states of {MAX_ROWS} nodes over {steps} steps", "take fewer steps")
    done, total = 0, len(sides) + 3

    def one_more() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    def states(model: Any, side: Checkpoint) -> np.ndarray:
        found = sample.states(model, places[side.name], steps)
        one_more()
        return found

    own = states(checkpoint.model, checkpoint)
    blank = states(controls.untrained(second or checkpoint, seed), second or checkpoint)
    theirs = None if second is None else states(second.model, second)
    again = None if seeded is None else states(seeded.model, seeded)
    step = np.unique(np.linspace(0, steps, min(MAX_SHOWN, steps + 1)).round().astype(int))
    instance = places[checkpoint.name].instance
    group = sample.groups_of(instances)[instance]
    shuffle = rng.permutation(len(group))

    def compared(title: str, square: Callable[[np.ndarray, np.ndarray], np.ndarray], parts: list[np.ndarray]) -> Alike:
        """One measure with its controls; the first of `parts` is all rows, the others leave some out."""

        def line(a: np.ndarray, b: np.ndarray | None, keep: np.ndarray) -> np.ndarray:
            """Each step of the first with the same step of the second, or with the last of its own."""
            if b is None:
                return square(a[:, keep], a[-1:, keep])[:, 0]
            return np.array([square(x[None, keep], y[None, keep])[0, 0] for x, y in zip(a, b, strict=True)])

        a, b, u = own[step], None if theirs is None else theirs[step], blank[step]
        every = parts[0]
        value = line(a, b, every)
        low, high = similarity.jackknife(value, [line(a, b, keep) for keep in parts[1:]])
        dealt = a[-1:].repeat(len(a), 0) if b is None else b
        return Alike(
            title=title,
            square=square(a, a if b is None else b),
            value=value,
            low=low,
            high=high,
            ceiling=line(a, again[step], every) if again is not None else _halves(a, line, every, rng),
            untrained=line(u, None, every) if b is None else line(a, u, every),
            shuffled=line(a, dealt[:, shuffle], every),
        )

    parts = [np.arange(len(group)), *similarity.without(group, FOLDS)]
    cka = compared("debiased CKA", lambda x, y: similarity.cka(similarity.kernels(x), similarity.kernels(y)), parts)
    one_more()
    procrustes = compared("Procrustes", similarity.procrustes, parts)
    one_more()
    return Similarity(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        other="" if second is None else second.name,
        ceiling_by="split-half" if seeded is None else seeded.name,
        steps=steps,
        seed=seed,
        n=len(instances),
        n_rows=len(group),
        step=step,
        cka=cka,
        procrustes=procrustes,
        dynamics=_dynamics(own, theirs, blank, group, rng, seed),
    )


def _halves(
    states: np.ndarray,
    line: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    every: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Mean likeness of two random halves of the coordinates at the same step, (K,)."""
    found = []
    for _ in range(HALVES):
        order = rng.permutation(states.shape[-1])
        half = len(order) // 2
        found.append(line(states[..., order[:half]], states[..., order[half : 2 * half]], every))
    return np.mean(found, axis=0)


def _dynamics(
    own: np.ndarray,
    theirs: np.ndarray | None,
    blank: np.ndarray,
    group: np.ndarray,
    rng: np.random.Generator,
    seed: int,
) -> Dynamics:
    """DSA with its controls; states are (T+1, N, d)."""
    middle = (len(own) - 1) // 2

    def pair(keep: np.ndarray, second: np.ndarray | None) -> float:
        one = own[:, keep]
        if second is None:
            return similarity.dsa(similarity.dynamics(one[: middle + 2]), similarity.dynamics(one[middle:]), seed)
        return similarity.dsa(similarity.dynamics(one), similarity.dynamics(second[:, keep]), seed)

    every = np.arange(len(group))
    value = pair(every, theirs)
    low, high = similarity.jackknife(
        np.array(value), [np.array(pair(keep, theirs)) for keep in similarity.without(group, DYNAMIC_FOLDS)]
    )
    odd = np.searchsorted(np.unique(group), group) % 2 == 1
    split = [similarity.dynamics(own[:, half]) for half in (odd, ~odd) if half.sum() > 1]
    later = own[middle:] if theirs is None else theirs
    mixed = later[rng.permutation(len(later))]
    start = own[: middle + 2] if theirs is None else own
    return Dynamics(
        title="steps of the first half and of the second" if theirs is None else "steps of both",
        value=value,
        low=float(low),
        high=float(high),
        ceiling=similarity.dsa(split[0], split[1], seed) if len(split) == 2 else float("nan"),
        untrained=similarity.dsa(similarity.dynamics(start), similarity.dynamics(blank), seed),
        shuffled=similarity.dsa(similarity.dynamics(start), similarity.dynamics(mixed), seed),
    )


def table(found: Similarity) -> str:
    """Each measure over the steps, its controls beside it."""
    against = f"{found.other} at the same step" if found.other else f"its own step {found.steps}"
    lines = [
        f"{found.checkpoint} and {against}: {found.n_rows} nodes of {found.n} instances, T = {found.steps}; "
        f"ceiling: {found.ceiling_by}"
    ]
    for one in (found.cka, found.procrustes):
        lines += ["", f"{'step':>6}{one.title:>14}{'95% interval':>16}{'ceiling':>10}{'untrained':>11}{'shuffled':>10}"]
        for k, t in enumerate(found.step):
            between = f"[{one.low[k]:.3f}, {one.high[k]:.3f}]"
            beside = f"{one.ceiling[k]:>10.3f}{one.untrained[k]:>11.3f}{one.shuffled[k]:>10.3f}"
            lines.append(f"{t:>6}{one.value[k]:>14.3f}{between:>16}{beside}")
    d = found.dynamics
    lines += [
        "",
        f"DSA, {d.title}: {d.value:.3f} [{d.low:.3f}, {d.high:.3f}]; ceiling {d.ceiling:.3f}, "
        f"untrained {d.untrained:.3f}, steps shuffled {d.shuffled:.3f}",
    ]
    return "\n".join(lines)
