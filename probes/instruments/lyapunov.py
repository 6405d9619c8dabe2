"""Lyapunov exponents: how fast a small disturbance of the states grows or dies along a run.

    V[t] = dF/dh (h[t]) Q[t],   Q[t+1] R[t+1] = V[t],   exponent k = mean over t of log |R[t+1][k, k]|

All nodes of one instance are one state. The map and its derivative are `probes.maths.step_map`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from depthscope.core.errors import InputError
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.maths.step_map import StepMap
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

EXPONENTS, MOST = 3, 64

DEAD = 1e-300
"""What a direction that the map wipes out counts as; its logarithm is about -690."""


@dataclass(frozen=True)
class Exponents:
    """Exponents of one model over N instances, in nats a step; K exponents, largest first.

    Attributes:
        each: (N, K) of every instance over all steps.
        mean: (K,) over the instances.
        late: (K,) the same over the second half of the steps alone.
        growth: (T, K) mean of log |R[k, k]| at each step.
    """

    each: np.ndarray
    mean: Estimate
    late: Estimate
    growth: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.each.shape[1:], "mean", "late")


@dataclass(frozen=True)
class Lyapunov(Result):
    """Exponents of one checkpoint.

    Attributes:
        n: Instances.
        trained: Of the checkpoint.
        untrained: Of an untrained model on the same instances.
    """

    n: int
    trained: Exponents
    untrained: Exponents

    def table(self) -> str:
        """The exponents over all steps and late ones, trained and untrained."""
        lines = [
            f"{self.checkpoint}: {self.n} instances, {self.steps} steps; nats a step, below 0 disturbances die out",
            f"  {'model':<10} {'k':>2}  {'all steps':>26}  {'second half':>26}",
        ]
        for name, values in (("trained", self.trained), ("untrained", self.untrained)):
            for k, (mean, late) in enumerate(zip(values.mean, values.late, strict=True), start=1):
                lines.append(f"  {name:<10} {k:>2}  {f'{mean:.4f}':>26}  {f'{late:.4f}':>26}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Options:
    """Of the command and the form."""

    exponents: int = option(EXPONENTS, f"how many (default {EXPONENTS})", type=int, metavar="K")


@instrument("how fast a small disturbance of the states grows or dies along a run", options=Options, instances=8)
def measure(bench: Bench, options: Options) -> Lyapunov:
    """Follows a few directions along every instance's run, of the checkpoint and of an untrained model.

    Source:
        Benettin et al. (1980) for the QR method; Vogt et al. (2022), On Lyapunov Exponents for RNNs, for its use here.
    """
    if not 1 <= options.exponents <= MOST:
        raise InputError(f"exponents should be from 1 to {MOST} (got {options.exponents})")
    bench = bench.for_all()
    size = max(e.n_nodes for e in bench.encodings) * bench.model.shapes.width
    numbers = size * (bench.steps + 1 + 3 * options.exponents)
    bench.reserve(8 * numbers, "the run and its directions", "take a smaller instance or fewer steps")
    bench.expect(2 * len(bench.instances))
    trained, untrained = (_exponents(bench, model, options.exponents) for model in (bench.model, bench.untrained))
    return Lyapunov(**bench.header, n=len(bench.instances), trained=trained, untrained=untrained)


def _exponents(bench: Bench, model: object, exponents: int) -> Exponents:
    logs = []
    for encoding in bench.encodings:
        logs.append(growth(StepMap(bench.checkpoint, encoding, model), bench.steps, exponents, bench.seed))
        bench.tick()
    all_logs = np.stack(logs)  # (N, T, K)
    each, late = all_logs.mean(axis=1), all_logs[:, bench.steps // 2 :].mean(axis=1)
    return Exponents(each, bench.mean(each.T), bench.mean(late.T), growth=all_logs.mean(axis=0))


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
