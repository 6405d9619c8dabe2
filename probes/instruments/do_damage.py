"""What edits did to the answers of many runs: how many turn, by how much, whether they come back, and when.

Owns the scoring of edited runs against the undisturbed ones; which edits these are is the business of
`probes.instruments.do` and `probes.instruments.do_battery`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthscope.probes.instrument import Bench
from depthscope.probes.maths.divergence import kl
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.shapes import check_shapes


@dataclass(frozen=True)
class Damage:
    """Answers after edits at A steps, each in a run of its own; NaN where there is no such edit.

    The figures without a step are means over the edits before the last step.

        KL = p log(p / q) + (1 - p) log((1 - p) / (1 - q)),    p = sigmoid(r(undisturbed)[T]), q = sigmoid(r(edited)[T])
        E(t -> s) = mean |r(edited at t)[s] - r(undisturbed)[s]|,                              r the logit of the answer

    Attributes:
        title: Of these edits.
        flips: (A,) share of last answers that turn.
        kl: (A,) mean KL(undisturbed || edited) of the last answer, in nats.
        graph: (A, T+1) E(t -> s), mean |change| of the answer's logit at step s; NaN before the edit.
        turned: Share of last answers that turn.
        turned_one: Share of those that turn where the undisturbed answer is 1.
        turned_zero: The same where it is 0.
        loss: Mean KL.
        disturbed: Share of runs that answer otherwise than the undisturbed run at some step from the edit on.
        recovered: Share of those that answer the same at the last step.
        recovery: Mean steps from the edit on until these answer the same for good.
    """

    title: str
    flips: Estimate
    kl: np.ndarray
    graph: np.ndarray
    turned: Estimate
    turned_one: Estimate
    turned_zero: Estimate
    loss: Estimate
    disturbed: Estimate
    recovered: Estimate
    recovery: Estimate

    def __post_init__(self) -> None:
        check_shapes(self, self.flips.shape, "kl")
        check_shapes(self, (*self.flips.shape, self.graph.shape[-1]), "graph")


def recovery_steps(base: np.ndarray, edited: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Steps from the edit on until the answer is for good what the undisturbed run's is at the same step.

    Args:
        base: (..., 1, T+1) logits of undisturbed runs.
        edited: (..., A, T+1) logits of edited ones.
        at: (A,) step of each edit.

    Returns:
        (..., A): 0 where it never differs, infinite where it differs at the last step, NaN where there is no run.
    """
    differs = (base > 0) != (edited > 0)
    t = np.arange(edited.shape[-1])
    last = np.where(differs & (t >= at[:, None]), t, -1).max(-1)
    steps = np.where(last < 0, 0.0, last + 1 - at)
    steps[last == t[-1]] = np.inf
    return np.where(np.isfinite(edited[..., -1]), steps, np.nan)


def score(
    bench: Bench, title: str, base: np.ndarray, edited: np.ndarray, at: np.ndarray, group: np.ndarray | None = None
) -> Damage:
    """Scores edited runs.

    Args:
        bench: Of the seed of the bootstrap.
        title: Of the edits.
        base: (N, T+1) logits of the undisturbed runs.
        edited: (N, A, T+1) logits of those edited at step `at`; NaN where there is none.
        at: (A,) steps.
        group: (N,) what is resampled together; None takes the instances of the bench.
    """
    group = bench.group if group is None else group
    base, edited = base[:, None].astype(np.float64), edited.astype(np.float64)
    steps = edited.shape[-1] - 1
    there = np.isfinite(edited[..., -1])  # (N, A)
    one = base[..., -1] > 0
    turned = np.where(there, one != (edited[..., -1] > 0), np.nan)
    loss = np.where(there, kl(base[..., -1], np.where(there, edited[..., -1], 0)), np.nan)
    change = np.where(there[..., None], np.abs(edited - base), np.nan)
    graph = bench.mean(np.moveaxis(change, 0, -1), group).value
    inner = at < steps if (at < steps).any() else at <= steps

    def overall(values: np.ndarray) -> Estimate:
        """Mean over the edits before the last step; instances with their twins resampled."""
        rows = values[:, inner]
        return bench.mean(rows.ravel(), np.repeat(group, rows.shape[1]))

    back = recovery_steps(base, edited, at)
    return Damage(
        title=title,
        flips=Estimate.share(np.nansum(turned, axis=0), there.sum(0)),
        kl=bench.mean(loss.T, group).value,
        graph=np.where(np.arange(steps + 1) >= at[:, None], graph, np.nan),
        turned=overall(turned),
        turned_one=overall(np.where(one, turned, np.nan)),
        turned_zero=overall(np.where(one, np.nan, turned)),
        loss=overall(loss),
        disturbed=overall(np.where(there, back > 0, np.nan)),
        recovered=overall(np.where(back > 0, np.isfinite(back), np.nan)),
        recovery=overall(np.where((back > 0) & np.isfinite(back), back, np.nan)),
    )
