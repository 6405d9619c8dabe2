"""Lyapunov exponents: how fast a small disturbance of the states grows or dies along a run.

    V[t] = dF/dh (h[t]) Q[t],   Q[t+1] R[t+1] = V[t],   exponent k = mean over t of log |R[t+1][k, k]|

All nodes of one instance are one state. The map and its derivative are `probes.maths.step_map`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.probes.maths.step_map import StepMap
from depthscope.probes.measuring import controls, estimate
from depthscope.probes.measuring.results import Progress, refuse_over, steps_for
from depthscope.probes.reading.nodes import groups_of

EXPONENTS, MOST = 3, 64

DEAD = 1e-300
"""What a direction that the map wipes out counts as; its logarithm is about -690."""


@dataclass(frozen=True)
class Exponents:
    """Exponents of one model over N instances, in nats a step; K exponents, largest first.

    Attributes:
        each: (N, K) of every instance over all steps.
        mean: (K,) over the instances.
        low: (K,) lower end of its 95% interval, by bootstrap over groups of instances; NaN for a single group.
        high: (K,) upper end.
        late: (K,) mean over the second half of the steps alone.
        late_low: (K,) lower end.
        late_high: (K,) upper end.
        growth: (T, K) mean of log |R[k, k]| at each step.
    """

    each: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    late: np.ndarray
    late_low: np.ndarray
    late_high: np.ndarray
    growth: np.ndarray

    def __post_init__(self) -> None:
        for name in ("mean", "low", "high", "late", "late_low", "late_high"):
            shape = getattr(self, name).shape
            if shape != self.each.shape[1:]:
                raise ValueError(f"{name} has shape {shape}, but each has shape {self.each.shape}")


@dataclass(frozen=True)
class Lyapunov:
    """Exponents of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of the directions that are followed and of the untrained model.
        steps: T.
        n: Instances.
        trained: Of the checkpoint.
        untrained: Of an untrained model on the same instances.
    """

    checkpoint: str
    sha256: str
    seed: int
    steps: int
    n: int
    trained: Exponents
    untrained: Exponents


def unfit(checkpoint: Checkpoint) -> str | None:
    """Why there are no exponents; None: every recurrent model has a derivative along its run."""
    del checkpoint
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    exponents: int = EXPONENTS,
) -> Lyapunov:
    """Follows a few directions along every instance's run, of the checkpoint and of an untrained model.

    Args:
        checkpoint: What runs.
        instances: At least one.
        steps: T; None takes the default.
        seed: Of the directions and the untrained model.
        progress: Called with the runs done and in all; what it raises stops the work.
        exponents: K, how many.

    Raises:
        InputError: If a number is out of range, the states grow beyond all numbers, or memory is short.

    Source:
        Benettin et al. (1980) for the QR method; Vogt et al. (2022), On Lyapunov Exponents for RNNs, for its use here.
    """
    wanted, task = steps_for(checkpoint, instances, steps), tasks.get(checkpoint.config.task)
    if not 1 <= exponents <= MOST:
        raise InputError(f"exponents should be from 1 to {MOST} (got {exponents})")
    encodings = [task.encode(x, checkpoint.config) for x in instances]
    size = max(e.n_nodes for e in encodings) * checkpoint.model.shapes.width
    refuse_over(
        8 * size * (wanted + 1 + 3 * exponents), "the run and its directions", "take a smaller instance or fewer steps"
    )
    group, found, done = groups_of(instances), [], 0
    for model in (checkpoint.model, controls.untrained(checkpoint, seed)):
        growths = []
        for encoding in encodings:
            growths.append(growth(StepMap(checkpoint, encoding, model), wanted, exponents, seed))
            done += 1
            if progress is not None:
                progress(done, 2 * len(encodings))
        found.append(_summed(np.stack(growths), group, seed))
    return Lyapunov(checkpoint.name, checkpoint.sha256, seed, wanted, len(instances), *found)


def growth(of: StepMap, steps: int, exponents: int, seed: int = 0) -> np.ndarray:
    """Log of how much each of K orthogonal directions grows at each step of a run, (T, K).

    Raises:
        InputError: If the states of the run are not finite.
    """
    k = min(exponents, of.size)
    run = of.run(of.start, steps)
    if not bool(torch.isfinite(run).all()):
        raise InputError("the states of this run grow beyond all numbers; take fewer steps")
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((of.size, k)))
    logs = np.full((steps, exponents), np.nan)
    for t in range(steps):
        moved = [of.derivative(run[t], torch.from_numpy(np.ascontiguousarray(v)), t).numpy() for v in q.T]
        q, r = np.linalg.qr(np.column_stack(moved))
        logs[t, :k] = np.log(np.maximum(np.abs(np.diagonal(r)), DEAD))
    return logs


def _summed(logs: np.ndarray, group: np.ndarray, seed: int) -> Exponents:
    """Exponents from growths (N, T, K)."""
    each, late = logs.mean(axis=1), logs[:, logs.shape[1] // 2 :].mean(axis=1)
    whole, second = estimate.mean(each.T, group, seed), estimate.mean(late.T, group, seed)
    return Exponents(each, *whole, *second, growth=logs.mean(axis=0))


def table(result: Lyapunov) -> str:
    """The result as text."""
    lines = [
        f"{result.checkpoint}: {result.n} instances, {result.steps} steps; nats a step, below 0 what is disturbed heals"
    ]
    lines.append("  {:<10} {:>2}  {:>26}  {:>26}".format("model", "k", "all steps", "second half"))
    for name, found in (("trained", result.trained), ("untrained", result.untrained)):
        for k in range(len(found.mean)):
            whole = f"{found.mean[k]:.4f} [{found.low[k]:.4f}, {found.high[k]:.4f}]"
            late = f"{found.late[k]:.4f} [{found.late_low[k]:.4f}, {found.late_high[k]:.4f}]"
            lines.append(f"  {name:<10} {k + 1:>2}  {whole:>26}  {late:>26}")
    return "\n".join(lines)
