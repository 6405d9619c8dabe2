"""Commitment: from which step the answer stays, and from which step a probe of the state already knew it.

    t_out   first step from which the sign of the answer's logit stays what it is at the end
    t_rep   first step from which a probe of the answer's state says that same answer, and goes on to
    gap     t_out - t_rep: for how many steps the state holds an answer that is not yet said

The probe is a logistic regression per step, cross-validated over groups of instances, or the one that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from depthscope.core import tasks
from depthscope.core.answers import batches
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.probes.measuring import controls, estimate, results
from depthscope.probes.measuring.progress import Count, steps_of_runs
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import linear_probe, margins as reading
from depthscope.probes.reading.nodes import groups_of

FOLDS, FEWEST = 5, 40
"""Parts of the cross-validation, and the instances it needs."""

PERMUTATIONS = 5
"""Permuted controls, of which the mean is taken: a single one has the right sign by chance half of the time."""

FITTED, STORED, NONE = "fitted", "stored", "none"
OWN, PERMUTED, UNTRAINED = "own", "permuted", "untrained"


@dataclass(frozen=True)
class Span:
    """A mean in steps with its 95% interval, by bootstrap over groups; NaN where there is none."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Part:
    """Commitment over some of the instances.

    Attributes:
        name: "all", or "yes" and "no" by the last answer.
        n: Instances.
        t_out: Step at which the answer stays.
        t_rep: Step at which the probe knows it; T + 1 where it never does.
        gap: t_out - t_rep.
        out_late: t_out less the oracle's first decidable step.
        rep_late: t_rep less the same.
        permuted: t_rep of probes fitted to the answers of other instances, the mean of PERMUTATIONS.
        untrained: t_rep of a probe of an untrained model's states.
    """

    name: str
    n: int
    t_out: Span
    t_rep: Span
    gap: Span
    out_late: Span
    rep_late: Span
    permuted: Span
    untrained: Span


@dataclass(frozen=True)
class Commitment:
    """When N runs of T steps commit themselves.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        steps: T.
        seed: Of folds, permutation, untrained model and bootstrap.
        probe: "fitted", "stored", or "none" where there are too few instances and no probe is stored.
        parts: Over all instances, and by the last answer.
        t_out: (N,) steps.
        t_rep: (N,) steps, T + 1 for never; NaN without a probe.
        decidable: (N,) first step at which the oracle can decide; NaN where it never can.
        answer: (N,) bool, the last answer.
        right: (N,) bool, whether it is right.
        accuracy: (T+1,) share of instances whose last answer the probe names at a step; NaN without a probe.
        accuracy_permuted: (T+1,) the same of the permuted control, against the true last answers.
        accuracy_untrained: (T+1,) the same of the untrained control.
    """

    checkpoint: str
    sha256: str
    steps: int
    seed: int
    probe: str
    parts: tuple[Part, ...]
    t_out: np.ndarray
    t_rep: np.ndarray
    decidable: np.ndarray
    answer: np.ndarray
    right: np.ndarray
    accuracy: np.ndarray
    accuracy_permuted: np.ndarray
    accuracy_untrained: np.ndarray

    def __post_init__(self) -> None:
        for name in ("t_rep", "decidable", "answer", "right"):
            got = getattr(self, name).shape
            if got != self.t_out.shape:
                raise ValueError(f"{name} has shape {got}, but t_out has shape {self.t_out.shape}")


def unfit(checkpoint: Checkpoint) -> str | None:
    """Every model has an answer and a state it is read from."""
    del checkpoint
    return None


@threadpool_limits.wrap(limits=1, user_api="blas")  # many small regressions: threads only wait for each other
def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    probe: str | None = None,
) -> Commitment:
    """Runs the instances and says from when each answer stands, outside and inside.

    Args:
        checkpoint: What runs.
        instances: Of its task; twins side by side fall into the same fold.
        steps: T; None takes what the hardest of them needs.
        seed: Of folds, permutation, untrained model and bootstrap.
        progress: Called with the steps run and regressions done, and both in all; what it raises stops the work.
        probe: "fitted" or "stored"; None fits one where there are enough instances.

    Raises:
        InputError: If the checkpoint cannot read an instance, or there is no such probe.

    Source:
        Dynamics Within Latent Chain-of-Thought (2026), for the two times; the controls are ours.
    """
    steps = reading.steps_for(checkpoint, instances, steps)
    task, n = tasks.get(checkpoint.config.task), len(instances)
    encodings = [task.encode(instance, checkpoint.config) for instance in instances]
    wide = checkpoint.model.shapes.width * (1 + (checkpoint.config.readout == "pair"))
    results.refuse_over(12.0 * (steps + 1) * n * wide, "the states of these answers", "take fewer instances or steps")
    runs = steps_of_runs(checkpoint.model, encodings, steps)
    count = Count(progress, 2 * runs + (2 + PERMUTATIONS) * FOLDS * (steps + 1))
    logits, states = _run(checkpoint.model, encodings, steps, count.more)
    answer, group = logits[-1] > 0, groups_of(instances)
    kind = _kind(checkpoint, probe, answer, group)
    said: dict[str, list[np.ndarray]] = {OWN: [], PERMUTED: [], UNTRAINED: []}
    if kind == STORED:
        said[OWN].append(_stored(checkpoint, states, encodings))
    elif kind == FITTED:
        rng = np.random.default_rng([seed, 6])
        blank = _run(controls.untrained(checkpoint, seed), encodings, steps, count.more)[1]
        mixed = [(PERMUTED, states, controls.permuted(answer, rng)) for _ in range(PERMUTATIONS)]
        plans = [(OWN, states, answer), *mixed, (UNTRAINED, blank, answer)]
        for name, inputs, labels in plans:
            said[name].append(_cross_validated(inputs, labels, group, seed, count.more))
    count.upto(count.total)
    times, accuracy = {}, {}
    for name, runs in said.items():
        stays = [_stays(x > 0, answer, steps + 1) for x in runs] or [np.full(n, np.nan)]
        right = [((x > 0) == answer).mean(1) for x in runs] or [np.full(steps + 1, np.nan)]
        times[name], accuracy[name] = np.mean(stays, axis=0), np.mean(right, axis=0)
    t_out = _stays(logits > 0, answer, steps + 1)
    decidable = _decidable(checkpoint, instances, encodings)
    rows = {"all": np.ones(n, dtype=bool), "yes": answer, "no": ~answer}
    values = {
        "t_out": t_out.astype(float),
        "t_rep": times[OWN],
        "gap": t_out - times[OWN],
        "out_late": t_out - decidable,
        "rep_late": times[OWN] - decidable,
        PERMUTED: times[PERMUTED],
        UNTRAINED: times[UNTRAINED],
    }
    parts = []
    for name, mask in rows.items():
        if mask.any():
            spans = {key: _span(x[mask], group[mask], seed) for key, x in values.items()}
            parts.append(Part(name, int(mask.sum()), **spans))
    labels = np.array([-1 if x.label is None else x.label for x in instances])
    return Commitment(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        steps=steps,
        seed=seed,
        probe=kind,
        parts=tuple(parts),
        t_out=t_out,
        t_rep=times[OWN],
        decidable=decidable,
        answer=answer,
        right=answer == labels,
        accuracy=accuracy[OWN],
        accuracy_permuted=accuracy[PERMUTED],
        accuracy_untrained=accuracy[UNTRAINED],
    )


def _stays(said: np.ndarray, answer: np.ndarray, never: int) -> np.ndarray:
    """First step from which what is said is the answer to the end, (T+1, N) and (N,) -> (N,); `never` if it is not."""
    wrong = said != answer
    rows = len(said)
    first = np.where(wrong.any(0), rows - np.argmax(wrong[::-1], axis=0), 0)
    return np.where(first == rows, never, first)


def _kind(checkpoint: Checkpoint, wanted: str | None, answer: np.ndarray, group: np.ndarray) -> str:
    """Which probe there is."""
    enough = len(answer) >= FEWEST and len(np.unique(group)) >= FOLDS and min(answer.sum(), (~answer).sum()) >= FOLDS
    if wanted not in (None, FITTED, STORED):
        raise InputError(f"a probe is {FITTED} or {STORED} (got {wanted!r:.40})")
    if wanted == FITTED and not enough:
        raise InputError(
            f"a probe is fitted to at least {FEWEST} instances, {FOLDS} with each answer; "
            "take more of them, or easier and harder ones"
        )
    if wanted == STORED and linear_probe.load(checkpoint) is None:
        raise InputError(
            f"no probes are stored with {checkpoint.name}; fit them with: depthscope probe fit, where it can"
        )
    if wanted is None:
        wanted = FITTED if enough else STORED if linear_probe.load(checkpoint) is not None else NONE
    return wanted


def _stored(checkpoint: Checkpoint, states: np.ndarray, encodings: Sequence[Encoding]) -> np.ndarray:
    """Logits of the stored probes at the answers, (T+1, N); where they read offsets, of the one that is asked for."""
    probe = linear_probe.load(checkpoint)
    assert probe is not None
    logits = torch.from_numpy(probe.logits(states[..., : probe.weight.shape[-1]]))
    if not probe.values:
        return logits.numpy()
    same = torch.tensor([[e.asked == value for value in probe.values] for e in encodings])  # (N, K)
    wanted, known = same.long().argmax(-1), same.any(-1)
    return reading.log_odds(logits, wanted.expand(logits.shape[:2]), known).numpy()


def _cross_validated(
    states: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    seed: int,
    each: Callable[[], None],
) -> np.ndarray:
    """What a probe per step says of instances it was not fitted on, (T+1, N, d) -> (T+1, N) logits.

    `each` is called after every regression.
    """
    names = np.random.default_rng([seed, 7]).permutation(np.unique(group))
    fold, said = np.zeros(len(group), dtype=int), np.empty(states.shape[:2])
    for k in range(FOLDS):
        fold[np.isin(group, names[k::FOLDS])] = k
    for k in range(FOLDS):
        own, rest = fold == k, fold != k
        probe = linear_probe.fit_steps(states[:, rest], np.tile(labels[rest], (len(states), 1)), "answer", each)
        said[:, own] = probe.logits(states[:, own])
    return said


@torch.inference_mode()
def _run(
    model: Any, encodings: Sequence[Encoding], steps: int, each: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the answers, (T+1, N), and the states they are read from, (T+1, N, d): a pair's are answer, source.

    `each` is called after every step.
    """
    pair, width = model.config.readout == "pair", model.shapes.width
    logits = np.empty((steps + 1, len(encodings)))
    states = np.empty((steps + 1, len(encodings), width * (1 + pair)), dtype=np.float32)
    for index in batches(encodings, width, model.shapes.heads):
        batch = collate([encodings[i] for i in index]).to(next(model.parameters()).device)
        rows = torch.arange(len(index), device=batch.answer.device)
        context = model.prepare(batch)
        h = model.initial(context)
        for t in range(steps + 1):
            logits[t, index] = model.readout(h, batch)[0].double().cpu().numpy()
            ends = (batch.answer, batch.source) if pair else (batch.answer,)
            states[t, index] = torch.cat([h[rows, end] for end in ends], dim=-1).float().cpu().numpy()
            if t < steps:
                h = model.step(h, t, context)
                each()
    return logits, states


def _decidable(checkpoint: Checkpoint, instances: Sequence[Any], encodings: Sequence[Encoding]) -> np.ndarray:
    """First step at which the oracle can decide the answer, (N,) float; NaN for never."""
    if checkpoint.config.task == "logic":
        steps = np.array([encoding.known_from[encoding.answer] for encoding in encodings], dtype=float)
    else:
        steps = np.array([instance.first_decidable_step() for instance in instances], dtype=float)
    return np.where(steps >= NEVER, np.nan, steps)


def _span(values: np.ndarray, group: np.ndarray, seed: int) -> Span:
    return Span(*(float(x) for x in estimate.mean(values, group, seed)))


def table(result: Commitment) -> str:
    """The times with their controls, over all and by answer."""
    of = {FITTED: "a cross-validated probe", STORED: "the stored probe", NONE: "no probe: too few instances"}
    out = [
        f"{result.checkpoint}: {len(result.t_out)} instances, T = {result.steps}, {of[result.probe]}; "
        f"{result.right.mean():.3f} of the answers right",
        "",
        f"{'answer':<8}{'n':>6}" + "".join(f"{name:>24}" for name in ("t_out", "t_rep", "gap")),
    ]
    for part in result.parts:
        out.append(
            f"{part.name:<8}{part.n:>6}" + "".join(f"{_text(x):>24}" for x in (part.t_out, part.t_rep, part.gap))
        )
    out += ["", f"{'answer':<14}" + "".join(f"{x:>24}" for x in ("t_out - oracle", "t_rep - oracle"))]
    out[-1] += "".join(f"{x:>24}" for x in ("t_rep, permuted", "t_rep, untrained"))
    for part in result.parts:
        spans = (part.out_late, part.rep_late, part.permuted, part.untrained)
        out.append(f"{part.name:<14}" + "".join(f"{_text(x):>24}" for x in spans))
    return "\n".join(out)


def _text(span: Span) -> str:
    return "-" if np.isnan(span.mean) else f"{span.mean:.2f} [{span.low:.2f}, {span.high:.2f}]"
