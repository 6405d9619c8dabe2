"""Exit rules: stop thinking once little changes. Accuracy against mean steps, beside the oracle's fewest and a control.

One pass of T steps gives every rule at every threshold: what the rules look at is kept, the states are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from depthscope.core.frontier import NO_DIFFICULTY
from depthscope.probes.instrument import Bench, NoOptions, instrument, refuse_unlabelled
from depthscope.probes.maths.divergence import kl
from depthscope.probes.measuring import results
from depthscope.probes.measuring.estimate import RESAMPLES, Estimate, interval, resamples
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

TITLES = {
    "kl": "answer's distribution still",
    "change_answer": "state at the answer still",
    "change_all": "all states still",
    "stable": "answer unchanged for k steps",
}
"""The rules: each exits at the first step at which what it looks at is at most the threshold (`stable`: at least)."""

KL = 10.0 ** np.arange(-8, 0.25, 0.5)
CHANGE = 10.0 ** np.arange(-3, 0.05, 0.125)
STABLE = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128])
"""Thresholds that are tried, whatever the model."""


@dataclass(frozen=True)
class Observed:
    """What N runs of T steps left for the rules to look at.

    Attributes:
        logits: (T+1, N) logit of the answer.
        change_answer: (T, N) |h[t+1] - h[t]| / |h[t]| at the answer's node.
        change_all: (T, N) the same over all nodes together.
        label: (N,) bool.
        decidable: (N,) first step at which the oracle can answer.
        difficulty: (N,) difficulty that an instance counts with.
        group: (N,) instances of one group are resampled together.
    """

    logits: np.ndarray
    change_answer: np.ndarray
    change_all: np.ndarray
    label: np.ndarray
    decidable: np.ndarray
    difficulty: np.ndarray
    group: np.ndarray

    def __post_init__(self) -> None:
        rows, n = self.logits.shape
        check_shapes(self, (rows - 1, n), "change_answer", "change_all")
        check_shapes(self, (n,), "label", "decidable", "difficulty", "group")

    @property
    def steps(self) -> int:
        """T."""
        return len(self.logits) - 1


@dataclass(frozen=True)
class ExitCurve:
    """A way to stop, at K thresholds; all arrays and estimates are (K,).

    Attributes:
        title: What stops it.
        threshold: What it is compared with; for a fixed number of steps that number.
        accuracy: Share of right answers at the exits.
        steps: Mean steps run.
        control: Accuracy of the same exit steps given to the instances at random, so with the same mean.
        gain: Accuracy less control, both resampled together.
    """

    title: str
    threshold: np.ndarray
    accuracy: Estimate
    steps: Estimate
    control: np.ndarray
    gain: Estimate

    def __post_init__(self) -> None:
        check_shapes(self, self.threshold.shape, "accuracy", "steps", "control", "gain")


@dataclass(frozen=True)
class ExitScores(Result):
    """Exit rules of one checkpoint; after T steps a run ends if no rule stopped it.

    Attributes:
        difficulty: Difficulties of the instances; None for those that have none.
        n: Instances.
        rules: The rules by name.
        fixed: Every instance stopped at the same step, 1..T.
        oracle: Each instance stopped at the first step at which the oracle can answer, one threshold.
        untrained: All of these by name ("fixed" and "oracle" too) for an untrained network on the same instances.
    """

    difficulty: tuple[int | None, ...]
    n: int
    rules: dict[str, ExitCurve]
    fixed: ExitCurve
    oracle: ExitCurve
    untrained: dict[str, ExitCurve]

    @property
    def curves(self) -> dict[str, ExitCurve]:
        """The rules, "fixed" and "oracle"."""
        return {**self.rules, "fixed": self.fixed, "oracle": self.oracle}

    def table(self) -> str:
        """Each rule at some of its thresholds, random exits and the untrained network beside it."""
        hard = ", ".join("none" if d is None else str(d) for d in self.difficulty)
        head = f"{self.checkpoint}: {self.n} instances of difficulty {hard}, at most {self.steps} steps"
        return "\n\n".join([head, *(_block(curve, self.untrained[name]) for name, curve in self.curves.items())])


@instrument("accuracy against mean steps of rules that say when to stop", instances=200, spread=True)
def measure(bench: Bench, options: NoOptions) -> ExitScores:
    """Runs every instance for T steps once, and scores every rule on what that left.

    Source:
        KL and change of the state: Geiping et al. (2025), Scaling up test-time compute with latent reasoning (Huginn);
        halting as such: Graves (2016), Adaptive computation time.
    """
    refuse_unlabelled(bench.instances)
    n, steps = len(bench.instances), bench.steps
    bench.reserve(
        results.held_by_runs(bench.model, bench.encodings)
        + 8.0 * (n * (7 * steps + 2 + 2 * RESAMPLES) + 3 * RESAMPLES * steps),
        f"exit rules for {n} runs of {steps} steps",
    )
    bench.expect(2 * (bench.runs() + 1))  # scoring counts as one more step
    curves = []
    for model in (bench.model, bench.untrained):
        curves.append(score(_observe(bench, model), bench.rng("bootstrap"), lambda: bench.tick(0)))
        bench.tick()
    own, idle = curves
    return ExitScores(
        **bench.header,
        difficulty=tuple(None if d == NO_DIFFICULTY else d for d in dict.fromkeys(bench.difficulty.tolist())),
        n=n,
        rules={name: own[name] for name in TITLES},
        fixed=own["fixed"],
        oracle=own["oracle"],
        untrained=idle,
    )


def score(
    observed: Observed, rng: np.random.Generator, each: Callable[[], None] = lambda: None
) -> dict[str, ExitCurve]:
    """The rules, "fixed" steps and the "oracle" by name; `each` is called before every point of a curve."""
    t = np.arange(1, observed.steps + 1)
    criteria = {
        "kl": (kl(observed.logits[:-1], observed.logits[1:]), KL),
        "change_answer": (observed.change_answer, CHANGE),
        "change_all": (observed.change_all, CHANGE),
        "stable": (-unchanged(observed.logits), -STABLE[observed.steps > STABLE]),
    }
    scorer = _Scorer(observed, rng, each)
    curves = {
        name: scorer.curve(TITLES[name], np.abs(thresholds), [exits(values, x) for x in thresholds])
        for name, (values, thresholds) in criteria.items()
    }
    alike = [np.full(observed.label.shape, k) for k in t]
    first = np.clip(observed.decidable, 1, observed.steps)
    return {
        **curves,
        "fixed": scorer.curve("fixed number of steps", t.astype(float), alike),
        "oracle": scorer.curve("oracle's first decidable step", np.full(1, np.nan), [first]),
    }


def unchanged(logits: np.ndarray) -> np.ndarray:
    """For how many steps up to t = 1..T the answer has been the same, (T+1, N) -> (T, N); 0 where it just changed."""
    same = (logits[1:] > 0) == (logits[:-1] > 0)
    run, out = np.zeros(same.shape[1], dtype=np.int64), np.empty(same.shape, dtype=np.int64)
    for t, row in enumerate(same):
        run = np.where(row, run + 1, 0)
        out[t] = run
    return out


def exits(values: np.ndarray, threshold: float) -> np.ndarray:
    """First step t = 1..T at which a value is at most the threshold, (T, N) -> (N,); T where none is."""
    hit = values <= threshold
    return np.where(hit.any(0), hit.argmax(0) + 1, len(values))


@torch.inference_mode()
def _observe(bench: Bench, model: Any) -> Observed:
    n, before = len(bench.instances), torch.empty(0)
    logits, near, everywhere = (np.empty((rows, n)) for rows in (bench.steps + 1, bench.steps, bench.steps))
    for now in bench.rollout(model):
        logits[now.t, now.index] = now.readout()[0]
        if now.t > 0:
            moved = (now.state - before).square().sum(-1) * now.batch.valid  # (B, n)
            size = before.square().sum(-1) * now.batch.valid
            at = torch.arange(len(now.index), device=size.device), now.batch.answer
            near[now.t - 1, now.index] = _ratio(moved[at], size[at])
            everywhere[now.t - 1, now.index] = _ratio(moved.sum(1), size.sum(1))
        before = now.state
    label = np.array([instance.label for instance in bench.instances], dtype=bool)
    decidable = np.array([instance.first_decidable_step() for instance in bench.instances])
    return Observed(logits, near, everywhere, label, decidable, bench.difficulty, bench.group)


def _ratio(moved: torch.Tensor, size: torch.Tensor) -> np.ndarray:
    """Root of the ratio; a state that leaves zero has changed beyond measure."""
    return torch.where(moved > 0, moved / size, moved).sqrt().double().cpu().numpy()


class _Scorer:
    """Scores of exits, with resamples of whole groups; each difficulty is in every resample as often as it is there."""

    def __init__(self, observed: Observed, rng: np.random.Generator, each: Callable[[], None]) -> None:
        self.each = each
        self.right = ((observed.logits[1:] > 0) == observed.label).T.astype(float)  # (N, T)
        names, self.group = np.unique(observed.group, return_inverse=True)
        stratum = np.full(len(names), NO_DIFFICULTY)
        np.maximum.at(stratum, self.group, observed.difficulty)
        self.drawn = resamples(len(names), rng, stratum).astype(float)  # (RESAMPLES, groups)
        self.size = self.drawn @ np.bincount(self.group)  # (RESAMPLES,) instances in each
        self.fixed = self.right.mean(0)  # (T,)
        self.fixed_drawn = np.stack([self._means(column) for column in self.right.T])  # (T, RESAMPLES)

    def _means(self, values: np.ndarray) -> np.ndarray:
        """Mean of values of the instances in each resample, (N,) -> (RESAMPLES,)."""
        return self.drawn @ np.bincount(self.group, values) / self.size

    def curve(self, title: str, threshold: np.ndarray, stops: list[np.ndarray]) -> ExitCurve:
        """Scores of some exits, (N,) each, one for each threshold."""
        hits, steps, control, gain = (np.array(x) for x in zip(*map(self._point, stops), strict=True))
        n = len(self.right)
        means = [Estimate(x[:, 0], x[:, 1], x[:, 2], n) for x in (steps, gain)]
        return ExitCurve(title, threshold, Estimate.share(hits, n), means[0], control, means[1])

    def _point(self, stop: np.ndarray) -> tuple[float, tuple[float, ...], float, tuple[float, ...]]:
        """Right answers, mean steps, control and gain of one exit, the means with both ends of their intervals."""
        self.each()
        n, steps = self.right.shape
        right = self.right[np.arange(n), stop - 1]
        stopped = csr_array((np.ones(n), (stop - 1, self.group)), shape=(steps, self.drawn.shape[1]))
        control = float(np.bincount(stop - 1, np.full(n, 1 / n), steps) @ self.fixed)
        control_drawn = ((stopped @ self.drawn.T) / self.size * self.fixed_drawn).sum(0)
        gain_drawn = (self._means(right) - control_drawn).round(12)
        ends = np.full((2, 2), np.nan)
        if self.drawn.shape[1] > 1:
            ends = interval(np.stack([self._means(stop), gain_drawn]), axis=1).T + 0.0
        gain = round(right.mean() - control, 12) + 0.0
        return right.sum(), (stop.mean(), *ends[0]), control, (gain, *ends[1])


SHOWN = 8
"""Thresholds of a rule in the table; the result has them all."""


def _block(curve: ExitCurve, idle: ExitCurve) -> str:
    heads = f"{'threshold':>12}{'mean steps':>24}{'accuracy':>22}{'random exits':>14}{'gain':>25}"
    lines = [curve.title, f"{heads}{'untrained: steps':>18}{'accuracy':>10}"]
    for k in np.unique(np.linspace(0, len(curve.threshold) - 1, SHOWN).round().astype(int)):
        threshold = "" if np.isnan(curve.threshold[k]) else f"{curve.threshold[k]:.3g}"
        cells = f"{threshold:>12}{f'{curve.steps[k]:.2f}':>24}{f'{curve.accuracy[k]:.3f}':>22}"
        cells += f"{curve.control[k]:14.3f}{f'{curve.gain[k]:+.3f}':>25}"
        lines.append(f"{cells}{idle.steps.value[k]:18.2f}{idle.accuracy.value[k]:10.3f}")
    return "\n".join(lines)
