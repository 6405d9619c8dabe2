"""Failure foretold: does the wave, its speed and residual after half of the steps, say that the answer will be wrong?

    speed      1 / b of the instance's own arrivals up to T/2, tau = a + b * distance; 0 where no line can be drawn
    residual   root mean square of tau - (A + B * distance) over all its nodes, A and B from the instances fitted on;
               what has not arrived by T/2, or should not have, counts as T/2 + 1

A logistic regression is fitted on instances of other difficulties, and scored by AUROC on the given ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from depthscope.core.commands.arguments import difficulties
from depthscope.core.encoding import Encoding
from depthscope.core.errors import InputError
from depthscope.probes.instrument import Bench, instrument, option, refuse_unlabelled
from depthscope.probes.measuring import instances as subjects
from depthscope.probes.measuring.estimate import Estimate, interval
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes
from depthscope.probes.reading import margins as reading
from depthscope.probes.reading.margins import ByReader, Reader

PERMUTATIONS = 50
"""Fits to permuted errors."""

DIGITS = 6
"""Decimals of speed and residual: scaled to unit spread, the rounding of an exact wave would pass for a predictor."""

FEWEST = 5
"""Errors and right answers that a regression, and a score, need."""

WAVE = "speed and residual"
SETS = {
    WAVE: ("speed", "residual"),
    "speed": ("speed",),
    "residual": ("residual",),
    "logit at T/2": ("magnitude",),
    "distance alone": ("distance",),
    "wave and distance": ("speed", "residual", "distance"),
}
"""What is predicted from: the wave, its parts, and what it has to beat."""

UNTRAINED, PERMUTED = "untrained", "permuted"

NODE_BYTES = 64
"""Of each node beside its margins: how far it is and when it arrives, and copies of both."""

Predictors = dict[str, np.ndarray]
"""Of N instances, (N,) by name."""


@dataclass(frozen=True)
class Score:
    """How well one set of predictors does.

    Attributes:
        predictors: Their name.
        auroc: Chance that an instance that fails is given more risk than one that does not; .5 is a coin. The interval
            of "permuted" is the range over permutations.
    """

    predictors: str
    auroc: Estimate


@dataclass(frozen=True)
class Foretold(Result):
    """How well failure is foretold on N instances.

    Attributes:
        at: The step up to which is looked, T // 2.
        reader: "readout" or "probe".
        fitted: Difficulties fitted on.
        n_fit: Instances fitted on.
        fit_errors: How many of them end wrong.
        errors: How many of the instances scored end wrong.
        error_rate: The same as a share.
        scores: Each set of predictors; "untrained", speed and residual of an untrained network's wave on the same
            instances, fitted to the errors of this model; and "permuted".
        wrong: (N,) bool, whether an instance ends wrong.
        speed: (N,) of its wave up to T/2.
        residual: (N,) of its arrivals about the line of those fitted on, in steps.
        magnitude: (N,) absolute logit of the answer at T/2.
        distance: (N,) how far the answer's node is; 0 where nothing has to arrive.
        risk: (N,) what is foretold from speed and residual, as a log-odds.
    """

    at: int
    reader: str
    fitted: tuple[int, ...]
    n_fit: int
    fit_errors: int
    errors: int
    error_rate: Estimate
    scores: tuple[Score, ...]
    wrong: np.ndarray
    speed: np.ndarray
    residual: np.ndarray
    magnitude: np.ndarray
    distance: np.ndarray
    risk: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.wrong.shape, "speed", "residual", "magnitude", "distance", "risk")

    def score(self, predictors: str = WAVE) -> Score:
        """The score of a set of predictors."""
        return next(score for score in self.scores if score.predictors == predictors)

    def table(self) -> str:
        """AUROC of the wave and of what it has to beat."""
        out = [
            f"{self.checkpoint}: T = {self.steps}, looked at up to step {self.at}, read by the {self.reader}",
            f"fitted on {self.n_fit} instances of difficulty {', '.join(map(str, self.fitted))} "
            f"({self.fit_errors} end wrong); scored on {len(self.wrong)} others: {self.errors} end wrong, "
            f"{self.error_rate}",
            "",
            f"{'predicted from':<22}{'AUROC':>25}",
        ]
        return "\n".join([*out, *(f"{x.predictors:<22}{f'{x.auroc}':>25}" for x in self.scores)])


@dataclass(frozen=True)
class Options(ByReader):
    """Of the command and the form."""

    fit: Sequence[int] | None = option(None, "to fit on (default: three below)", type=difficulties, metavar="D")
    fit_instances: int = option(200, "of each of them (default 200)", type=int)


@instrument(
    "whether the wave after half of the steps foretells that the last answer will be wrong",
    options=Options,
    unfit=reading.unfit,
    instances=400,
)
def measure(bench: Bench, options: Options) -> Foretold:
    """Fits on other difficulties and foretells the failures of the given instances; none of these is fitted on.

    Source:
        Ours.
    """
    refuse_unlabelled(bench.instances)
    reader = Reader.of(bench, options.reader)
    if bench.steps < 4:
        raise InputError(f"half of {bench.steps} steps is too few to see a wave; run at least 4")
    fitted = _fitted(bench, options.fit)
    drawn = subjects.draw(bench.checkpoint, fitted, options.fit_instances, seed=bench.seed + 7919)
    whole = [replace(bench, instances=drawn), bench]
    half = [replace(one, steps=bench.steps // 2) for one in whole]
    _reserve(whole, half[0].steps, reader)
    bench.expect(sum(x.runs() for x in whole) + 2 * sum(x.runs() for x in half))
    waves = list(_waves(half, reader))
    wrong = []
    for one, wave in zip(whole, waves, strict=True):
        logits = one.logits()
        wave["magnitude"] = np.abs(logits[half[0].steps])
        wrong.append((logits[-1] > 0) != np.array([instance.label for instance in one.instances], dtype=bool))
    for what, values in zip(("of those fitted on", "of those given"), wrong, strict=True):
        if min(values.sum(), (~values).sum()) < FEWEST:
            raise InputError(
                f"{values.sum()} {what} end wrong out of {len(values)}; {FEWEST} of either kind are needed: "
                "take harder instances or fewer steps"
            )
    idle = list(_waves(half, reader.untrained(bench)))
    risk = {title: _risk(names, waves, wrong[0]) for title, names in SETS.items()}
    risk[UNTRAINED] = _risk(SETS[WAVE], idle, wrong[0])
    return Foretold(
        **bench.header,
        at=half[0].steps,
        reader=reader.name,
        fitted=fitted,
        n_fit=len(drawn),
        fit_errors=int(wrong[0].sum()),
        errors=int(wrong[1].sum()),
        error_rate=Estimate.share(wrong[1].sum(), len(wrong[1])),
        scores=_scores(bench, risk, waves, wrong),
        wrong=wrong[1],
        speed=waves[1]["speed"],
        residual=waves[1]["residual"],
        magnitude=waves[1]["magnitude"],
        distance=waves[1]["distance"],
        risk=risk[WAVE],
    )


def _fitted(bench: Bench, wanted: Sequence[int] | None) -> tuple[int, ...]:
    """The difficulties to fit on, by default three below the easiest of the instances.

    Raises:
        InputError: If an instance has one of them, or there is none below.
    """
    known = {instance.difficulty for instance in bench.instances if instance.difficulty is not None}
    easiest = min(known, default=1)
    if not wanted and easiest < 2:
        raise InputError("there is nothing easier to fit on; name difficulties with --fit")
    fitted = tuple(wanted or range(max(1, easiest - 3), easiest))
    if both := known & set(fitted):
        raise InputError(f"the difficulty {min(both)} is to be fitted on as well as scored; name others with --fit")
    return fitted


def _reserve(benches: Sequence[Bench], at: int, reader: Reader) -> None:
    """The margins of one set at a time, its nodes, the logits, and probes to be fitted."""
    size, steps = 0.0, benches[0].steps
    for bench in benches:
        nodes = NODE_BYTES * sum(e.n_nodes for e in bench.encodings)
        logits = 8 * (steps + 1) * len(bench.encodings)
        size = max(size, reading.bytes_of_margins(bench.encodings, at) + nodes + logits)
    if reader.probe is not None:
        size = max(size, reading.bytes_of_fit(benches[0].checkpoint))
    count = sum(len(bench.instances) for bench in benches)
    benches[0].reserve(size, f"the waves of {count} instances over {steps} steps")


def _waves(benches: Sequence[Bench], reader: Reader) -> Sequence[Predictors]:
    """Speed, residual and distance of every instance; the line that residuals are about is the first bench's."""
    line, predictors = np.empty(0), []
    for bench in benches:
        at, margins = bench.steps, reading.margins(bench, reader)
        orders = [next(iter(order.values())) for order in reading.orders(bench)]
        waves = [_wave(*x, at) for x in zip(orders, bench.encodings, margins, strict=True)]
        if not len(line):
            far, tau = (np.concatenate([w[k][(w[0] > 0) & (w[1] <= at)] for w in waves]) for k in (0, 1))
            line = np.polyfit(far, tau, 1)[::-1] if len(far) > 2 and np.ptp(far) > 0 else np.array([0.0, 1.0])
        ends = [max(0, int(order[e.answer])) for order, e in zip(orders, bench.encodings, strict=True)]
        predictors.append(
            {
                "speed": np.array([_speed(far, tau, at) for far, tau in waves]),
                "residual": np.array([_residual(far, tau, line, at) for far, tau in waves]),
                "distance": np.array(ends, dtype=float),
            }
        )
    return predictors


def _wave(order: np.ndarray, encoding: Encoding, margin: np.ndarray, at: int) -> tuple[np.ndarray, np.ndarray]:
    """How far each node that carries the concept is, -1 for unreachable, and when it arrives, at + 1 for not yet."""
    inside = encoding.carries & (order != 0)
    tau = reading.arrival(margin[:, inside])
    return order[inside].astype(float), np.where(tau < 0, at + 1, tau).astype(float)


def _speed(far: np.ndarray, tau: np.ndarray, at: int) -> float:
    """1 / b through the nodes that have arrived, at most `at` hops a step; 0 where there is no line."""
    has = (far > 0) & (tau <= at)
    if has.sum() < 2 or np.ptp(far[has]) == 0:
        return 0.0
    slope = np.polyfit(far[has], tau[has], 1)[0]
    return float(at) if slope <= 1 / at else round(float(1 / slope), DIGITS)


def _residual(far: np.ndarray, tau: np.ndarray, line: np.ndarray, at: int) -> float:
    """Root mean square of arrivals about a line, both cut off at `at` + 1, where what is unreachable stays."""
    if not len(far):
        return 0.0
    expected = np.where(far < 0, at + 1, np.minimum(line[0] + line[1] * far, at + 1))
    return round(float(np.sqrt(np.mean((tau - expected) ** 2))), DIGITS)


def _risk(names: Sequence[str], waves: Sequence[Predictors], wrong: np.ndarray) -> np.ndarray:
    """Log-odds that an instance of the second set ends wrong, from a regression fitted to the first, (N,)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inputs, others = (np.column_stack([wave[name] for name in names]) for wave in waves)
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    return model.fit(inputs, wrong).decision_function(others)


def _scores(
    bench: Bench, risk: dict[str, np.ndarray], waves: Sequence[Predictors], wrong: Sequence[np.ndarray]
) -> tuple[Score, ...]:
    """AUROC of each risk, and of risks fitted to permuted errors."""
    scores = [
        Score(title, Estimate.of(auroc(values, wrong[1]), bench.group, bench.rng("bootstrap")))
        for title, values in risk.items()
    ]
    rng, once = bench.rng("errors"), np.ones((1, len(wrong[1])), dtype=np.int64)
    chance = [
        auroc(_risk(SETS[WAVE], waves, rng.permutation(wrong[0])), wrong[1])(once)[0] for _ in range(PERMUTATIONS)
    ]
    low, high = interval(np.array(chance), axis=0)
    return (*scores, Score(PERMUTED, Estimate(np.mean(chance), low, high, PERMUTATIONS)))


def auroc(risk: np.ndarray, wrong: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Chance that a wrong one is given more risk than a right one, ties counting half; NaN without both.

    Args:
        risk: (N,).
        wrong: (N,) bool.

    Returns:
        A statistic of how often each of them counts, (R, N) -> (R,).
    """
    order = np.argsort(risk, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(risk[order]) > 0))

    def statistic(counts: np.ndarray) -> np.ndarray:
        bad, good = (np.add.reduceat((counts * x)[:, order], starts, axis=1) for x in (wrong, ~wrong))
        less = good.cumsum(1) - good / 2  # right ones with less risk, and half of those with as much
        pairs = bad.sum(1) * good.sum(1)
        return (bad * less).sum(1) / np.where(pairs > 0, pairs, np.nan)

    return statistic
