"""Failure foretold: does the wave, its speed and residual after half of the steps, say that the answer will be wrong?

    speed      1 / b of the instance's own arrivals up to T/2, tau = a + b * distance; 0 where no line can be drawn
    residual   root mean square of tau - (A + B * distance) over all its nodes, A and B from the instances fitted on;
               what has not arrived by T/2, or should not have, counts as T/2 + 1

A logistic regression is fitted on instances of other difficulties, and scored by AUROC on the given ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from depthscope.core.answers import batches, logits_by_step
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.frontier import wilson
from depthscope.probes.measuring import controls, instances as subjects, results
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import margins as reading
from depthscope.probes.reading.linear_probe import LinearProbe
from depthscope.probes.reading.margins import Read
from depthscope.probes.reading.nodes import groups_of

RESAMPLES = 1000
"""Bootstrap samples behind an interval."""

PERMUTATIONS = 50
"""Fits to permuted errors."""

DIGITS = 6
"""Decimals of speed and residual: scaled to unit spread, the rounding of an exact wave would pass for a predictor."""

FEWEST = 5
"""Errors and right answers that a regression, and a score, need."""

SETS = {
    "speed and residual": ("speed", "residual"),
    "speed": ("speed",),
    "residual": ("residual",),
    "logit at T/2": ("magnitude",),
    "distance alone": ("distance",),
    "wave and distance": ("speed", "residual", "distance"),
}
"""What is predicted from: the wave, its parts, and what it has to beat."""

UNTRAINED = "untrained"

NODE_BYTES = 64
"""Held for each node beside its margins: how far it is and when it arrives, and copies of both."""


@dataclass(frozen=True)
class Score:
    """AUROC of one set of predictors.

    Attributes:
        predictors: Their name.
        auroc: Chance that an instance that fails is given more risk than one that does not; .5 is a coin.
        low: Lower end of its 95% interval, by bootstrap over groups; for "permuted" of the range over permutations.
        high: Upper end.
    """

    predictors: str
    auroc: float
    low: float
    high: float


@dataclass(frozen=True)
class Foretold:
    """How well failure is foretold on N instances.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        steps: T.
        at: The step up to which is looked, T // 2.
        reader: "readout" or "probe".
        seed: Of the instances fitted on, permutations and bootstrap.
        fitted: Difficulties fitted on.
        n_fit: Instances fitted on.
        fit_errors: How many of them end wrong.
        n: Instances scored.
        errors: How many of them end wrong.
        error_rate: errors / n.
        error_low: Lower end of its 95% interval (Wilson).
        error_high: Upper end.
        scores: Each set of predictors; "untrained", speed and residual of an untrained network's wave on the same
            instances, fitted to the errors of this model; and "permuted".
        wrong: (N,) bool, whether an instance ends wrong.
        speed: (N,) of its wave up to T/2.
        residual: (N,) of its arrivals about the line of those fitted on, in steps.
        magnitude: (N,) absolute logit of the answer at T/2.
        distance: (N,) how far the answer's node is; 0 where nothing has to arrive.
        risk: (N,) what is foretold from speed and residual, as a log-odds.
    """

    checkpoint: str
    sha256: str
    steps: int
    at: int
    reader: str
    seed: int
    fitted: tuple[int, ...]
    n_fit: int
    fit_errors: int
    n: int
    errors: int
    error_rate: float
    error_low: float
    error_high: float
    scores: tuple[Score, ...]
    wrong: np.ndarray
    speed: np.ndarray
    residual: np.ndarray
    magnitude: np.ndarray
    distance: np.ndarray
    risk: np.ndarray

    def __post_init__(self) -> None:
        for name in ("speed", "residual", "magnitude", "distance", "risk"):
            got = getattr(self, name).shape
            if got != self.wrong.shape:
                raise ValueError(f"{name} has shape {got}, but wrong has shape {self.wrong.shape}")

    def score(self, predictors: str = "speed and residual") -> Score:
        """The score of a set of predictors."""
        return next(score for score in self.scores if score.predictors == predictors)


unfit = reading.unfit


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    reader: str | None = None,
    fit: Sequence[int] | None = None,
    fit_instances: int = 200,
) -> Foretold:
    """Fits on other difficulties and foretells the failures of the given instances.

    Args:
        checkpoint: What runs.
        instances: To be scored, each with a label; none of them is fitted on.
        steps: T of all runs; None takes what the hardest of them needs.
        seed: Of the instances fitted on, permutations and bootstrap.
        progress: Called with the runs done and in all, those to read a wave and those to answer apart; what it raises
            stops the work.
        reader: "readout" or "probe"; None takes the readout where the model has one at every node.
        fit: Difficulties to fit on; None takes the three below the easiest of the instances.
        fit_instances: How many of each.

    Raises:
        InputError: If the checkpoint cannot read an instance, too few of either kind fail or do not, or it would take
            too much memory.

    Source:
        Ours.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if any(instance.label is None for instance in instances):
        raise InputError("an instance has no right answer to hold a model to; take it out")
    steps, reader = reading.steps_for(checkpoint, instances, steps), reading.reader_of(checkpoint, reader)
    if steps < 4:
        raise InputError(f"half of {steps} steps is too few to see a wave; run at least 4")
    known = {instance.difficulty for instance in instances if instance.difficulty is not None}
    fitted = tuple(fit) if fit else _below(known)
    if known & set(fitted):
        both = min(known & set(fitted))
        raise InputError(f"the difficulty {both} is to be fitted on as well as scored; name others with --fit")
    others = subjects.draw(checkpoint, fitted, fit_instances, seed=seed + 7919)
    at, n = steps // 2, len(others)
    _refuse_over(checkpoint, (others, instances), steps, at, reader)
    counts = (2 * n, 2 * len(instances), n, len(instances))
    parts = [results.part(progress, sum(counts[:k]), sum(counts)) for k in range(len(counts))]
    seen = _see(checkpoint, others, steps, at, reader, None, parts[0])
    given = _see(checkpoint, instances, steps, at, reader, seen.pop("line"), parts[1])
    wrong_fit, wrong = seen["wrong"] > 0, given["wrong"] > 0
    for what, values in (("of those fitted on", wrong_fit), ("of those given", wrong)):
        if min(values.sum(), (~values).sum()) < FEWEST:
            raise InputError(
                f"{values.sum()} {what} end wrong out of {len(values)}; {FEWEST} of either kind are needed: "
                "take harder instances or fewer steps"
            )
    blank = controls.untrained(checkpoint, seed)
    probe = reading.probe_of(checkpoint, blank, seed) if reader == reading.PROBE else None
    idle = _see(checkpoint, others, None, at, reader, None, parts[2], blank, probe)
    idle = idle, _see(checkpoint, instances, None, at, reader, idle.pop("line"), parts[3], blank, probe)
    group, columns = groups_of(instances), lambda x, names: np.column_stack([x[name] for name in names])

    def foretell(names: tuple[str, ...], labels: np.ndarray, waves: Any = (seen, given)) -> np.ndarray:
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        return model.fit(columns(waves[0], names), labels).decision_function(columns(waves[1], names))

    risk = {title: foretell(names, wrong_fit) for title, names in SETS.items()}
    risk[UNTRAINED] = foretell(SETS["speed and residual"], wrong_fit, idle)
    scores = [Score(title, *_interval(values, wrong, group, seed)) for title, values in risk.items()]
    rng = np.random.default_rng([seed, 9])
    names = SETS["speed and residual"]
    by_chance = [auroc(foretell(names, rng.permutation(wrong_fit)), wrong) for _ in range(PERMUTATIONS)]
    ends = np.quantile(by_chance, (0.025, 0.975))
    scores.append(Score("permuted", float(np.mean(by_chance)), float(ends[0]), float(ends[1])))
    low, high = wilson(wrong.sum(), len(wrong))
    return Foretold(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        steps=steps,
        at=at,
        reader=reader,
        seed=seed,
        fitted=fitted,
        n_fit=n,
        fit_errors=int(wrong_fit.sum()),
        n=len(wrong),
        errors=int(wrong.sum()),
        error_rate=float(wrong.mean()),
        error_low=float(low),
        error_high=float(high),
        scores=tuple(scores),
        wrong=wrong,
        speed=given["speed"],
        residual=given["residual"],
        magnitude=given["magnitude"],
        distance=given["distance"],
        risk=risk["speed and residual"],
    )


def _below(known: set[int]) -> tuple[int, ...]:
    """Three difficulties below the easiest known one."""
    easiest = min(known, default=1)
    if easiest < 2:
        raise InputError("there is nothing easier to fit on; name difficulties with --fit")
    return tuple(range(max(1, easiest - 3), easiest))


def _refuse_over(checkpoint: Checkpoint, sets: Sequence[Sequence[Any]], steps: int, at: int, reader: str) -> None:
    """Refuses what would not fit: the margins of one set at a time, its nodes, the logits, and probes to be fitted."""
    size, count = 0.0, sum(len(instances) for instances in sets)
    for instances in sets:
        encodings = reading.encoded(checkpoint, instances)
        nodes = NODE_BYTES * sum(e.n_nodes for e in encodings)
        size = max(size, reading.held(checkpoint, encodings, at) + nodes + 8 * (steps + 1) * len(encodings))
    if reader == reading.PROBE:
        size = max(size, reading.held_by_fit(checkpoint))
    results.refuse_over(size, f"the waves of {count} instances over {steps} steps", reading.FEWER)


def _see(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    steps: int | None,
    at: int,
    reader: str,
    line: Any,
    progress: Progress | None,
    model: Any = None,
    probe: LinearProbe | None = None,
) -> dict[str, Any]:
    """Predictors of each instance, (N,), and the line of all arrivals, fitted here if none is given.

    With steps also the answer, so the outcome; `model` and `probe` run and read in place of the checkpoint's own.
    """
    run = reading.read(checkpoint, instances, at, reader, model, probe, progress)
    waves = [_wave(checkpoint, x, run, i, at) for i, x in enumerate(instances)]
    if line is None:
        far, tau = (np.concatenate([wave[k][(wave[0] > 0) & (wave[1] <= at)] for wave in waves]) for k in (0, 1))
        line = np.polyfit(far, tau, 1)[::-1] if len(far) > 2 and np.ptp(far) > 0 else np.array([0.0, 1.0])
    ends = [_ends(checkpoint, x, run, i) for i, x in enumerate(instances)]
    found = {
        "speed": np.array([_speed(far, tau, at) for far, tau in waves]),
        "residual": np.array([_residual(far, tau, line, at) for far, tau in waves]),
        "distance": np.array(ends, dtype=float),
        "line": line,
    }
    if steps is not None:
        logits = _logits(checkpoint, run, steps, progress)
        label = np.array([instance.label for instance in instances], dtype=bool)
        found |= {"magnitude": np.abs(logits[at]), "wrong": (logits[-1] > 0) != label}
    return found


def _logits(checkpoint: Checkpoint, run: Read, steps: int, progress: Progress | None) -> np.ndarray:
    """Logits of the answers after 0..T steps, (T+1, N); ticks on after the N runs that were read."""
    shapes, n = checkpoint.model.shapes, len(run.encodings)
    logits, done = np.empty((steps + 1, n)), n
    for index in batches(run.encodings, shapes.width, shapes.heads):
        logits[:, index] = logits_by_step(checkpoint, [run.encodings[i] for i in index], steps)
        done += len(index)
        if progress is not None:
            progress(done, 2 * n)
    return logits


def _wave(checkpoint: Checkpoint, instance: Any, run: Read, i: int, at: int) -> tuple[np.ndarray, np.ndarray]:
    """How far each node that carries the concept is, -1 for unreachable, and when it arrives, at + 1 for not yet."""
    encoding = run.encodings[i]
    far = next(iter(reading.orders(checkpoint, instance, encoding).values()))
    mine = encoding.carries & (far != 0)
    tau = reading.arrival(run.margins[i][:, mine])
    return far[mine].astype(float), np.where(tau < 0, at + 1, tau).astype(float)


def _ends(checkpoint: Checkpoint, instance: Any, run: Read, i: int) -> int:
    """How far the answer's node is; 0 where nothing has to arrive."""
    encoding = run.encodings[i]
    return max(0, int(next(iter(reading.orders(checkpoint, instance, encoding).values()))[encoding.answer]))


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
    due = np.where(far < 0, at + 1, np.minimum(line[0] + line[1] * far, at + 1))
    return round(float(np.sqrt(np.mean((tau - due) ** 2))), DIGITS)


def auroc(risk: np.ndarray, wrong: np.ndarray) -> float:
    """Chance that a wrong one is given more risk than a right one, ties counting half; NaN without both."""
    positive = wrong.sum()
    negative = len(wrong) - positive
    if not positive or not negative:
        return float("nan")
    return float((rankdata(risk)[wrong].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _interval(risk: np.ndarray, wrong: np.ndarray, group: np.ndarray, seed: int) -> tuple[float, float, float]:
    """AUROC with its 95% interval, whole groups drawn."""
    rng, names = np.random.default_rng([seed, 10]), np.unique(group)
    rows = [np.flatnonzero(group == name) for name in names]
    drawn = []
    for _ in range(RESAMPLES):
        take = np.concatenate([rows[k] for k in rng.integers(0, len(rows), len(rows))])
        drawn.append(auroc(risk[take], wrong[take]))
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return auroc(risk, wrong), float(low), float(high)


def table(result: Foretold) -> str:
    """AUROC of the wave and of what it has to beat."""
    out = [
        f"{result.checkpoint}: T = {result.steps}, looked at up to step {result.at}, read by the {result.reader}",
        f"fitted on {result.n_fit} instances of difficulty {', '.join(map(str, result.fitted))} "
        f"({result.fit_errors} end wrong); scored on {result.n} others: {result.errors} end wrong, "
        f"{result.error_rate:.3f} [{result.error_low:.3f}, {result.error_high:.3f}]",
        "",
        f"{'predicted from':<22}{'AUROC':>7}{'95% interval':>18}",
    ]
    for score in result.scores:
        out.append(f"{score.predictors:<22}{score.auroc:>7.3f}{f'[{score.low:.3f}, {score.high:.3f}]':>18}")
    return "\n".join(out)
