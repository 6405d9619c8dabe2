"""Exit rules: stop thinking once little changes. Accuracy against mean steps, beside the oracle's fewest and a control.

One pass of T steps gives every rule at every threshold: what the rules look at is kept, the states are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from depthscope.core.answers import batches
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.frontier import NO_DIFFICULTY, wilson
from depthscope.probes.measuring import controls, results
from depthscope.probes.measuring.progress import Count
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import margins as reading

RESAMPLES = 1000
"""Bootstrap samples behind an interval."""

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
    """

    logits: np.ndarray
    change_answer: np.ndarray
    change_all: np.ndarray
    label: np.ndarray
    decidable: np.ndarray
    difficulty: np.ndarray

    def __post_init__(self) -> None:
        rows, n = self.logits.shape
        due = {"change_answer": (rows - 1, n), "change_all": (rows - 1, n)}
        for name, shape in {**due, "label": (n,), "decidable": (n,), "difficulty": (n,)}.items():
            got = getattr(self, name).shape
            if got != shape:
                raise ValueError(
                    f"{name} has shape {got}, but logits have shape {self.logits.shape}, so {shape} is due"
                )

    @property
    def steps(self) -> int:
        """T."""
        return len(self.logits) - 1


@dataclass(frozen=True)
class ExitCurve:
    """A way to stop, at K thresholds; all arrays are (K,).

    Attributes:
        title: What stops it.
        threshold: What it is compared with; for a fixed number of steps that number.
        accuracy: Share of right answers at the exits.
        low: Lower end of its 95% interval (Wilson).
        high: Upper end.
        steps: Mean steps run.
        steps_low: Lower end of its 95% interval, by bootstrap.
        steps_high: Upper end.
        control: Accuracy of the same exit steps dealt out at random, so with the same mean.
        gain_low: Lower end of the 95% interval of accuracy less control, by bootstrap over both.
        gain_high: Upper end.
    """

    title: str
    threshold: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    steps: np.ndarray
    steps_low: np.ndarray
    steps_high: np.ndarray
    control: np.ndarray
    gain_low: np.ndarray
    gain_high: np.ndarray

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            if name != "title" and values.shape != self.threshold.shape:
                raise ValueError(f"{name} has shape {values.shape}, but threshold has shape {self.threshold.shape}")


@dataclass(frozen=True)
class ExitScores:
    """Exit rules of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        difficulty: Difficulties of the instances; None for those that have none.
        max_steps: T, where a run ends if no rule stopped it.
        n: Instances.
        rules: The rules by name.
        fixed: Every instance stopped at the same step, 1..T.
        oracle: Each instance stopped at the first step at which the oracle can answer, one threshold.
        untrained: All of these by name ("fixed" and "oracle" too) for an untrained network on the same instances.
        seed: Of the bootstrap and the untrained network.
    """

    checkpoint: str
    sha256: str
    difficulty: tuple[int | None, ...]
    max_steps: int
    n: int
    rules: dict[str, ExitCurve]
    fixed: ExitCurve
    oracle: ExitCurve
    untrained: dict[str, ExitCurve]
    seed: int

    def to_json(self, indent: int | None = None) -> str:
        """Strict JSON; what is not defined is null."""
        return dumps(asdict(self), indent=indent)


def unfit(checkpoint: Checkpoint) -> str | None:
    """Every checkpoint has an answer at every step, and states that a rule can watch."""
    del checkpoint
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ExitScores:
    """Runs every instance for T steps once, and scores every rule on what that left.

    Args:
        checkpoint: What runs.
        instances: Of its task, each with a label; twins side by side. A graph without a path has no difficulty: it
            counts with the instance before it.
        steps: T; None takes what the hardest of them needs.
        seed: Of the bootstrap and the untrained network.
        progress: Called with the steps run and in all, over all instances; what it raises stops the work.

    Raises:
        InputError: If there is no instance, one has no label, the checkpoint cannot read one, or memory is short.

    Source:
        KL and change of the state: Geiping et al. (2025), Scaling up test-time compute with latent reasoning (Huginn);
        halting as such: Graves (2016), Adaptive computation time.
    """
    steps, n = reading.steps_for(checkpoint, instances, steps), len(instances)
    if any(instance.label is None for instance in instances):
        raise InputError("an instance has no right answer to hold a model to; take it out")
    encodings = reading.encoded(checkpoint, instances)
    results.refuse_over(
        results.held_by_runs(checkpoint.model, encodings)
        + 8.0 * (n * (7 * steps + 2 + 2 * RESAMPLES) + 3 * RESAMPLES * steps),
        f"exit rules for {n} runs of {steps} steps",
        "take fewer instances or steps",
    )
    label = np.array([instance.label for instance in instances], dtype=bool)
    decidable = np.array([instance.first_decidable_step() for instance in instances])
    difficulty = _difficulties(instances)
    count = Count(progress, 2 * n * (steps + 1))  # scoring counts as one more step
    scored = []
    for model in (checkpoint.model, controls.untrained(checkpoint, seed)):
        kept = [np.empty((rows, n)) for rows in (steps + 1, steps, steps)]
        for index in batches(encodings, model.shapes.width, model.shapes.heads):
            for all_, part in zip(kept, _observe(model, [encodings[i] for i in index], steps, count.more), strict=True):
                all_[:, index] = part
        logits, near, everywhere = kept
        scored.append(
            score(Observed(logits, near, everywhere, label, decidable, difficulty), seed, lambda: count.more(0))
        )
        count.more(n)
    (rules, fixed, oracle), (idle, idle_fixed, idle_oracle) = scored
    return ExitScores(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        difficulty=tuple(None if d == NO_DIFFICULTY else d for d in dict.fromkeys(difficulty.tolist())),
        max_steps=steps,
        n=n,
        rules=rules,
        fixed=fixed,
        oracle=oracle,
        untrained={**idle, "fixed": idle_fixed, "oracle": idle_oracle},
        seed=seed,
    )


def _difficulties(instances: Sequence[Any]) -> np.ndarray:
    """Difficulty that each instance counts with, (N,); NO_DIFFICULTY for those before the first that has one."""
    found, last = [], NO_DIFFICULTY
    for instance in instances:
        last = last if instance.difficulty is None else int(instance.difficulty)
        found.append(last)
    return np.array(found)


def score(
    seen: Observed, seed: int = 0, each: Callable[[], None] = lambda: None
) -> tuple[dict[str, ExitCurve], ExitCurve, ExitCurve]:
    """The rules, fixed steps and the oracle on what was observed; `each` is called before every point of a curve."""
    t = np.arange(1, seen.steps + 1)
    criteria = {
        "kl": (kl(seen.logits), KL),
        "change_answer": (seen.change_answer, CHANGE),
        "change_all": (seen.change_all, CHANGE),
        "stable": (-unchanged(seen.logits), -STABLE[seen.steps > STABLE]),
    }
    draw = _Bootstrap(seen, seed, each)
    rules = {
        name: draw.curve(TITLES[name], np.abs(thresholds), [exits(values, x) for x in thresholds])
        for name, (values, thresholds) in criteria.items()
    }
    fixed = draw.curve("fixed number of steps", t.astype(float), [np.full(seen.label.shape, k) for k in t])
    first = np.clip(seen.decidable, 1, seen.steps)
    return rules, fixed, draw.curve("oracle's first decidable step", np.full(1, np.nan), [first])


def kl(logits: np.ndarray) -> np.ndarray:
    """KL(p[t-1] || p[t]) of successive answer distributions in nats, (T+1, N) -> (T, N)."""
    before, after = logits[:-1].astype(np.float64), logits[1:].astype(np.float64)
    p = 1 / (1 + np.exp(-np.clip(before, -700, 700)))
    log = lambda x: -np.logaddexp(0, -x)  # noqa: E731 - log of the sigmoid
    divergence = p * (log(before) - log(after)) + (1 - p) * (log(-before) - log(-after))
    return np.maximum(divergence, 0)  # rounding


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
def _observe(
    model: Any, encodings: Sequence[Encoding], steps: int, each: Callable[[int], None] = lambda count: None
) -> tuple[np.ndarray, ...]:
    """Logits (T+1, B) and changes of the state at the answer's node and over all nodes, (T, B) each.

    `each` is called with B after every step.
    """
    batch = collate(encodings).to(next(model.parameters()).device)
    rows = torch.arange(len(encodings), device=batch.answer.device)
    context = model.prepare(batch)
    state = model.initial(context)
    logits, near, everywhere = [model.readout(state, batch)[0]], [], []
    for t in range(steps):
        following = model.step(state, t, context)
        moved = (following - state).square().sum(-1) * batch.valid  # (B, n)
        size = state.square().sum(-1) * batch.valid
        near.append(_ratio(moved[rows, batch.answer], size[rows, batch.answer]))
        everywhere.append(_ratio(moved.sum(1), size.sum(1)))
        state = following
        logits.append(model.readout(state, batch)[0])
        each(len(encodings))
    return tuple(torch.stack(values).double().cpu().numpy() for values in (logits, near, everywhere))


def _ratio(moved: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Root of the ratio; a state that leaves zero has changed beyond measure."""
    return torch.where(moved > 0, moved / size, moved).sqrt()


class _Bootstrap:
    """Resamples of the instances, in pairs (twins follow each other), each difficulty as often as it is there."""

    def __init__(self, seen: Observed, seed: int, each: Callable[[], None]) -> None:
        self.each = each
        rng, n = np.random.default_rng(seed), len(seen.label)
        self.right = ((seen.logits[1:] > 0) == seen.label).T.astype(float)  # (N, T)
        weights = np.zeros((RESAMPLES, n))
        for difficulty in np.unique(seen.difficulty):
            mine = np.flatnonzero(seen.difficulty == difficulty)
            pair = np.arange(len(mine)) // 2
            pairs = pair[-1] + 1
            weights[:, mine] = rng.multinomial(pairs, np.full(pairs, 1 / pairs), size=RESAMPLES)[:, pair]
        self.weights = weights / weights.sum(1, keepdims=True)
        self.fixed, self.fixed_drawn = self.right.mean(0), self.weights @ self.right  # (T,), (RESAMPLES, T)

    def curve(self, title: str, threshold: np.ndarray, found: list[np.ndarray]) -> ExitCurve:
        """Scores of some exits, (N,) each, one for each threshold."""
        columns = [self._point(exit_) for exit_ in found]
        return ExitCurve(title, threshold, *(np.array(values) for values in zip(*columns, strict=True)))

    def _point(self, exit_: np.ndarray) -> tuple[float, ...]:
        self.each()
        n, steps = self.right.shape
        at = self.right[np.arange(n), exit_ - 1]
        low, high = wilson(np.array(at.sum()), n)
        stopped = csr_array((np.ones(n), (exit_ - 1, np.arange(n))), shape=(steps, n))
        control = float(stopped.mean(axis=1) @ self.fixed)
        control_drawn = ((stopped @ self.weights.T).T * self.fixed_drawn).sum(1)
        gain_drawn = (self.weights @ at - control_drawn).round(12)
        of_steps, of_gain = (np.quantile(x, (0.025, 0.975)) + 0.0 for x in (self.weights @ exit_, gain_drawn))
        return (at.mean(), float(low), float(high), exit_.mean(), *of_steps, control, *of_gain)


SHOWN = 8
"""Thresholds of a rule in the table; the result has them all."""


def table(result: ExitScores) -> str:
    """Each rule at some of its thresholds, random exits and the untrained network beside it."""
    hard = ", ".join("none" if d is None else str(d) for d in result.difficulty)
    head = f"{result.checkpoint}: {result.n} instances of difficulty {hard}, at most {result.max_steps} steps"
    curves = {**result.rules, "fixed": result.fixed, "oracle": result.oracle}
    return "\n\n".join([head, *(_block(curve, result.untrained[name]) for name, curve in curves.items())])


def _block(curve: ExitCurve, idle: ExitCurve) -> str:
    heads = f"{'threshold':>12}{'mean steps':>24}{'accuracy':>22}{'random exits':>14}{'gain':>18}"
    lines = [curve.title, f"{heads}{'untrained: steps':>18}{'accuracy':>10}"]
    for k in np.unique(np.linspace(0, len(curve.threshold) - 1, SHOWN).round().astype(int)):
        threshold = "" if np.isnan(curve.threshold[k]) else f"{curve.threshold[k]:.3g}"
        steps = f"{curve.steps[k]:.2f} [{curve.steps_low[k]:.2f}, {curve.steps_high[k]:.2f}]"
        accuracy = f"{curve.accuracy[k]:.3f} [{curve.low[k]:.3f}, {curve.high[k]:.3f}]"
        gain = f"[{curve.gain_low[k]:+.3f}, {curve.gain_high[k]:+.3f}]"
        line = f"{threshold:>12}{steps:>24}{accuracy:>22}{curve.control[k]:14.3f}{gain:>18}"
        lines.append(f"{line}{idle.steps[k]:18.2f}{idle.accuracy[k]:10.3f}")
    return "\n".join(lines)
