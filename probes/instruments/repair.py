"""First error and single repair: put right the one state in which a failing run first leaves the oracle.

    e(i) = first step, once the oracle has node i, from which what is read at i is wrong to the end
    first error = the node with the least e; its state is replaced by that of a matching node that is right

Does the answer recover, against the same done to a random other node, and in an untrained network? What is read is read
by the model's readout of nodes or by the stored probes. A node of a text is a person: all mentions are put right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import tasks, trace
from depthscope.core.answers import batches, logits_by_step
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import MAX_OFFSET, NEVER, NOTHING, Encoding
from depthscope.core.errors import InputError
from depthscope.core.frontier import wilson
from depthscope.core.tasks import paths as routes
from depthscope.core.trace import Trace
from depthscope.probes.editing import directions, runner as intervene
from depthscope.probes.editing.language import END, Edit, written
from depthscope.probes.editing.runner import Material
from depthscope.probes.measuring import controls, instances as subjects, results
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import linear_probe, margins as reading, nodes as sample
from depthscope.probes.reading.linear_probe import LinearProbe

MAX_FAILURES = 40
FITTED, MAX_MATCHES = 60, 1500

WAYS = {
    "first error": "the first error",
    "first error held": "the first error, from then on",
    "random node": "a random other node",
    "random node held": "a random other node, from then on",
    "wrong node": "a random node that is wrong at the end",
    "random state": "the first error, moved as far in a random direction",
}
"""What is repaired; all but the first two are controls."""


@dataclass(frozen=True)
class Repair:
    """One failing run.

    Attributes:
        index: Of the instance among those given.
        label: The right answer.
        step: t of the first error; -1 where no node but those without an oracle is wrong.
        node: i of it.
        name: Label of the node.
        at_answer: Whether it is the node that the answer is read from, or another mention of it.
        on_path: Whether it, or another mention of it, lies on the path that decides the answer.
        fixed: (W,) 1 where the answer recovers, 0 where not, NaN where there was nothing to do; in the order of `ways`.
        edits: (W,) texts, what was done, an edit a line; empty where nothing. Patches take the mean of matching states.
    """

    index: int
    label: int
    step: int
    node: int
    name: str
    at_answer: bool
    on_path: bool
    fixed: np.ndarray
    edits: tuple[str, ...]


@dataclass(frozen=True)
class Repairs:
    """Repairs of one checkpoint; arrays (W,) are in the order of `ways`.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of matches, controls and the untrained network.
        reader: "readout" or "probe".
        steps: T.
        instances: Instances run.
        failures: Those answered wrongly after T steps.
        examined: Failures that were looked at.
        without: Failures looked at without a first error, or without a state that matches it.
        at_answer: Failures whose first error is the answer's own node, where a repair is no feat.
        on_path: Failures whose first error lies on the path that decides the answer.
        ways: What was repaired.
        tried: (W,) failures in which there was something to do.
        fixed: (W,) share of them in which the answer recovers.
        low: Lower end of its 95% interval (Wilson).
        high: Upper end.
        elsewhere: (W,) the same of failures whose first error is not at the answer's node.
        elsewhere_low: Lower end.
        elsewhere_high: Upper end.
        elsewhere_tried: (W,) how many.
        repairs: One a failure.
        untrained: The same of a network of the weights that training starts from, on the instances that it fails; None
            if it fails none, and within itself.
    """

    checkpoint: str
    sha256: str
    seed: int
    reader: str
    steps: int
    instances: int
    failures: int
    examined: int
    without: int
    at_answer: int
    on_path: int
    ways: tuple[str, ...]
    tried: np.ndarray
    fixed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    elsewhere: np.ndarray
    elsewhere_low: np.ndarray
    elsewhere_high: np.ndarray
    elsewhere_tried: np.ndarray
    repairs: tuple[Repair, ...]
    untrained: Repairs | None

    def __post_init__(self) -> None:
        for name in ("tried", "fixed", "low", "high", "elsewhere", "elsewhere_low", "elsewhere_high"):
            got = getattr(self, name).shape
            if got != (len(self.ways),):
                raise ValueError(f"{name} has shape {got}, but there are {len(self.ways)} ways")


def unfit(checkpoint: Checkpoint) -> str | None:
    """The first error is read at the nodes."""
    if checkpoint.config.attention == "none":
        return "it carries everything in the one state that reads, so that there is no single node to repair"
    return reading.unfit(checkpoint)


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    failures: int = MAX_FAILURES,
    reader: str | None = None,
) -> Repairs:
    """Finds failures, the first error of each, and repairs it alone.

    Args:
        checkpoint: What runs.
        instances: Of its task; those answered rightly are only counted.
        steps: T; None takes what the hardest instance needs.
        seed: Of matching states, random nodes and the untrained network.
        progress: Called with the work done and in all, runs and failures; what it raises stops the work.
        failures: At most so many are looked at.
        reader: "readout" or "probe"; None takes the readout where the model has one at every node.

    Raises:
        InputError: If there is no instance, none is answered wrongly, there is no such reader, or it would take too
            much memory.
    """
    due, reader = reading.steps_for(checkpoint, instances, steps), reading.reader_of(checkpoint, reader)
    if failures < 1:
        raise InputError(f"at least one failure is looked at (got {failures})")
    given = [x for x in instances if x.label is not None]
    encodings = reading.encoded(checkpoint, given)
    probe = linear_probe.load(checkpoint) if reader == reading.PROBE else None
    _refuse_over(checkpoint, encodings, due, probe)
    plain = replace(checkpoint, model=controls.untrained(checkpoint, seed))
    share = len(given) + min(failures, len(given))
    ticks = [results.part(progress, k * share, 2 * share) for k in range(2)]
    wrong = _failing(checkpoint, given, encodings, due, ticks[0])
    if not wrong:
        raise InputError(
            f"{checkpoint.name} answers all {len(given)} instances rightly after {due} steps, so that there is nothing "
            "to repair; take a greater --difficulty, more --instances or fewer --steps"
        )
    own = _repairs(checkpoint, given, wrong, due, seed, failures, reader, probe, ticks[0])
    wrong = _failing(plain, given, encodings, due, ticks[1])
    if not wrong:
        if progress is not None:
            progress(2 * share, 2 * share)
        return own
    fresh = reading.probe_of(checkpoint, plain.model, seed) if probe is not None else None
    return replace(own, untrained=_repairs(plain, given, wrong, due, seed, failures, reader, fresh, ticks[1]))


def _refuse_over(checkpoint: Checkpoint, encodings: Sequence[Encoding], steps: int, probe: LinearProbe | None) -> None:
    """Refuses what would not fit: the states to match with, and one run, its repaired copies and what is read of it."""
    width = checkpoint.model.shapes.width
    results.refuse_over((4.0 * width + 8) * (steps + 1) * MAX_MATCHES, "the states to match with", "take fewer steps")
    values = max(1, len(probe.values)) if probe is not None else 2 * MAX_OFFSET + 1
    n = max((e.n_nodes for e in encodings), default=0)
    results.refuse_over(
        (steps + 1) * n * (12.0 * width + 8 * values + 32),
        f"a run of {steps} steps over {n} nodes and its repairs",
        "take smaller inputs or fewer steps",
    )


def _repairs(
    checkpoint: Checkpoint,
    given: Sequence[Any],
    wrong: Sequence[int],
    steps: int,
    seed: int,
    failures: int,
    reader: str,
    probe: LinearProbe | None,
    progress: Progress | None,
) -> Repairs:
    """Repairs the failures of one network."""
    matches = _Matches(checkpoint, steps, seed)
    rng, found = np.random.default_rng([seed, 8]), []
    chosen, most = wrong[:failures], min(failures, len(given))
    for done, i in enumerate(chosen):
        found.append(_repair(checkpoint, given[i], i, steps, matches, probe, rng))
        if progress is not None:
            progress(len(given) + most * (done + 1) // len(chosen), 0)
    fixed = np.stack([r.fixed for r in found])
    away = fixed[[not r.at_answer for r in found]]
    all_, elsewhere = _shares(fixed), _shares(away)
    return Repairs(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        seed=seed,
        reader=reader,
        steps=steps,
        instances=len(given),
        failures=len(wrong),
        examined=len(chosen),
        without=int(np.isnan(fixed[:, 0]).sum()),
        at_answer=sum(r.at_answer for r in found),
        on_path=sum(r.on_path for r in found),
        ways=tuple(WAYS),
        tried=all_[0],
        fixed=all_[1],
        low=all_[2],
        high=all_[3],
        elsewhere=elsewhere[1],
        elsewhere_low=elsewhere[2],
        elsewhere_high=elsewhere[3],
        elsewhere_tried=elsewhere[0],
        repairs=tuple(found),
        untrained=None,
    )


def _shares(fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How many there are, the share that is fixed and its interval, (W,) each; NaN where there are none."""
    tried = np.isfinite(fixed).sum(0)
    count = np.maximum(tried, 1)
    right = np.nansum(fixed, axis=0)
    low, high = wilson(right, count)
    nan = np.where(tried > 0, 0.0, np.nan)
    return tried, right / count + nan, low + nan, high + nan


def _failing(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    encodings: Sequence[Encoding],
    steps: int,
    progress: Progress | None,
) -> list[int]:
    """Indices of the instances answered wrongly after T steps, in order."""
    wrong, done, shapes = [], 0, checkpoint.model.shapes
    for index in batches(encodings, shapes.width, shapes.heads):
        logits = logits_by_step(checkpoint, [encodings[i] for i in index], steps)[-1]
        wrong += [int(i) for i, logit in zip(index, logits, strict=True) if (logit > 0) != bool(instances[i].label)]
        done += len(index)
        if progress is not None:
            progress(done, len(encodings))
    return sorted(wrong)


def read(checkpoint: Checkpoint, run: Trace, probe: LinearProbe | None = None) -> np.ndarray:
    """The value read at every node of a run, (T+1, n), by a probe or else by the model's readout of nodes."""
    if probe is None:
        return directions.said(checkpoint, run.encoding, run.hidden)
    return probe.says(probe.logits(run.hidden)).astype(np.int64)


def first_error(checkpoint: Checkpoint, run: Trace, said: np.ndarray) -> tuple[int, int] | None:
    """Step and node of the first error of a run; None if every node is right at the end.

    Args:
        checkpoint: What ran.
        run: The run.
        said: (T+1, n) the value read at every node.
    """
    encoding = run.encoding
    due = _due(checkpoint, run)
    oracle = _oracle(encoding, run.steps)
    wrong = said != oracle
    t = np.arange(run.steps + 1)[:, None]
    fine = (t < due) | ~wrong
    fine[:, ~encoding.carries | (due > run.steps)] = True
    last_fine = np.where(fine.any(0), run.steps - fine[::-1].argmax(0), -1)
    onset = last_fine + 1
    off = np.flatnonzero(onset <= run.steps)
    if not len(off):
        return None
    on_path = routes.routes(run.instance, encoding, checkpoint.config).nodes(run.n_nodes)
    best = min(off.tolist(), key=lambda i: (onset[i], not on_path[i], due[i], i))
    return int(onset[best]), int(best)


def _due(checkpoint: Checkpoint, run: Trace) -> np.ndarray:
    """Step from which a node has to be right, (n,): once the oracle has it; over tokens at two steps a hop, and one.

    A node of a graph that is never reached has to be right throughout, from the second step on: no loss saw the first.
    """
    has = reading.has_from(run.instance.task, run.encoding)
    if run.instance.task == "graph":
        has = np.where(run.encoding.true_from == NEVER, 2, has)
    full = checkpoint.config.attention == "full"
    return np.where(has == NEVER, NEVER, np.where(full, 2 * np.minimum(has, NEVER // 4) + 1, has)).astype(np.int64)


def _oracle(encoding: Encoding, steps: int) -> np.ndarray:
    """The value that each node should be read to have, (T+1, n) int64."""
    truth = encoding.truth(steps)[0].astype(np.int64)
    return np.where(truth == NOTHING, encoding.value.astype(np.int64)[None], truth)


class _Matches:
    """States of nodes in instances of trained difficulty, by step, kind of token and value."""

    def __init__(self, checkpoint: Checkpoint, steps: int, seed: int) -> None:
        task = tasks.get(checkpoint.config.task)
        drawn = subjects.draw(checkpoint, None, FITTED, None, seed + 2_000_003)
        encodings = [task.encode(x, checkpoint.config) for x in drawn]
        self.rng = np.random.default_rng([seed, 9])
        instance = np.concatenate([np.full(e.n_nodes, i) for i, e in enumerate(encodings)])
        node = np.concatenate([np.arange(e.n_nodes) for e in encodings])
        has = np.concatenate([e.carries for e in encodings])
        keep = np.sort(self.rng.permutation(np.flatnonzero(has))[:MAX_MATCHES])
        instance, node = instance[keep], node[keep]
        nothing = np.zeros((len(node), 0))
        nodes = sample.Sample(
            encodings, np.arange(len(encodings)), instance, node, np.full(len(node), sample.FIT),
            np.zeros((steps + 1, len(node)), dtype=bool), nothing, nothing.astype(np.int64), {},
        )  # fmt: skip
        self.states = sample.states(checkpoint.model, nodes, steps)  # (T+1, N, d)
        self.value = np.stack([_oracle(encodings[i], steps)[:, j] for i, j in zip(instance, node, strict=True)], axis=1)
        self.kind = np.array([_kind(checkpoint, encodings[i], j) for i, j in zip(instance, node, strict=True)])

    def state(self, t: int, kind: int, value: int) -> np.ndarray | None:
        """The mean state of matching nodes after t steps, (d,); None where none matches."""
        same = self.value[t] == value
        mine = same & (self.kind == kind)
        mine = mine if mine.any() else same
        return self.states[t, mine].mean(0) if mine.any() else None


def _kind(checkpoint: Checkpoint, encoding: Encoding, node: int) -> int:
    """What a matching node has to share beside the value: the token of a formula, whether a fact's or a graph's end."""
    return int(encoding.token_ids[node]) if checkpoint.config.task != "text" else 0


def _repair(
    checkpoint: Checkpoint,
    instance: Any,
    index: int,
    steps: int,
    matches: _Matches,
    probe: LinearProbe | None,
    rng: np.random.Generator,
) -> Repair:
    run = trace.record(checkpoint, instance, steps)
    encoding, label = run.encoding, int(instance.label)
    said = read(checkpoint, run, probe)
    error = first_error(checkpoint, run, said)
    fixed, texts = np.full(len(WAYS), np.nan), [""] * len(WAYS)
    if error is None:
        return Repair(index, label, -1, -1, "", False, False, fixed, tuple(texts))
    t, i = error
    oracle = _oracle(encoding, steps)
    mine, answer = _same(encoding, i), _same(encoding, encoding.answer)
    free = np.flatnonzero(encoding.carries)
    free = free[~np.isin(free, [*mine, *answer])]
    wrong = free[said[-1, free] != oracle[-1, free]]
    other = _same(encoding, int(rng.choice(free))) if len(free) else ()
    mistaken = _same(encoding, int(rng.choice(wrong))) if len(wrong) else ()
    donor = _donor(checkpoint, run, oracle, matches, {*mine, *other, *mistaken}, t)
    patches = {
        "first error": (mine, None),
        "first error held": (mine, END),
        "random node": (other, None),
        "random node held": (other, END),
        "wrong node": (mistaken, None),
    }
    tried, vectors = {}, {}
    for name, (nodes, until) in patches.items():
        if nodes and not np.isnan(donor[t, list(nodes)]).any():
            tried[name] = [Edit("patch", t, until, nodes)]
    if "first error" in tried:
        for j in mine:
            vectors[f"random {j}"] = controls.random_direction(donor[t, j] - run.hidden[t, j], rng)
        tried["random state"] = [Edit("add", t, nodes=(j,), amount=1.0, direction=f"random {j}") for j in mine]
    if tried:
        material = Material(donor=replace(run, hidden=np.nan_to_num(donor)), directions=vectors)
        logits = intervene.run(checkpoint, run, list(tried.values()), material).logits[:, -1]
        for name, logit in zip(tried, logits, strict=True):
            k = list(WAYS).index(name)
            fixed[k] = float((logit > 0) == bool(label))
            texts[k] = "\n".join(written(edit, encoding.labels) for edit in tried[name])
    on_path = routes.routes(instance, encoding, checkpoint.config).nodes(run.n_nodes)
    return Repair(
        index, label, t, i, encoding.labels[i], i in answer, bool(on_path[list(mine)].any()), fixed, tuple(texts)
    )


def _same(encoding: Encoding, node: int) -> tuple[int, ...]:
    """A node and those that stand for the same thing and carry its concept: the mentions of a person."""
    unit = encoding.subformula[node]
    if unit < 0:
        return (node,)
    return tuple(np.flatnonzero((encoding.subformula == unit) & encoding.carries).tolist())


def _donor(
    checkpoint: Checkpoint, run: Trace, oracle: np.ndarray, matches: _Matches, nodes: Iterable[int], start: int
) -> np.ndarray:
    """The run's states with some nodes put right from step `start` on, (T+1, n, d); NaN where nothing matches."""
    hidden = run.hidden.copy()
    for node in nodes:
        kind = _kind(checkpoint, run.encoding, node)
        for t in range(start, run.steps + 1):
            state = matches.state(t, kind, int(oracle[t, node]))
            hidden[t, node] = np.nan if state is None else state
    return hidden


def table(result: Repairs) -> str:
    """Shares of failures that each repair fixes."""
    lines = [
        f"{result.checkpoint}: {result.failures} of {result.instances} instances answered wrongly after {result.steps} "
        f"steps, {result.examined} looked at, read by the {result.reader}",
        f"first error at the answer's own node {result.at_answer}, on the path {result.on_path}, none or no match "
        f"{result.without}",
        f"{'repaired':54}{'fixed':>8}  95% interval    n   not at the answer",
    ]
    lines += _rows(result)
    other = result.untrained
    if other is not None:
        lines += [
            "",
            f"untrained network: {other.failures} answered wrongly, {other.examined} looked at, first error at the "
            f"answer's own node {other.at_answer}, none or no match {other.without}",
            *_rows(other),
        ]
    step = next((r for r in result.repairs if r.step >= 0), None)
    if step is not None:
        lines += ["", f"edits in the first of them, instance {step.index} (all in --json)"]
        lines += [f"  {line}" for text in step.edits for line in text.splitlines()]
    return "\n".join(lines)


def _rows(result: Repairs) -> list[str]:
    lines = []
    for k, way in enumerate(result.ways):
        lines.append(
            f"{WAYS.get(way, way):54}{result.fixed[k]:8.3f}  [{result.low[k]:.3f}, {result.high[k]:.3f}] "
            f"{int(result.tried[k]):4d}   {result.elsewhere[k]:.3f} [{result.elsewhere_low[k]:.3f}, "
            f"{result.elsewhere_high[k]:.3f}] {int(result.elsewhere_tried[k])}"
        )
    return lines
