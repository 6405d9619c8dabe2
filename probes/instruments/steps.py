"""Step-aware scores: is what is read at every step what the oracle has at that step, and which step's answer is best?

    O[t]   nodes whose concept the oracle has after t steps (reached, offset given; value decided)
    S[t]   nodes at which it is read, p > .5
    prefix match length: for how many steps in a row, from the first one looked at, S[t] = O[t]

In a formula a value may be guessed before it is decided, so there O[t] need only be a part of S[t].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthscope.core import tasks
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.errors import InputError
from depthscope.probes.instrument import Bench, instrument, option, refuse_unlabelled
from depthscope.probes.measuring import controls
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes
from depthscope.probes.reading import margins as reading
from depthscope.probes.reading.margins import ByReader, Reader

OWN, SHUFFLED, UNTRAINED = "own", "shuffled", "untrained"


@dataclass(frozen=True)
class Match:
    """How far the sets that are read follow the oracle's.

    Attributes:
        of: "own", or the control: sets "shuffled" among the nodes of an instance, an "untrained" model.
        prefix: Mean prefix match length, in steps.
        share: Mean of it over the steps that the oracle's set takes to be complete, at most 1.
        whole: Share of instances that follow to the end.
        agreement: (T+1,) mean overlap of the two sets, |S and O| / |S or O|; in formulas |S and O| / |O|.
    """

    of: str
    prefix: Estimate
    share: Estimate
    whole: Estimate
    agreement: np.ndarray


@dataclass(frozen=True)
class Votes:
    """Answers of the steps from the first looked at to T, put together in one of several ways.

    Attributes:
        rule: "last" step, "mode" over steps (a draw goes to the later half), or the control: a step at "random".
        accuracy: Share of right answers.
    """

    rule: str
    accuracy: Estimate


@dataclass(frozen=True)
class StepScores(Result):
    """Step-aware scores of one checkpoint on N instances.

    Attributes:
        reader: "readout" or "probe", "none" where no node can be read.
        first: First step looked at.
        pace: Model steps to one of the oracle's.
        n: Instances.
        matches: The own match and its controls; empty where no node can be read.
        votes: The ways to answer.
        differ: Share of instances whose mode is not their last answer.
        mode_right: Share of those on which the mode is right; NaN where they never differ.
        prefix: (N,) prefix match length of each instance; NaN where no node can be read.
        complete: (N,) steps that the oracle's set takes to be complete, from the first one looked at.
    """

    reader: str
    first: int
    pace: float
    n: int
    matches: tuple[Match, ...]
    votes: tuple[Votes, ...]
    differ: float
    mode_right: float
    prefix: np.ndarray
    complete: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.complete.shape, "prefix")

    def match(self, of: str = OWN) -> Match:
        """The own match, or a control."""
        return next(match for match in self.matches if match.of == of)

    def table(self) -> str:
        """Prefix matches with their controls, then the ways to answer."""
        out = [
            f"{self.checkpoint}: {self.n} instances, steps {self.first} to {self.steps}, read by: {self.reader}, "
            f"{self.pace:g} steps to one of the oracle's",
            "",
        ]
        if self.matches:
            titles = ("prefix match length", "of what is needed", "to the end")
            out.append(f"{'sets':<11}" + "".join(f"{title:>24}" for title in titles) + f"{'overlap':>9}")
        for m in self.matches:
            cells = (f"{m.prefix:.2f}", f"{m.share}", f"{m.whole}")
            overlap = m.agreement[self.first :].mean()
            out.append(f"{m.of:<11}" + "".join(f"{x:>24}" for x in cells) + f"{overlap:>9.3f}")
        out += ["", f"{'answer':<11}{'accuracy':>24}"]
        out += [f"{vote.rule:<11}{f'{vote.accuracy}':>24}" for vote in self.votes]
        right = "" if np.isnan(self.mode_right) else f", where the mode is right on {self.mode_right:.3f}"
        return "\n".join([*out, "", f"mode and last answer differ on {self.differ:.3f} of the instances{right}"])


@dataclass(frozen=True)
class Options(ByReader):
    """Of the command and the form; a readout that was trained on late steps alone means nothing at the first."""

    first: int = option(2, "first step looked at (default 2)", type=int, metavar="T")
    pace: float = option(
        1.0, "steps to one of the oracle's, 2 where a hop over tokens takes two (default 1)", type=float
    )


@instrument(
    "whether each step has what the oracle has at that step, and which step's answer is best",
    options=Options,
    instances=100,
)
def measure(bench: Bench, options: Options) -> StepScores:
    """Compares what is read at each step with what the oracle has, and the steps' answers with each other.

    Source:
        ProcBench (2024), section 3: prefix match length; Beyond the Last Answer (2025): the mode against the last.
    """
    n, steps = len(bench.instances), bench.steps
    if not 0 <= options.first <= steps:
        raise InputError(f"the first step looked at should be from 0 to {steps} (got {options.first})")
    if not 0 < options.pace <= steps:
        raise InputError(f"the pace should be above 0, and at most {steps} (got {options.pace})")
    refuse_unlabelled(bench.instances)
    readable = options.reader is not None or reading.unfit(bench.checkpoint) is None
    reader = Reader.of(bench, options.reader) if readable else None
    cells = (steps + 1) * sum(e.n_nodes for e in bench.encodings)
    bench.reserve(
        (20.0 if readable else 0.0) * cells + 9.0 * (steps + 1) * n,  # two margins, sets and oracle; logits and answers
        f"the sets of {n} runs of {steps} steps",
    )
    bench.expect((1 + 2 * readable) * bench.runs())
    matches, prefix, complete = (), np.full(n, np.nan), np.full(n, np.nan)
    if reader is not None:
        matches, prefix, complete = _matches(bench, options, reader)
    votes, differ, mode_right = _vote(bench, options.first)
    return StepScores(
        **bench.header,
        reader="none" if reader is None else reader.name,
        first=options.first,
        pace=options.pace,
        n=n,
        matches=matches,
        votes=votes,
        differ=differ,
        mode_right=mode_right,
        prefix=prefix,
        complete=complete,
    )


def _matches(bench: Bench, options: Options, reader: Reader) -> tuple[tuple[Match, ...], np.ndarray, np.ndarray]:
    """The own match and its controls, own prefix match lengths, (N,), and steps to a complete set, (N,)."""
    first, task = options.first, bench.checkpoint.config.task
    oracle = [_oracle(task, encoding, bench.steps, options.pace) for encoding in bench.encodings]
    complete = np.array([_complete(x[first:]) for x in oracle], dtype=float)
    read = {OWN: _read(bench, reader)}
    rng = bench.rng("sets")
    read[SHUFFLED] = [controls.permuted(x, rng) for x in read[OWN]]
    read[UNTRAINED] = _read(bench, reader.untrained(bench))
    matches, prefix = [], np.empty(0)
    for of, sets in read.items():
        pairs = list(zip(sets, oracle, strict=True))
        lengths = np.array([_prefix(s[first:], o[first:], task) for s, o in pairs], dtype=float)
        means = bench.mean(np.stack([lengths, np.minimum(lengths / complete, 1)]))
        whole = Estimate.share((lengths == bench.steps + 1 - first).sum(), len(lengths))
        overlap = np.stack([_overlap(s, o, task) for s, o in pairs], axis=1)
        matches.append(Match(of, means[0], means[1], whole, overlap.mean(1)))
        prefix = lengths if of == OWN else prefix
    return tuple(matches), prefix, complete


def _oracle(task: str, encoding: Encoding, steps: int, pace: float) -> np.ndarray:
    """The oracle's set after each step over the nodes that carry the concept, (T+1, m) bool."""
    since = encoding.has_from[encoding.carries].astype(float)
    from_step = np.where(since >= NEVER, np.inf, np.ceil(since * pace))
    return np.arange(steps + 1)[:, None] >= from_step


def _read(bench: Bench, reader: Reader) -> list[np.ndarray]:
    """The sets that are read, (T+1, m) bool each."""
    margins = reading.margins(bench, reader)
    return [m[:, e.carries] > 0 for m, e in zip(margins, bench.encodings, strict=True)]


def _complete(oracle: np.ndarray) -> int:
    """Steps until a set has all that it will have, at least 1."""
    same = (oracle == oracle[-1]).all(1)
    return int(np.argmax(same)) + 1


def _may_guess(task: str) -> bool:
    """Whether a value read before the oracle has it is no mistake: one of two, which no wave has to bring first."""
    declared = tasks.get(task)
    return len(declared.classes) == 2 and not declared.concept.spreads


def _prefix(read: np.ndarray, oracle: np.ndarray, task: str) -> int:
    """Steps in a row, from the first, at which the sets match."""
    fits = (read | ~oracle) if _may_guess(task) else (read == oracle)
    whole = np.asarray(fits.all(axis=1))
    return fits.shape[0] if whole.all() else int(np.argmin(whole))


def _overlap(read: np.ndarray, oracle: np.ndarray, task: str) -> np.ndarray:
    """Share of the two sets that both have, (T+1,); 1 where both are empty."""
    both = (read & oracle).sum(1)
    either = oracle.sum(1) if _may_guess(task) else (read | oracle).sum(1)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def _vote(bench: Bench, first: int) -> tuple[tuple[Votes, ...], float, float]:
    """Accuracy of the last answer, of the mode over steps and of a random step; where mode and last differ."""
    yes = bench.logits()[first:] > 0
    label = np.array([instance.label for instance in bench.instances], dtype=bool)
    share, late = yes.mean(0), yes[len(yes) // 2 :].mean(0)
    mode = np.where(share == 0.5, np.where(late == 0.5, yes[-1], late > 0.5), share > 0.5).astype(bool)
    right = {"last": yes[-1] == label, "mode": mode == label}
    votes = [Votes(rule, Estimate.share(x.sum(), len(label))) for rule, x in right.items()]
    votes.append(Votes("random", bench.mean((yes == label).mean(0))))
    differs = mode != yes[-1]
    mode_right = float(right["mode"][differs].mean()) if differs.any() else float("nan")
    return tuple(votes), float(differs.mean()), mode_right
