"""Exit rules: stop thinking once little changes. Accuracy against mean steps, beside the oracle's fewest and a control.

One pass of T steps gives every rule at every threshold: what the rules look at is kept, the states are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from core import tasks
from core.answers import MAX_STEPS, batches
from core.checkpoint import Checkpoint
from core.encoding import Encoding, collate
from core.errors import InputError
from core.frontier import NO_DIFFICULTY, wilson
from core.plain import dumps

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
        difficulty: (N,) difficulty of the group that an instance came in.
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
    """

    checkpoint: str
    sha256: str
    difficulty: tuple[int | None, ...]
    max_steps: int
    n: int
    rules: dict[str, ExitCurve]
    fixed: ExitCurve
    oracle: ExitCurve

    def to_json(self, indent: int | None = None) -> str:
        """Strict JSON; what is not defined is null."""
        return dumps(asdict(self), indent=indent)


def measure(
    checkpoint: Checkpoint,
    groups: Iterable[tuple[int, Sequence[Any]]],
    steps: int,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> ExitScores:
    """Runs every instance for T steps once, and scores every rule on what that left.

    Args:
        checkpoint: What runs.
        groups: Pairs of a difficulty and its instances, as `core.frontier.drawn` and `grouped` give them.
        steps: T.
        seed: Of the bootstrap.
        progress: Called after each batch with the number of instances done so far; what it raises stops the work.

    Raises:
        InputError: If there is no instance, the checkpoint cannot read one, or a number is out of range.

    Source:
        KL and change of the state: Geiping et al. (2025), Scaling up test-time compute with latent reasoning (Huginn);
        halting as such: Graves (2016), Adaptive computation time.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise InputError(f"steps should be from 1 to {MAX_STEPS} (got {steps})")
    parts, done, task = [], 0, tasks.get(checkpoint.config.task)
    for difficulty, instances in groups:
        encodings = [task.encode(instance, checkpoint.config) for instance in instances]
        kept = [np.empty((rows, len(instances))) for rows in (steps + 1, steps, steps)]
        for index in batches(encodings, checkpoint.config.width, checkpoint.config.heads):
            for all_, part in zip(kept, _observe(checkpoint, [encodings[i] for i in index], steps), strict=True):
                all_[:, index] = part
            done += len(index)
            if progress is not None:
                progress(done)
        label = np.array([instance.label for instance in instances], dtype=bool)
        decidable = np.array([instance.first_decidable_step() for instance in instances])
        parts.append((*kept, label, decidable, np.full(len(instances), difficulty)))
    if not done:
        raise InputError("exit rules need at least one instance")
    seen = Observed(*(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True)))
    difficulties = tuple(None if d == NO_DIFFICULTY else d for d in dict.fromkeys(seen.difficulty.tolist()))
    return ExitScores(checkpoint.name, checkpoint.sha256, difficulties, steps, done, *score(seen, seed))


def score(seen: Observed, seed: int = 0) -> tuple[dict[str, ExitCurve], ExitCurve, ExitCurve]:
    """The rules, fixed steps and the oracle on what was observed."""
    t = np.arange(1, seen.steps + 1)
    criteria = {
        "kl": (kl(seen.logits), KL),
        "change_answer": (seen.change_answer, CHANGE),
        "change_all": (seen.change_all, CHANGE),
        "stable": (-unchanged(seen.logits), -STABLE[seen.steps > STABLE]),
    }
    draw = _Bootstrap(seen, seed)
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
def _observe(checkpoint: Checkpoint, encodings: Sequence[Encoding], steps: int) -> tuple[np.ndarray, ...]:
    """Logits (T+1, B) and changes of the state at the answer's node and over all nodes, (T, B) each."""
    model = checkpoint.model
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
    return tuple(torch.stack(values).double().cpu().numpy() for values in (logits, near, everywhere))


def _ratio(moved: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Root of the ratio; a state that leaves zero has changed beyond measure."""
    return torch.where(moved > 0, moved / size, moved).sqrt()


class _Bootstrap:
    """Resamples of the instances, in pairs (twins follow each other), each difficulty as often as it is there."""

    def __init__(self, seen: Observed, seed: int) -> None:
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
        n, steps = self.right.shape
        at = self.right[np.arange(n), exit_ - 1]
        low, high = wilson(np.array(at.sum()), n)
        stopped = csr_array((np.ones(n), (exit_ - 1, np.arange(n))), shape=(steps, n))
        control = float(stopped.mean(axis=1) @ self.fixed)
        control_drawn = ((stopped @ self.weights.T).T * self.fixed_drawn).sum(1)
        gain_drawn = (self.weights @ at - control_drawn).round(12)
        of_steps, of_gain = (np.quantile(x, (0.025, 0.975)) + 0.0 for x in (self.weights @ exit_, gain_drawn))
        return (at.mean(), float(low), float(high), exit_.mean(), *of_steps, control, *of_gain)
