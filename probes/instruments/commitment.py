"""Commitment: from which step the answer stays, and from which step a probe of the state already knew it.

    t_out   first step from which the sign of the answer's logit stays what it is at the end
    t_rep   first step from which a probe of the answer's state says that same answer, and goes on to
    gap     t_out - t_rep: for how many steps the state holds an answer that is not yet said

The probe is a logistic regression per step, cross-validated over groups of instances, or the one that is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.errors import InputError
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.maths.movement import stays_from
from depthscope.probes.measuring import controls
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes
from depthscope.probes.reading import linear_probe, margins as reading

FOLDS, FEWEST = 5, 40
"""Parts of the cross-validation, and the instances it needs."""

PERMUTATIONS = 5
"""Permuted controls, of which the mean is taken: a single one has the right sign by chance half of the time."""

FITTED, STORED, NONE = "fitted", "stored", "none"
OWN, PERMUTED, UNTRAINED = "own", "permuted", "untrained"


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
    t_out: Estimate
    t_rep: Estimate
    gap: Estimate
    out_late: Estimate
    rep_late: Estimate
    permuted: Estimate
    untrained: Estimate


@dataclass(frozen=True)
class Commitment(Result):
    """When N runs of T steps commit themselves.

    Attributes:
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
        check_shapes(self, self.t_out.shape, "t_rep", "decidable", "answer", "right")

    def table(self) -> str:
        """The times with their controls, over all and by answer."""
        of = {FITTED: "a cross-validated probe", STORED: "the stored probe", NONE: "no probe: too few instances"}
        head = (
            f"{self.checkpoint}: {len(self.t_out)} instances, T = {self.steps}, {of[self.probe]}; "
            f"{self.right.mean():.3f} of the answers right"
        )
        late = {"out_late": "t_out - oracle", "rep_late": "t_rep - oracle"}
        late |= {PERMUTED: "t_rep, permuted", UNTRAINED: "t_rep, untrained"}
        blocks = [({x: x for x in ("t_out", "t_rep", "gap")}, 8), (late, 14)]
        out = [head]
        for columns, wide in blocks:
            count = wide == 8
            titles = "".join(f"{title:>24}" for title in columns.values())
            out += ["", f"{'answer':<{wide}}" + f"{'n':>6}" * count + titles]
            for part in self.parts:
                cells = "".join(f"{getattr(part, name):.2f}".rjust(24) for name in columns)
                out.append(f"{part.name:<{wide}}" + f"{part.n:>6}" * count + cells)
        return "\n".join(out)


@dataclass(frozen=True)
class Options:
    """Of the command and the form."""

    probe: str | None = option(None, "default: fitted to 40 instances or more", choices=("fitted", "stored"))


@instrument(
    "from which step the answer stays, and from which step a probe of the state knew it", options=Options, instances=200
)
@threadpool_limits.wrap(limits=1, user_api="blas")  # many small regressions: threads only wait for each other
def measure(bench: Bench, options: Options) -> Commitment:
    """Runs the instances and says from when each answer stands, outside and inside.

    Source:
        Dynamics Within Latent Chain-of-Thought (2026), for the two times; the controls are ours.
    """
    checkpoint, steps, n = bench.checkpoint, bench.steps, len(bench.instances)
    wide = checkpoint.model.shapes.width * (1 + (checkpoint.config.readout == "pair"))
    bench.reserve(12.0 * (steps + 1) * n * wide, "the states of these answers")
    count = bench.expect(2 * bench.runs() + (2 + PERMUTATIONS) * FOLDS * (steps + 1))
    logits, states = _answers(bench)
    answer = logits[-1] > 0
    kind = _kind(checkpoint, options.probe, answer, bench.group)
    predicted: dict[str, list[np.ndarray]] = {OWN: [], PERMUTED: [], UNTRAINED: []}
    if kind == STORED:
        predicted[OWN].append(_stored(checkpoint, states, bench.encodings))
    elif kind == FITTED:
        rng = bench.rng("answers")
        blank = _answers(bench, bench.untrained)[1]
        mixed = [(PERMUTED, states, controls.permuted(answer, rng)) for _ in range(PERMUTATIONS)]
        for name, inputs, labels in [(OWN, states, answer), *mixed, (UNTRAINED, blank, answer)]:
            predicted[name].append(_cross_validated(bench, inputs, labels))
    count.upto(count.total)
    times, accuracy = {}, {}
    for name, rows in predicted.items():
        stays = [stays_from((x > 0) == answer) for x in rows] or [np.full(n, np.nan)]
        right = [((x > 0) == answer).mean(1) for x in rows] or [np.full(steps + 1, np.nan)]
        times[name], accuracy[name] = np.mean(stays, axis=0), np.mean(right, axis=0)
    t_out = stays_from((logits > 0) == answer)
    decidable = _decidable(bench)
    labels = np.array([-1 if x.label is None else x.label for x in bench.instances])
    return Commitment(
        **bench.header,
        probe=kind,
        parts=_parts(bench, answer, t_out, times, decidable),
        t_out=t_out,
        t_rep=times[OWN],
        decidable=decidable,
        answer=answer,
        right=answer == labels,
        accuracy=accuracy[OWN],
        accuracy_permuted=accuracy[PERMUTED],
        accuracy_untrained=accuracy[UNTRAINED],
    )


def _parts(
    bench: Bench, answer: np.ndarray, t_out: np.ndarray, times: dict[str, np.ndarray], decidable: np.ndarray
) -> tuple[Part, ...]:
    """Means over all instances, and over those with each answer."""
    values = {
        "t_out": t_out.astype(float),
        "t_rep": times[OWN],
        "gap": t_out - times[OWN],
        "out_late": t_out - decidable,
        "rep_late": times[OWN] - decidable,
        PERMUTED: times[PERMUTED],
        UNTRAINED: times[UNTRAINED],
    }
    rows = {"all": np.ones(len(answer), dtype=bool), "yes": answer, "no": ~answer}
    return tuple(
        Part(name, int(mask.sum()), **{key: bench.mean(x[mask], bench.group[mask]) for key, x in values.items()})
        for name, mask in rows.items()
        if mask.any()
    )


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


def _cross_validated(bench: Bench, states: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What a probe per step says of instances it was not fitted on, (T+1, N, d) -> (T+1, N) logits."""
    names = bench.rng("folds").permutation(np.unique(bench.group))
    fold, logits = np.zeros(len(labels), dtype=int), np.empty(states.shape[:2])
    for k in range(FOLDS):
        fold[np.isin(bench.group, names[k::FOLDS])] = k
    for k in range(FOLDS):
        inside, rest = fold == k, fold != k
        probe = linear_probe.fit_steps(states[:, rest], np.tile(labels[rest], (len(states), 1)), "answer", bench.tick)
        logits[:, inside] = probe.logits(states[:, inside])
    return logits


def _answers(bench: Bench, model: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the answers, (T+1, N), and the states they are read from, (T+1, N, d): a pair's are answer, source."""
    logits, states = np.empty((bench.steps + 1, len(bench.instances))), None
    for now in bench.rollout(model):
        rows = now.at_answers()
        if states is None:
            states = np.empty((*logits.shape, rows.shape[1]), dtype=np.float32)
        logits[now.t, now.index], states[now.t, now.index] = now.readout()[0], rows
    assert states is not None
    return logits, states


def _decidable(bench: Bench) -> np.ndarray:
    """First step at which the oracle can decide the answer, (N,) float; NaN for never."""
    task = tasks.get(bench.checkpoint.config.task)
    steps = np.array(
        [task.decidable(*pair) for pair in zip(bench.instances, bench.encodings, strict=True)], dtype=float
    )
    return np.where(steps >= NEVER, np.nan, steps)
