"""Linear probes: a logistic regression per step from a node's state to the task's concept, with its controls.

Owns scoring, storing and reading them. Which nodes they see is `probes.reading.nodes`'s business, what the concept is
`core.tasks.concepts`', how a regression is fitted `probes.reading.regression`'s, what scores are made of
`probes.reading.scores`'.

    <checkpoint>/probes.safetensors   weight (T+1, d) and bias (T+1,), or (T+1, K, d) and (T+1, K) for K values; the
                                      values and the sha256 of the weights they belong to as metadata
    <checkpoint>/probes.json          their scores
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from threadpoolctl import threadpool_limits

from depthscope.core import checkpoint as index, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.files import atomic, digests
from depthscope.core.tasks import concepts
from depthscope.core.tasks.concepts import Concept
from depthscope.core.trace import Trace
from depthscope.probes.measuring import controls, results
from depthscope.probes.measuring.progress import Count, steps_of_runs
from depthscope.probes.reading import nodes as sample
from depthscope.probes.reading.nodes import FIT
from depthscope.probes.reading.regression import LinearProbe, fit_steps
from depthscope.probes.reading.scores import ProbeScores, across, parsed, score

__all__ = ["LinearProbe", "fit", "fit_steps", "load", "load_scores", "readings", "save"]

STEPS = 32
"""T of the fit. At later steps the probe of step T reads."""

INSTANCES, MIN_INSTANCES, MAX_INSTANCES = 1000, 40, 100_000
TOKENS_BUDGET, FEWEST_BY_DEFAULT = 40_000_000, 160
"""Instances x weights that models of tokens run by default, so that a fit stays within a minute on two cores."""

CONTROL_TASKS = 3
"""Control tasks that a step's control accuracy is the mean of."""

WEIGHTS, SCORES = "probes.safetensors", "probes.json"
MAX_BYTES, MAX_SCORES = 1 << 30, 64 << 20

Progress = Callable[[int, int], None]


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
        progress: Called with the steps run and regressions done, and both in all; what it raises stops the work.

    Raises:
        InputError: If the task has no such concept, or the number of instances is out of range.

    Source:
        Alain & Bengio (2016), Understanding intermediate layers using linear classifier probes; selectivity by Hewitt &
        Liang (2019).
    """
    subject = concepts.concept_for(checkpoint.config, concept)
    instances = default_instances(checkpoint) if instances is None else instances
    if not MIN_INSTANCES <= instances <= MAX_INSTANCES:
        raise InputError(f"instances should be from {MIN_INSTANCES} to {MAX_INSTANCES} (got {instances})")
    results.refuse_over(
        _size(checkpoint, subject, instances),
        f"fitting probes on {instances:,} instances of up to {subject.fitted[-1]} {subject.unit}",
        "take fewer with --instances",
    )
    nodes = sample.draw(checkpoint, subject, STEPS, instances, seed)
    fitting = nodes.purpose == FIT
    runs = steps_of_runs(checkpoint.model, nodes.encodings, STEPS)
    count = Count(progress, 2 * runs + (4 + CONTROL_TASKS) * (STEPS + 1))

    def read(inputs: np.ndarray, labels: np.ndarray) -> tuple[LinearProbe, np.ndarray]:
        """A probe fitted on the nodes to fit on, and what it says at each of the others, (T+1, N - n_train)."""
        probe = fit_steps(inputs[:, fitting], labels[:, fitting], subject.name, count.more, subject.values)
        return probe, probe.says(probe.logits(inputs[:, ~fitting]))

    at_every_step = (STEPS + 1, 1, 1)
    hidden = sample.states(checkpoint.model, nodes, STEPS, count.more)
    probe, predicted = read(hidden, nodes.truth)
    seeds = range(CONTROL_TASKS * seed, CONTROL_TASKS * (seed + 1))
    coins = [controls.control_labels(nodes.identities, k, subject.values) for k in seeds]
    coins = [np.tile(labels, (STEPS + 1, 1)) for labels in coins]
    memorised = [(read(hidden, labels)[1], labels[:, ~fitting]) for labels in coins]
    by_controls = {"embedding": read(np.tile(hidden[0], at_every_step), nodes.truth)[1]}
    others = nodes.take(~fitting)
    title, crossed = sample.crossed(subject, others)
    at_last = hidden[:, ~fitting][:, crossed]
    del hidden
    by_controls["features"] = read(np.tile(nodes.features, at_every_step), nodes.truth)[1]
    blank = sample.states(controls.untrained(checkpoint, seed), nodes, STEPS, count.more)
    empty, by_controls["untrained"] = read(blank, nodes.truth)
    count.upto(count.total)  # batches without a node to read are not run

    tests = {
        name: score(title, mask, others, predicted, by_controls, memorised, seed)
        for name, (title, mask) in sample.tests(subject, others).items()
    }
    scores = ProbeScores(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        steps=STEPS,
        seed=seed,
        concept=subject.name,
        data=concepts.data_for(checkpoint.config),
        meaning=subject.meaning,
        n_train=int(fitting.sum()),
        constant=tuple(int(t) for t in np.flatnonzero(probe.constant)),
        tests=tests,
        across=across(title, others.take(crossed), (probe, at_last), (empty, blank[:, ~fitting][:, crossed]), seed),
    )
    return probe, scores


def _size(checkpoint: Checkpoint, subject: Concept, instances: int) -> float:
    """Bytes that a fit takes, were all its instances as large as two of the harder ones."""
    task = tasks.get(subject.task)
    drawn = task.generate(subject.harder, 2, concepts.data_for(checkpoint.config), 0)
    encodings = [task.encode(instance, checkpoint.config) for instance in drawn]
    count = instances * (1 + sample.HELD_OUT)
    total = count * max(e.n_nodes for e in encodings)
    oracle = 2 * (STEPS + 1) + 8 * 20  # truth at every step, features and identities of every node
    states = 3 * 4 * (STEPS + 1) * checkpoint.model.shapes.width  # of two networks, and a part of one
    runs = results.held_by_runs(checkpoint.model, encodings) * count / 2
    return runs + oracle * total + states * min(3 * sample.MAX_NODES, total)


def default_instances(checkpoint: Checkpoint) -> int:
    """How many instances are drawn where nobody says."""
    if checkpoint.config.attention == "edges":
        return INSTANCES
    affordable = TOKENS_BUDGET // sum(p.numel() for p in checkpoint.model.parameters())
    return min(INSTANCES, max(FEWEST_BY_DEFAULT, affordable))


def save(checkpoint: Checkpoint, probe: LinearProbe, scores: ProbeScores) -> tuple[Path, Path]:
    """Stores probes and scores with the checkpoint they were fitted to, each file whole or not at all.

    Raises:
        InputError: If the checkpoint lies nowhere, or the scores are another's.
    """
    if checkpoint.folder is None:
        raise InputError(f"the checkpoint {checkpoint.name!r} lies in no folder that probes could be stored in")
    if scores.sha256 != checkpoint.sha256:
        raise InputError(f"these probes were fitted to other weights than those of {checkpoint.name!r}")
    about = {"sha256": checkpoint.sha256, "concept": probe.concept, "values": json.dumps(probe.values)}
    content = safetensors.numpy.save({"weight": probe.weight, "bias": probe.bias}, metadata=about)
    files = checkpoint.folder / WEIGHTS, checkpoint.folder / SCORES
    text = (scores.to_json() + "\n").encode()
    atomic.write(files[1], text)
    atomic.write(files[0], content)
    index.enter(checkpoint.folder, {WEIGHTS: content, SCORES: text})
    return files


def load(checkpoint: Checkpoint) -> LinearProbe | None:
    """The probes stored with a checkpoint, None if there are none.

    Raises:
        InputError: If they belong to other weights, or the file is not whole.
    """
    path = None if checkpoint.folder is None else checkpoint.folder / WEIGHTS
    if path is None or not (path.is_file() or _is_entered(checkpoint, path)):
        return None
    if not path.is_file():
        raise InputError(f"{path} is missing; fit the probes anew with: depthscope probe fit {checkpoint.name}")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES >> 30} GiB, which no probes are")
    content = path.read_bytes()
    try:
        tensors = safetensors.numpy.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is truncated or is not a safetensors file ({error!s:.200})") from None
    about = header.get("__metadata__") or {}
    if about.get("sha256") != checkpoint.sha256:
        raise InputError(
            f"the {path.name} stored with {checkpoint.name!r} belongs to other weights; "
            f"fit it anew with: depthscope probe fit {checkpoint.name}"
        )
    shapes = {name: x.shape for name, x in tensors.items()}
    width, values = checkpoint.model.shapes.width, _values(about, path)
    if set(shapes) != {"weight", "bias"} or shapes["weight"] != (*shapes["bias"], width):
        raise InputError(
            f"{path} should hold weight (T+1, {width}) and bias (T+1,), or one a value (got {shapes!s:.99})"
        )
    if shapes["bias"][1:] != ((len(values),) if values else ()):
        raise InputError(f"{path} names {len(values)} values of its concept, but bias has shape {shapes['bias']}")
    if not shapes["bias"][0] or not all(x.dtype == np.float64 and np.isfinite(x).all() for x in tensors.values()):
        raise InputError(f"{path} holds numbers that are not finite float64, or none")
    _check_entered(checkpoint, path, content)
    return LinearProbe(str(about.get("concept", "")), tensors["weight"], tensors["bias"], values)


def _values(about: dict[str, str], path: Path) -> tuple[int, ...]:
    """The values of the concept, in the order of the rows."""
    try:
        values = json.loads(about.get("values", "[]"))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(type(x) is int and abs(x) < 1 << 15 for x in values):
        raise InputError(f"{path} names values of its concept that are no whole numbers")
    return tuple(values)


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
    concept = concepts.concept_for(checkpoint.config, probe.concept)
    probability = probe.probability(probe.logits(trace.hidden), concepts.final(concept, trace.encoding))
    return {f"probe: {concept.meaning}": np.where(trace.encoding.carries, probability, np.nan)}


def load_scores(checkpoint: Checkpoint) -> ProbeScores | None:
    """The scores stored with a checkpoint's probes, None if no probes are stored.

    The matrix of scores stored before there was one is NaN throughout.

    Raises:
        InputError: If probes or scores belong to other weights, or a file is not whole.
    """
    if checkpoint.folder is None or load(checkpoint) is None:
        return None
    path = checkpoint.folder / SCORES
    again = f"fit them anew with: depthscope probe fit {checkpoint.name}"
    try:
        if path.stat().st_size > MAX_SCORES:
            raise ValueError("too large")
        content = path.read_bytes()
        scores = parsed(json.loads(content))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise InputError(f"the scores of the probes stored with {checkpoint.name!r} cannot be read; {again}") from None
    if scores.sha256 != checkpoint.sha256:
        raise InputError(f"the scores stored with {checkpoint.name!r} belong to other weights; {again}")
    _check_entered(checkpoint, path, content)
    return scores


def _is_entered(checkpoint: Checkpoint, path: Path) -> bool:
    """Whether the index of the checkpoint has a file."""
    settings, _ = index.read_settings(path.parent)
    return path.name in settings.get(digests.FILES, {})


def _check_entered(checkpoint: Checkpoint, path: Path, content: bytes) -> None:
    """Compares a file with the index of the checkpoint."""
    try:
        digests.check(index.read_settings(path.parent)[0], path, content)
    except InputError:
        raise InputError(
            f"{path} was changed since it was stored; fit the probes anew with: depthscope probe fit {checkpoint.name}"
        ) from None
