"""Linear probes: a logistic regression per step from a node's state to the task's concept, with its controls.

    p[t, i] = sigmoid(h[t, i] . w[t] + b[t])

Owns fitting, scoring, storing and reading them. Which nodes they see is `probes.sample`'s business, what the concept is
`probes.concepts`', what scores are made of `probes.scores`'.

    <checkpoint>/probes.safetensors   weight (T+1, d), bias (T+1,); the sha256 of the weights they belong to as metadata
    <checkpoint>/probes.json          their scores
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from threadpoolctl import threadpool_limits

from core import atomic
from core.checkpoint import Checkpoint
from core.errors import InputError
from core.trace import Trace
from probes import concepts, controls, sample
from probes.sample import FIT
from probes.scores import ProbeScores, score

STEPS = 32
"""T of the fit. At later steps the probe of step T reads."""

INSTANCES, MIN_INSTANCES, MAX_INSTANCES = 1000, 40, 100_000
TOKENS_BUDGET, FEWEST_BY_DEFAULT = 60_000_000, 160
"""Instances x weights that models of tokens run by default, so that a fit stays within a minute on two cores."""

CONTROL_TASKS = 3
"""Control tasks that a step's control accuracy is the mean of."""

WEIGHTS, SCORES = "probes.safetensors", "probes.json"
MAX_BYTES = 1 << 30

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LinearProbe:
    """A probe per step; logit = h . weight + bias, standardisation folded in.

    Attributes:
        concept: Name of what it reads.
        weight: (T+1, d) float64; zero at steps where only one class was seen.
        bias: (T+1,) float64.
    """

    concept: str
    weight: np.ndarray
    bias: np.ndarray

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise ValueError(f"weight has shape {self.weight.shape} and bias {self.bias.shape}: one a step is due")

    @property
    def steps(self) -> int:
        """T, the last step that was fitted."""
        return len(self.weight) - 1

    @property
    def constant(self) -> np.ndarray:
        """Whether a step's probe says the same of every state, (T+1,) bool."""
        return np.all(self.weight == 0, axis=1)

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        """Logit of the concept, (S, n), for states after 0..S-1 steps, (S, n, d)."""
        if hidden.shape[-1] != self.weight.shape[1]:
            raise ValueError(f"hidden has shape {hidden.shape}, but weight has shape {self.weight.shape}")
        return np.stack([h.astype(np.float64) @ self.weight[u] + self.bias[u] for h, u in self._by_step(hidden)])

    def _by_step(self, hidden: np.ndarray) -> list[tuple[np.ndarray, int]]:
        return [(h, min(t, self.steps)) for t, h in enumerate(hidden)]


@threadpool_limits.wrap(limits=1, user_api="blas")  # many small products: threads only wait for each other
def fit(
    checkpoint: Checkpoint,
    *,
    concept: str | None = None,
    seed: int = 0,
    instances: int | None = None,
    progress: Progress | None = None,
) -> tuple[LinearProbe, ProbeScores]:
    """Fits a probe for each of the steps 0..STEPS, and scores it on instances it was not fitted on.

    Args:
        checkpoint: Whose states are read.
        concept: Its name; None takes the task's.
        seed: Same seed, same probes and scores.
        instances: How many instances of the fitted difficulties are drawn, 60% of them to fit on; None takes INSTANCES,
            or fewer for a large model of tokens.
        progress: Called with the number of regressions done and in all.

    Raises:
        InputError: If the task has no such concept, or the number of instances is out of range.

    Source:
        Alain & Bengio (2016), Understanding intermediate layers using linear classifier probes; selectivity by Hewitt &
        Liang (2019).
    """
    subject = concepts.concept_of(checkpoint.config.task, concept)
    instances = default_instances(checkpoint) if instances is None else instances
    if not MIN_INSTANCES <= instances <= MAX_INSTANCES:
        raise InputError(f"instances should be from {MIN_INSTANCES} to {MAX_INSTANCES} (got {instances})")
    nodes = sample.draw(checkpoint, subject, STEPS, instances, seed)
    fitting, total, done = nodes.purpose == FIT, (4 + CONTROL_TASKS) * (STEPS + 1), 0

    def read(inputs: np.ndarray, labels: np.ndarray) -> tuple[LinearProbe, np.ndarray]:
        """A probe fitted on the nodes to fit on, and whether it says yes at each of the others, (T+1, N - n_train)."""
        nonlocal done

        def one_more() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, total)

        probe = fit_steps(inputs[:, fitting], labels[:, fitting], subject.name, one_more)
        return probe, probe.logits(inputs[:, ~fitting]) > 0

    at_every_step = (STEPS + 1, 1, 1)
    hidden = sample.states(checkpoint.model, nodes, STEPS)
    probe, said = read(hidden, nodes.truth)
    coins = [controls.control_labels(nodes.identities, CONTROL_TASKS * seed + k) for k in range(CONTROL_TASKS)]
    coins = [np.tile(labels, (STEPS + 1, 1)) for labels in coins]
    memorised = [(read(hidden, labels)[1], labels[:, ~fitting]) for labels in coins]
    said_by = {"embedding": read(np.tile(hidden[0], at_every_step), nodes.truth)[1]}
    del hidden
    said_by["features"] = read(np.tile(nodes.features, at_every_step), nodes.truth)[1]
    blank = sample.states(controls.untrained(checkpoint, seed), nodes, STEPS)
    said_by["untrained"] = read(blank, nodes.truth)[1]

    others = nodes.take(~fitting)
    tests = {
        name: score(title, mask, others, said, said_by, memorised, seed)
        for name, (title, mask) in sample.tests(subject, others).items()
    }
    scores = ProbeScores(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        concept=subject.name,
        data=concepts.data_for(checkpoint.config),
        meaning=subject.meaning,
        seed=seed,
        n_train=int(fitting.sum()),
        constant=tuple(int(t) for t in np.flatnonzero(probe.constant)),
        tests=tests,
    )
    return probe, scores


def default_instances(checkpoint: Checkpoint) -> int:
    """How many instances are drawn where nobody says."""
    if checkpoint.config.attention == "edges":
        return INSTANCES
    affordable = TOKENS_BUDGET // sum(p.numel() for p in checkpoint.model.parameters())
    return min(INSTANCES, max(FEWEST_BY_DEFAULT, affordable))


def fit_steps(
    inputs: np.ndarray, labels: np.ndarray, concept: str, each: Callable[[], None] = lambda: None
) -> LinearProbe:
    """A logistic regression per step, classes weighted alike, on inputs standardised by their own mean and spread.

    Args:
        inputs: (T+1, N, d).
        labels: (T+1, N) bool. Where all are equal the step's probe is a constant.
        concept: Name of what it reads.
        each: Called after each step.
    """
    weights, biases = np.zeros((len(inputs), inputs.shape[2])), np.zeros(len(inputs))
    for t, (x, y) in enumerate(zip(inputs, labels, strict=True)):
        if t and np.array_equal(y, labels[t - 1]) and np.array_equal(x, inputs[t - 1]):
            weights[t], biases[t] = weights[t - 1], biases[t - 1]
        else:
            weights[t], biases[t] = _regression(x.astype(np.float64), y)
        each()
    return LinearProbe(concept, weights, biases)


def _regression(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Weight and bias of one logistic regression, folded so that they take x as it is."""
    if y.all() or not y.any():  # rule of succession: one class is all that was ever seen, not all there is
        return np.zeros(x.shape[1]), float(np.log(len(y) + 1) * (1 if y.all() else -1))
    from sklearn.linear_model import LogisticRegression  # late: reading stored probes needs none of it

    mean, spread = x.mean(axis=0), x.std(axis=0)
    moves = spread > 1e-6 * (1 + np.abs(mean))  # what differs by rounding alone is no feature
    scale = np.where(moves, spread, np.inf)
    found = LogisticRegression(class_weight="balanced", max_iter=3000).fit((x - mean) / scale, y)
    weight = found.coef_[0] / scale
    return weight, float(found.intercept_[0] - weight @ mean)


def save(checkpoint: Checkpoint, probe: LinearProbe, scores: ProbeScores) -> tuple[Path, Path]:
    """Stores probes and scores with the checkpoint they were fitted to, each file whole or not at all.

    Raises:
        InputError: If the checkpoint lies nowhere, or the scores are another's.
    """
    if checkpoint.folder is None:
        raise InputError(f"the checkpoint {checkpoint.name!r} lies in no folder that probes could be stored in")
    if scores.sha256 != checkpoint.sha256:
        raise InputError(f"these probes were fitted to other weights than those of {checkpoint.name!r}")
    about = {"sha256": checkpoint.sha256, "concept": probe.concept}
    content = safetensors.numpy.save({"weight": probe.weight, "bias": probe.bias}, metadata=about)
    files = checkpoint.folder / WEIGHTS, checkpoint.folder / SCORES
    atomic.write(files[1], scores.to_json(indent=1) + "\n")
    atomic.write(files[0], content)
    return files


def load(checkpoint: Checkpoint) -> LinearProbe | None:
    """The probes stored with a checkpoint, None if there are none.

    Raises:
        InputError: If they belong to other weights, or the file is not whole.
    """
    path = None if checkpoint.folder is None else checkpoint.folder / WEIGHTS
    if path is None or not path.is_file():
        return None
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES >> 30} GiB, which no probes are")
    content = path.read_bytes()
    try:
        tensors = safetensors.numpy.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is truncated or is not a safetensors file ({error})") from None
    about = header.get("__metadata__", {})
    if about.get("sha256") != checkpoint.sha256:
        raise InputError(
            f"the {path.name} stored with {checkpoint.name!r} belongs to other weights; "
            f"fit it anew with: python -m probes fit {checkpoint.name}"
        )
    shapes = {name: x.shape for name, x in tensors.items()}
    width = checkpoint.model.shapes.width
    if set(shapes) != {"weight", "bias"} or shapes["bias"] != shapes["weight"][:1] or shapes["weight"][1:] != (width,):
        raise InputError(f"{path} should hold weight (T+1, {width}) and bias (T+1,) (got {shapes})")
    if not shapes["bias"][0] or not all(x.dtype == np.float64 and np.isfinite(x).all() for x in tensors.values()):
        raise InputError(f"{path} holds numbers that are not finite float64, or none")
    return LinearProbe(str(about.get("concept", "")), tensors["weight"], tensors["bias"])


def readings(checkpoint: Checkpoint, trace: Trace) -> dict[str, np.ndarray]:
    """What the stored probes read in a trace.

    Returns:
        "probe: ..." to (T+1, n) probabilities, both classes taken as equally frequent; NaN where a node has no concept.
        Empty if no probes are stored.

    Raises:
        InputError: If the stored probes belong to other weights.
    """
    probe = load(checkpoint)
    if probe is None:
        return {}
    concept = concepts.concept_of(checkpoint.config.task, probe.concept)
    probability = 1 / (1 + np.exp(-np.clip(probe.logits(trace.hidden), -60, 60)))
    return {f"probe: {concept.meaning}": np.where(trace.encoding.carries, probability, np.nan)}
