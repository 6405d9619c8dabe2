"""Step-aware scores: is what is read at every step what the oracle has at that step, and which step's answer is best?

    O[t]   nodes whose concept the oracle has after t steps (reached, offset given; value decided)
    S[t]   nodes at which it is read, p > .5
    prefix match length: for how many steps in a row, from the first one looked at, S[t] = O[t]

In a formula a value may be guessed before it is decided, so there O[t] need only be a part of S[t].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core.answers import batches, logits_by_step
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.errors import InputError
from depthscope.core.frontier import wilson
from depthscope.probes.measuring import controls, estimate, results
from depthscope.probes.measuring.progress import Count, counted, steps_of_runs
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import margins as reading
from depthscope.probes.reading.margins import Read

OWN, SHUFFLED, UNTRAINED = "own", "shuffled", "untrained"


@dataclass(frozen=True)
class Match:
    """How far the sets that are read follow the oracle's.

    Attributes:
        of: "own", or the control: sets "shuffled" among the nodes of an instance, an "untrained" model.
        prefix: Mean prefix match length, in steps.
        prefix_low: Lower end of its 95% interval, by bootstrap over groups of instances.
        prefix_high: Upper end.
        share: Mean of it over the steps that the oracle's set takes to be complete, at most 1.
        share_low: Lower end of its 95% interval.
        share_high: Upper end.
        whole: Share of instances that follow to the end.
        whole_low: Lower end of its 95% interval (Wilson).
        whole_high: Upper end.
        agreement: (T+1,) mean overlap of the two sets, |S and O| / |S or O|; in formulas |S and O| / |O|.
    """

    of: str
    prefix: float
    prefix_low: float
    prefix_high: float
    share: float
    share_low: float
    share_high: float
    whole: float
    whole_low: float
    whole_high: float
    agreement: np.ndarray


@dataclass(frozen=True)
class Votes:
    """Answers of the steps from the first looked at to T, put together in several ways; accuracies with intervals.

    Attributes:
        rule: "last" step, "mode" over steps (a draw goes to the later half), or the control: a step at "random".
        accuracy: Share of right answers.
        low: Lower end of its 95% interval (Wilson; by bootstrap over groups for "random").
        high: Upper end.
    """

    rule: str
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class StepScores:
    """Step-aware scores of one checkpoint on N instances.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        reader: "readout" or "probe", "none" where no node can be read.
        steps: T.
        first: First step looked at.
        pace: Model steps to one of the oracle's.
        seed: Of bootstrap, shuffling and the untrained model.
        n: Instances.
        matches: The own match and its controls; empty where no node can be read.
        votes: The ways to answer.
        differ: Share of instances whose mode is not their last answer.
        mode_right: Share of those on which the mode is right; NaN where they never differ.
        prefix: (N,) prefix match length of each instance; NaN where no node can be read.
        complete: (N,) steps that the oracle's set takes to be complete, from the first one looked at.
    """

    checkpoint: str
    sha256: str
    reader: str
    steps: int
    first: int
    pace: float
    seed: int
    n: int
    matches: tuple[Match, ...]
    votes: tuple[Votes, ...]
    differ: float
    mode_right: float
    prefix: np.ndarray
    complete: np.ndarray

    def __post_init__(self) -> None:
        if self.prefix.shape != self.complete.shape:
            raise ValueError(f"prefix has shape {self.prefix.shape}, but complete has shape {self.complete.shape}")

    def match(self, of: str = OWN) -> Match:
        """The own match, or a control."""
        return next(match for match in self.matches if match.of == of)


def unfit(checkpoint: Checkpoint) -> str | None:
    """Every model has answers; where no node can be read, they alone are scored."""
    del checkpoint
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    reader: str | None = None,
    first: int = 2,
    pace: float = 1.0,
) -> StepScores:
    """Compares what is read at each step with what the oracle has, and the steps' answers with each other.

    Args:
        checkpoint: What runs.
        instances: Of its task, each with a label.
        steps: T; None takes what the hardest of them needs.
        seed: Of bootstrap, shuffling and the untrained model.
        progress: Called with the steps run and in all, a batch at a time; what it raises stops the work.
        reader: "readout" or "probe"; None takes the readout where the model has one at every node.
        first: First step looked at; a readout that was trained on late steps alone means nothing at the first.
        pace: Model steps to one of the oracle's: 2 where a hop over tokens takes two.

    Raises:
        InputError: If the checkpoint cannot read an instance, one has no label, or a number is out of range.

    Source:
        ProcBench (2024), section 3: prefix match length; Beyond the Last Answer (2025): the mode against the last.
    """
    steps = reading.steps_for(checkpoint, instances, steps)
    if not 0 <= first <= steps:
        raise InputError(f"the first step looked at should be from 0 to {steps} (got {first})")
    if not 0 < pace <= steps:
        raise InputError(f"the pace should be above 0, and at most {steps} (got {pace})")
    if any(instance.label is None for instance in instances):
        raise InputError("an instance has no right answer to hold a model to; take it out")
    n, task = len(instances), checkpoint.config.task
    readable = reader is not None or reading.unfit(checkpoint) is None
    reader = reading.reader_of(checkpoint, reader) if readable else "none"
    encodings = reading.encoded(checkpoint, instances)
    cells = (steps + 1) * sum(e.n_nodes for e in encodings)
    results.refuse_over(
        (20.0 if readable else 0.0) * cells + 9.0 * (steps + 1) * n,  # two margins, sets and oracle; logits and answers
        f"the sets of {n} runs of {steps} steps",
        "take fewer instances or steps",
    )
    count = Count(progress, (1 + 2 * readable) * steps_of_runs(checkpoint.model, encodings, steps))
    watched = counted(checkpoint.model, count.more)
    own = reading.read(checkpoint, instances, steps, reader, watched) if readable else None
    group = reading.groups_of(instances)
    matches, prefix, complete = [], np.full(n, np.nan), np.full(n, np.nan)
    if own is not None:
        oracle = [_oracle(task, encoding, steps, pace) for encoding in encodings]
        complete = np.array([_complete(x[first:]) for x in oracle], dtype=float)
        blank = controls.untrained(checkpoint, seed)
        fresh = reading.probe_of(checkpoint, blank, seed) if reader == reading.PROBE else None
        idle = reading.read(checkpoint, instances, steps, reader, counted(blank, count.more), fresh)
        rng = np.random.default_rng([seed, 8])
        said = {OWN: _said(own), UNTRAINED: _said(idle)}
        said[SHUFFLED] = [controls.permuted(x, rng) for x in said[OWN]]
        for of in (OWN, SHUFFLED, UNTRAINED):
            lengths = np.array([_prefix(s[first:], o[first:], task) for s, o in zip(said[of], oracle, strict=True)])
            overlap = np.stack([_overlap(s, o, task) for s, o in zip(said[of], oracle, strict=True)], axis=1)
            matches.append(_match(of, lengths, complete, overlap, group, steps + 1 - first, seed))
            prefix = lengths.astype(float) if of == OWN else prefix
    told = replace(checkpoint, model=watched)
    votes, differ, mode_right = _vote(told, encodings, instances, steps, first, group, seed)
    return StepScores(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        reader=reader,
        steps=steps,
        first=first,
        pace=pace,
        seed=seed,
        n=n,
        matches=tuple(matches),
        votes=votes,
        differ=differ,
        mode_right=mode_right,
        prefix=prefix,
        complete=complete,
    )


def _oracle(task: str, encoding: Encoding, steps: int, pace: float) -> np.ndarray:
    """The oracle's set after each step over the nodes that carry the concept, (T+1, m) bool."""
    since = reading.has_from(task, encoding)[encoding.carries].astype(float)
    due = np.where(since >= NEVER, np.inf, np.ceil(since * pace))
    return np.arange(steps + 1)[:, None] >= due


def _said(run: Read) -> list[np.ndarray]:
    """The sets that are read, (T+1, m) bool each."""
    return [m[:, e.carries] > 0 for m, e in zip(run.margins, run.encodings, strict=True)]


def _complete(oracle: np.ndarray) -> int:
    """Steps until a set has all that it will have, at least 1."""
    same = (oracle == oracle[-1]).all(1)
    return int(np.argmax(same)) + 1


def _prefix(said: np.ndarray, oracle: np.ndarray, task: str) -> int:
    """Steps in a row, from the first, at which the sets match."""
    fits = (said | ~oracle) if task == "logic" else (said == oracle)
    whole = np.asarray(fits.all(axis=1))
    return fits.shape[0] if whole.all() else int(np.argmin(whole))


def _overlap(said: np.ndarray, oracle: np.ndarray, task: str) -> np.ndarray:
    """Share of the two sets that both have, (T+1,); 1 where both are empty."""
    both = (said & oracle).sum(1)
    either = oracle.sum(1) if task == "logic" else (said | oracle).sum(1)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def _match(
    of: str, lengths: np.ndarray, complete: np.ndarray, overlap: np.ndarray, group: np.ndarray, most: int, seed: int
) -> Match:
    """Scores of the N prefix match lengths."""
    share = np.minimum(lengths / complete, 1)
    values = np.stack([lengths.astype(float), share])
    mean, low, high = (x.tolist() for x in estimate.mean(values, group, seed))
    whole = (lengths == most).sum()
    ends = wilson(np.array(whole), len(lengths))
    return Match(
        of=of,
        prefix=mean[0],
        prefix_low=low[0],
        prefix_high=high[0],
        share=mean[1],
        share_low=low[1],
        share_high=high[1],
        whole=float(whole / len(lengths)),
        whole_low=float(ends[0]),
        whole_high=float(ends[1]),
        agreement=overlap.mean(1),
    )


def _vote(
    checkpoint: Checkpoint,
    encodings: Sequence[Encoding],
    instances: Sequence[Any],
    steps: int,
    first: int,
    group: np.ndarray,
    seed: int,
) -> tuple[tuple[Votes, ...], float, float]:
    """Accuracy of the last answer, of the mode over steps and of a random step; where mode and last differ."""
    shapes, logits = checkpoint.model.shapes, np.empty((steps + 1, len(encodings)))
    for index in batches(encodings, shapes.width, shapes.heads):
        logits[:, index] = logits_by_step(checkpoint, [encodings[i] for i in index], steps)
    yes = logits[first:] > 0
    label = np.array([instance.label for instance in instances], dtype=bool)
    share, late = yes.mean(0), yes[len(yes) // 2 :].mean(0)
    mode = np.where(share == 0.5, np.where(late == 0.5, yes[-1], late > 0.5), share > 0.5).astype(bool)
    votes = []
    for rule, answer in (("last", yes[-1]), ("mode", mode)):
        right = (answer == label).sum()
        low, high = wilson(right, len(label))
        votes.append(Votes(rule, float(right / len(label)), float(low), float(high)))
    at_random = (yes == label).mean(0)
    votes.append(Votes("random", *(float(x) for x in estimate.mean(at_random, group, seed))))
    differs = mode != yes[-1]
    right = float((mode == label)[differs].mean()) if differs.any() else float("nan")
    return tuple(votes), float(differs.mean()), right


def table(result: StepScores) -> str:
    """Prefix matches with their controls, then the ways to answer."""
    out = [
        f"{result.checkpoint}: {result.n} instances, steps {result.first} to {result.steps}, read by: {result.reader}, "
        f"{result.pace:g} steps to one of the oracle's",
        "",
    ]
    if result.matches:
        out.append(f"{'sets':<11}{'prefix match length':>24}{'of what is needed':>24}{'to the end':>24}{'overlap':>9}")
    for m in result.matches:
        spans = (
            f"{m.prefix:.2f} [{m.prefix_low:.2f}, {m.prefix_high:.2f}]",
            f"{m.share:.3f} [{m.share_low:.3f}, {m.share_high:.3f}]",
            f"{m.whole:.3f} [{m.whole_low:.3f}, {m.whole_high:.3f}]",
        )
        overlap = m.agreement[result.first :].mean()
        out.append(f"{m.of:<11}" + "".join(f"{x:>24}" for x in spans) + f"{overlap:>9.3f}")
    out += ["", f"{'answer':<11}{'accuracy':>24}"]
    for vote in result.votes:
        out.append(f"{vote.rule:<11}{f'{vote.accuracy:.3f} [{vote.low:.3f}, {vote.high:.3f}]':>24}")
    right = "" if np.isnan(result.mode_right) else f", where the mode is right on {result.mode_right:.3f}"
    out += ["", f"mode and last answer differ on {result.differ:.3f} of the instances{right}"]
    return "\n".join(out)
