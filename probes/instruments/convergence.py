"""Convergence: how far the states still move, in which direction, how far from the end, and when each node settles.

    change   |h[t] - h[t-1]| / |h[t-1]|
    turn     angle between h[t] - h[t-1] and h[t-1] - h[t-2]
    rest     |h[t] - h[T]| / |h[T]|

Each is per node; the linked views' scrubber shows the change of the whole state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.probes.measuring import controls, estimate
from depthscope.probes.measuring.alignment import Rows
from depthscope.probes.measuring.progress import Count, counted, steps_of_runs
from depthscope.probes.measuring.results import Progress, refuse_over, shown, steps_for
from depthscope.probes.reading import margins as reading, nodes as sample

SETTLED = 0.05
"""A node has settled from the first step from which it stays within this share of its size of where it ends."""

STILL = 1e-6
"""Shorter moves, as a share of the state's size, are rounding (of float32) and have no direction."""

PERMUTATIONS = 200


@dataclass(frozen=True)
class Course:
    """How one model's states come to rest, mean over nodes; arrays (T+1,) are by step.

    Attributes:
        change: Relative change; NaN at step 0.
        change_low: Lower end of its 95% interval, by bootstrap over groups of instances; NaN for a single group.
        change_high: Upper end.
        turn: Turning angle in degrees; NaN at steps 0 and 1 and where nothing moves.
        turn_low: Lower end.
        turn_high: Upper end.
        rest: Distance from the last state.
        rest_low: Lower end.
        rest_high: Upper end.
        settled: (M,) step from which each node stays within SETTLED of its end; 0..T.
        settled_share: (T+1,) nodes that have settled by then.
        spearman: Rank correlation of `settled` with how far each node is in the oracle's order; NaN where one of them
            does not vary.
        spearman_low: Lower end of its 95% interval, by bootstrap over groups of instances.
        spearman_high: Upper end.
        shuffled: (2,) 95% range of the same with distances dealt out at random within each instance.
    """

    change: np.ndarray
    change_low: np.ndarray
    change_high: np.ndarray
    turn: np.ndarray
    turn_low: np.ndarray
    turn_high: np.ndarray
    rest: np.ndarray
    rest_low: np.ndarray
    rest_high: np.ndarray
    settled: np.ndarray
    settled_share: np.ndarray
    spearman: float
    spearman_low: float
    spearman_high: float
    shuffled: np.ndarray

    def __post_init__(self) -> None:
        for name in ("change", "turn", "rest"):
            for end in ("", "_low", "_high"):
                shape = getattr(self, name + end).shape
                if shape != self.settled_share.shape:
                    raise ValueError(f"{name + end} has shape {shape}, expected {self.settled_share.shape}")


@dataclass(frozen=True)
class Convergence:
    """How one checkpoint's states come to rest.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of intervals, shuffling and the untrained model.
        steps: T.
        n: Instances.
        order: Name of the oracle's order: distance, facts, height, place.
        instance: (M,) index of each node's instance; nodes that carry a concept and have a place in the order.
        node: (M,) index of the node in it.
        far: (M,) how far it is.
        trained: Of the checkpoint.
        untrained: Of an untrained model on the same instances.
    """

    checkpoint: str
    sha256: str
    seed: int
    steps: int
    n: int
    order: str
    instance: np.ndarray
    node: np.ndarray
    far: np.ndarray
    trained: Course
    untrained: Course


def changes(hidden: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relative change |h[t]-h[t-1]| / |h[t-1]| of some nodes, (T+1, m), and of the whole state, (T+1,); 0 at step 0."""
    per_node = np.zeros((hidden.shape[0], len(nodes)))
    whole = np.zeros(hidden.shape[0])
    for t in range(1, hidden.shape[0]):
        before = hidden[t - 1].astype(np.float64)
        moved = hidden[t] - before
        whole[t] = np.linalg.norm(moved) / max(float(np.linalg.norm(before)), 1e-12)
        norm = np.maximum(np.linalg.norm(before[nodes], axis=1), 1e-12)
        per_node[t] = np.linalg.norm(moved[nodes], axis=1) / norm
    return per_node, whole


def turns(hidden: np.ndarray) -> np.ndarray:
    """Angle in degrees between a node's last two moves, (T+1, n, d) -> (T+1, n).

    NaN at steps 0 and 1 and where one of the moves is shorter than STILL of the state.
    """
    moved = np.diff(hidden.astype(np.float64), axis=0)
    size = np.linalg.norm(moved, axis=-1)
    still = STILL * np.maximum(np.linalg.norm(hidden[1:].astype(np.float64), axis=-1), 1e-12)
    moves = size > still
    cosine = (moved[1:] * moved[:-1]).sum(-1) / np.maximum(size[1:] * size[:-1], 1e-300)
    found = np.full(hidden.shape[:2], np.nan)
    found[2:] = np.where(moves[1:] & moves[:-1], np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.nan)
    return found


def rests(hidden: np.ndarray) -> np.ndarray:
    """Distance of every node from where it ends, as a share of the size of that, (T+1, n, d) -> (T+1, n)."""
    end = hidden[-1].astype(np.float64)
    return np.linalg.norm(hidden - end, axis=-1) / np.maximum(np.linalg.norm(end, axis=-1), 1e-12)


def settled(rest: np.ndarray, within: float = SETTLED) -> np.ndarray:
    """First step from which a node stays near its end, (T+1, n) -> (n,) int64."""
    away = rest > within
    return np.where(away.any(axis=0), len(rest) - np.argmax(away[::-1], axis=0), 0)


def unfit(checkpoint: Checkpoint) -> str | None:
    """Every checkpoint has states that move."""
    del checkpoint
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Convergence:
    """Follows the states of the nodes that have a place in the oracle's order.

    Args:
        checkpoint: What runs.
        instances: At least one.
        steps: T; None takes the default.
        seed: Of intervals, shuffling and the untrained model.
        progress: Called with the steps run and samples drawn, and both in all; what it raises stops the work.

    Raises:
        InputError: If no node has a place in the order, or memory is short.

    Source:
        Change and turning angle as in Geiping et al. (2025), Scaling up Test-Time Compute with Latent Reasoning;
        settling against the oracle's order is ours.
    """
    wanted = steps_for(checkpoint, instances, steps)
    encodings = reading.encoded(checkpoint, instances)
    orders = [reading.orders(checkpoint, x, e) for x, e in zip(instances, encodings, strict=True)]
    order = next(iter(orders[0]))
    where = [np.flatnonzero(o[order] >= 0) for o in orders]
    instance = np.repeat(np.arange(len(where)), [len(w) for w in where])
    if not len(instance):
        raise InputError("no node of these instances is reached by what is asked; give another instance")
    places = Rows(encodings, instance, np.concatenate(where))
    far = np.concatenate([o[order][w] for o, w in zip(orders, where, strict=True)])
    refuse_over(
        40.0 * (wanted + 1) * len(instance) * checkpoint.model.shapes.width,
        f"the states of {len(instance)} nodes over {wanted} steps",
        "take fewer instances or steps",
    )
    group, found = sample.groups_of(instances)[instance], []
    each = steps_of_runs(checkpoint.model, encodings, wanted) + 2 * PERMUTATIONS
    count = Count(progress, 2 * each)
    for done, model in enumerate((checkpoint.model, controls.untrained(checkpoint, seed)), start=1):
        hidden = sample.states(counted(model, count.more), places, wanted)
        found.append(course(hidden, group, instance, far, seed, count.more))
        count.upto(done * each)
    return Convergence(
        checkpoint.name, checkpoint.sha256, seed, wanted, len(instances), order, instance, places.node, far, *found
    )


def course(
    hidden: np.ndarray,
    group: np.ndarray,
    instance: np.ndarray,
    far: np.ndarray,
    seed: int,
    each: Callable[[], None] = lambda: None,
) -> Course:
    """How states (T+1, M, d) come to rest; `group`, `instance` and `far` are (M,).

    `each` is called after every one of at most 2 * PERMUTATIONS rank correlations of resamples.
    """
    per_node, _ = changes(hidden, np.arange(hidden.shape[1]))
    per_node[0] = np.nan
    rest = rests(hidden)
    when = settled(rest)
    return Course(
        *estimate.mean(per_node, group, seed),
        *estimate.mean(turns(hidden), group, seed),
        *estimate.mean(rest, group, seed),
        settled=when,
        settled_share=(when[None] <= np.arange(len(hidden))[:, None]).mean(axis=1),
        **_ranks(when, far, group, instance, seed, each),
    )


def _ranks(
    when: np.ndarray, far: np.ndarray, group: np.ndarray, instance: np.ndarray, seed: int, each: Callable[[], None]
) -> dict[str, Any]:
    """Rank correlation of settling with distance, its interval and what shuffled distances give."""
    from scipy.stats import spearmanr  # late: the command line starts without it

    def of(a: np.ndarray, b: np.ndarray) -> float:
        each()
        return float("nan") if np.ptp(a) == 0 or np.ptp(b) == 0 else float(np.asarray(spearmanr(a, b))[0])

    rng, names = np.random.default_rng([seed, 9]), np.unique(group)
    low = high = float("nan")
    if len(names) > 1:
        rows = {name: np.flatnonzero(group == name) for name in names}
        drawn = (np.concatenate([rows[g] for g in rng.choice(names, len(names))]) for _ in range(PERMUTATIONS))
        low, high = _range([of(when[k], far[k]) for k in drawn])
    dealt = []
    for _ in range(PERMUTATIONS):
        dealt.append(of(when, controls.permuted(far, rng, within=instance)))
    return {
        "spearman": of(when, far),
        "spearman_low": low,
        "spearman_high": high,
        "shuffled": np.array(_range(dealt)),
    }


def _range(values: Sequence[float]) -> tuple[float, float]:
    """95% range of what is finite; NaN where nothing is."""
    finite = np.array([x for x in values if np.isfinite(x)])
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, (0.025, 0.975))
    return float(low), float(high)


def table(result: Convergence) -> str:
    """The result as text."""
    lines = [f"{result.checkpoint}: {len(result.node)} nodes of {result.n} instances, {result.steps} steps"]
    heads = ("step", "change", "turn (°)", "rest", "settled", "untrained", "turn (°)", "rest", "settled")
    lines.append("  {:>4} {:>9} {:>9} {:>9} {:>8}   {:>9} {:>9} {:>9} {:>8}".format(*heads))
    for t in shown(result.steps):
        cells = [
            f"{c.change[t]:9.2g} {c.turn[t]:9.1f} {c.rest[t]:9.2g} {c.settled_share[t]:8.3f}"
            for c in (result.trained, result.untrained)
        ]
        lines.append(f"  {t:4d} {cells[0]}   {cells[1]}")
    for name, c in (("trained", result.trained), ("untrained", result.untrained)):
        lines.append(
            f"{name}: settling against {result.order}, Spearman {c.spearman:.3f} "
            f"[{c.spearman_low:.3f}, {c.spearman_high:.3f}]; shuffled {c.shuffled[0]:.3f} to {c.shuffled[1]:.3f}"
        )
    return "\n".join(lines)
