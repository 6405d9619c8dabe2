"""What edits did to the answers of many runs: how many turn, by how much, whether they come back, and when.

Owns the scoring of edited runs against the undisturbed ones; which edits these are is the business of
`probes.instruments.do` and `probes.instruments.do_battery`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core.frontier import wilson
from depthscope.probes.instruments.exit import kl
from depthscope.probes.measuring import estimate


@dataclass(frozen=True)
class Damage:
    """Answers after edits at A steps, each in a run of its own; NaN where there is no such edit.

    Intervals are 95%: Wilson for the share of answers that turn at one step, else by bootstrap over groups of instances
    (NaN with one group). The figures without a step are means over the edits before the last step.

        KL = p log(p / q) + (1 - p) log((1 - p) / (1 - q)),    p = sigmoid(r(undisturbed)[T]), q = sigmoid(r(edited)[T])
        E(t -> s) = mean |r(edited at t)[s] - r(undisturbed)[s]|,                              r the logit of the answer

    Attributes:
        title: Of these edits.
        n: (A,) runs behind each step.
        flips: (A,) share of last answers that turn.
        flips_low: (A,) lower end (Wilson).
        flips_high: (A,) upper end.
        kl: (A,) mean KL(undisturbed || edited) of the last answer, in nats.
        graph: (A, T+1) E(t -> s), mean |change| of the answer's logit at step s; NaN before the edit.
        turned: Share of last answers that turn.
        turned_low: Lower end.
        turned_high: Upper end.
        turned_one: Share of those that turn where the undisturbed answer is 1.
        turned_one_low: Lower end.
        turned_one_high: Upper end.
        turned_zero: The same where it is 0.
        turned_zero_low: Lower end.
        turned_zero_high: Upper end.
        loss: Mean KL.
        loss_low: Lower end.
        loss_high: Upper end.
        disturbed: Share of runs that answer otherwise than the undisturbed run at some step from the edit on.
        disturbed_low: Lower end.
        disturbed_high: Upper end.
        recovered: Share of those that answer the same at the last step.
        recovered_low: Lower end.
        recovered_high: Upper end.
        recovery: Mean steps from the edit on until these answer the same for good.
        recovery_low: Lower end.
        recovery_high: Upper end.
    """

    title: str
    n: np.ndarray
    flips: np.ndarray
    flips_low: np.ndarray
    flips_high: np.ndarray
    kl: np.ndarray
    graph: np.ndarray
    turned: float
    turned_low: float
    turned_high: float
    turned_one: float
    turned_one_low: float
    turned_one_high: float
    turned_zero: float
    turned_zero_low: float
    turned_zero_high: float
    loss: float
    loss_low: float
    loss_high: float
    disturbed: float
    disturbed_low: float
    disturbed_high: float
    recovered: float
    recovered_low: float
    recovered_high: float
    recovery: float
    recovery_low: float
    recovery_high: float

    def __post_init__(self) -> None:
        for name in ("flips", "flips_low", "flips_high", "kl"):
            if getattr(self, name).shape != self.n.shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, but n has shape {self.n.shape}")
        if self.graph.shape[:1] != self.n.shape:
            raise ValueError(f"graph has shape {self.graph.shape}, but n has shape {self.n.shape}")


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


def score(title: str, base: np.ndarray, edited: np.ndarray, at: np.ndarray, group: np.ndarray, seed: int) -> Damage:
    """Scores edited runs.

    Args:
        title: Of the edits.
        base: (N, T+1) logits of the undisturbed runs.
        edited: (N, A, T+1) logits of those edited at step `at`; NaN where there is none.
        at: (A,) steps.
        group: (N,) what is resampled together.
        seed: Of the bootstrap.
    """
    base, edited = base[:, None].astype(np.float64), edited.astype(np.float64)
    steps = edited.shape[-1] - 1
    there = np.isfinite(edited[..., -1])  # (N, A)
    turned = np.where(there, (base[..., -1] > 0) != (edited[..., -1] > 0), np.nan)
    loss = kl(np.stack([np.broadcast_to(base[..., -1], there.shape), np.where(there, edited[..., -1], 0)]))[0]
    loss[~there] = np.nan
    back = recovery_steps(base, edited, at)
    n, count = there.sum(0), np.nansum(turned, axis=0)
    low, high = (np.where(n > 0, x, np.nan) for x in wilson(count, np.maximum(n, 1)))
    gone = np.where(there[..., None], np.abs(edited - base), np.nan)
    graph = np.where(np.arange(steps + 1) >= at[:, None], estimate.mean(np.moveaxis(gone, 0, -1), group).value, np.nan)
    inner = at < steps if (at < steps).any() else at <= steps

    def overall(values: np.ndarray) -> list[float]:
        """Mean over the edits before the last step, with its interval; instances with their twins resampled."""
        rows = values[:, inner]
        return [float(x) for x in estimate.mean(rows.ravel(), np.repeat(group, rows.shape[1]), seed)]

    hurt = np.where(there, back > 0, np.nan)
    home = np.where(back > 0, np.isfinite(back), np.nan)
    took = np.where((back > 0) & np.isfinite(back), back, np.nan)
    values: Any = (
        title,
        n,
        np.where(n > 0, count / np.maximum(n, 1), np.nan),
        low,
        high,
        estimate.mean(loss.T, group).value,
        graph,
        *overall(turned),
        *overall(np.where(base[..., -1] > 0, turned, np.nan)),
        *overall(np.where(base[..., -1] > 0, np.nan, turned)),
        *overall(loss),
        *overall(hurt),
        *overall(home),
        *overall(took),
    )
    return Damage(*values)
