"""First error and single repair: put right the one state in which a failing run first leaves the oracle.

    e(i) = first step, once the oracle has node i, from which what is read at i is wrong to the end
    first error = the node with the least e; its state is replaced by that of a matching node that is right

Does the answer recover, more often than after the same at a random other node, or in an untrained network? The model's
readout of nodes reads, or the stored probes. A node of a text is a person: all mentions are put right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import MAX_OFFSET, NEVER, NOTHING, Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks import paths as routes
from depthscope.core.trace import Trace
from depthscope.probes.editing import directions, runner as intervene
from depthscope.probes.editing.language import END, Edit, written
from depthscope.probes.editing.runner import Material
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.maths.movement import stays_from
from depthscope.probes.measuring import controls, instances as subjects
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.reading import margins as reading, nodes as sample
from depthscope.probes.reading.linear_probe import LinearProbe
from depthscope.probes.reading.margins import ByReader, Reader
from depthscope.probes.reading.nodes import Rows

FITTED, MAX_MATCHES = 60, 1500
"""Instances of trained difficulty whose states are matched with, and most states of them."""

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
        index: Of the instance among those with a label.
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
class Repairs(Result):
    """Repairs of one checkpoint; estimates (W,) are in the order of `ways`.

    Attributes:
        reader: "readout" or "probe".
        instances: Instances run.
        failures: Those answered wrongly after T steps.
        examined: Failures that were looked at.
        without: Failures looked at without a first error, or without a state that matches it.
        at_answer: Failures whose first error is the answer's own node, where a repair is no feat.
        on_path: Failures whose first error lies on the path that decides the answer.
        ways: What was repaired.
        fixed: (W,) share of the failures in which there was something to do whose answer recovers.
        elsewhere: (W,) the same of failures whose first error is not at the answer's node.
        repairs: One a failure.
        untrained: The same of a network of the weights that training starts from, on the instances that it fails; None
            if it fails none, and within itself.
    """

    reader: str
    instances: int
    failures: int
    examined: int
    without: int
    at_answer: int
    on_path: int
    ways: tuple[str, ...]
    fixed: Estimate
    elsewhere: Estimate
    repairs: tuple[Repair, ...]
    untrained: Repairs | None

    def __post_init__(self) -> None:
        for name in ("fixed", "elsewhere"):
            shape = getattr(self, name).shape
            if shape != (len(self.ways),):
                raise ValueError(f"{name} has shape {shape}, but there are {len(self.ways)} ways")

    def table(self) -> str:
        """Shares of failures that each repair fixes."""
        blank, first = self.untrained, next((r for r in self.repairs if r.step >= 0), None)
        lines = [
            f"{self.checkpoint}: {self.failures} of {self.instances} instances answered wrongly after {self.steps} "
            f"steps, {self.examined} looked at, read by the {self.reader}",
            f"first error at the answer's own node {self.at_answer}, on the path {self.on_path}, none or no match "
            f"{self.without}",
            f"{'repaired':54}{'fixed':>22}{'n':>5}{'not at the answer':>22}{'n':>5}",
            *_rows(self),
        ]
        if blank is not None:
            lines += [
                "",
                f"untrained network: {blank.failures} answered wrongly, {blank.examined} looked at, first error at the "
                f"answer's own node {blank.at_answer}, none or no match {blank.without}",
                *_rows(blank),
            ]
        if first is not None:
            lines += ["", f"edits in the first of them, instance {first.index} (all in --json)"]
            lines += [f"  {line}" for text in first.edits for line in text.splitlines()]
        return "\n".join(lines)


def _rows(result: Repairs) -> list[str]:
    return [
        f"{WAYS.get(way, way):54}{f'{fixed}':>22}{fixed.n:5d}{f'{away}':>22}{away.n:5d}"
        for way, fixed, away in zip(result.ways, result.fixed, result.elsewhere, strict=True)
    ]


def unfit(checkpoint: Checkpoint) -> str | None:
    """The first error is read at the nodes."""
    if checkpoint.config.attention == "none":
        return "it carries everything in the one state that reads, so that there is no single node to repair"
    return reading.unfit(checkpoint)


@dataclass(frozen=True)
class Options(ByReader):
    """Of the command and the form."""

    failures: int = option(40, "looked at (default at most 40)", type=int, metavar="N")


@instrument(
    "whether a wrong answer recovers once the first state that leaves the oracle is put right",
    options=Options,
    unfit=unfit,
    instances=200,
)
def measure(bench: Bench, options: Options) -> Repairs:
    """Finds failures, the first error of each, and repairs it alone; instances answered correctly are only counted."""
    reader = Reader.of(bench, options.reader)
    if options.failures < 1:
        raise InputError(f"at least one failure is looked at (got {options.failures})")
    bench = replace(bench, instances=[x for x in bench.instances if x.label is not None])
    _reserve(bench, reader.probe)
    share = bench.runs() + min(options.failures, len(bench.instances))
    count = bench.expect(2 * share)
    wrong = _failing(bench)
    if not wrong:
        raise InputError(
            f"{bench.checkpoint.name} is right on all {len(bench.instances)} instances after {bench.steps} steps: "
            "nothing is left to repair; take a greater --difficulty, more --instances or fewer --steps"
        )
    own = _repairs(bench, wrong, options.failures, reader)
    count.upto(share)
    blank = replace(bench, checkpoint=replace(bench.checkpoint, model=bench.untrained))
    if wrong := _failing(blank):
        own = replace(own, untrained=_repairs(blank, wrong, options.failures, reader.untrained(bench)))
    count.upto(2 * share)
    return own


def _reserve(bench: Bench, probe: LinearProbe | None) -> None:
    """The states to match with, and one run, its repaired copies and what is read of it."""
    width, steps = bench.model.shapes.width, bench.steps
    bench.reserve((4.0 * width + 8) * (steps + 1) * MAX_MATCHES, "the states to match with", "take fewer steps")
    values = max(1, len(probe.values)) if probe is not None else 2 * MAX_OFFSET + 1
    n = max((e.n_nodes for e in bench.encodings), default=0)
    bench.reserve(
        (steps + 1) * n * (12.0 * width + 8 * values + 32),
        f"a run of {steps} steps over {n} nodes and its repairs",
        "take smaller inputs or fewer steps",
    )


def _failing(bench: Bench) -> list[int]:
    """Indices of the instances answered wrongly after T steps, in order."""
    label = np.array([bool(x.label) for x in bench.instances], dtype=bool)
    return np.flatnonzero((bench.logits()[-1] > 0) != label).tolist()


def _repairs(bench: Bench, wrong: Sequence[int], failures: int, reader: Reader) -> Repairs:
    """Repairs the failures of one network."""
    matches, rng, repairs = _Matches.of(bench), bench.rng("repair"), []
    for i in wrong[:failures]:
        repairs.append(_repair(bench, i, matches, reader.probe, rng))
        bench.tick()
    fixed = np.stack([r.fixed for r in repairs])
    return Repairs(
        **bench.header,
        reader=reader.name,
        instances=len(bench.instances),
        failures=len(wrong),
        examined=len(repairs),
        without=int(np.isnan(fixed[:, 0]).sum()),
        at_answer=sum(r.at_answer for r in repairs),
        on_path=sum(r.on_path for r in repairs),
        ways=tuple(WAYS),
        fixed=_share(fixed),
        elsewhere=_share(fixed[[not r.at_answer for r in repairs]]),
        repairs=tuple(repairs),
        untrained=None,
    )


def _share(fixed: np.ndarray) -> Estimate:
    """Share of the failures that each way fixes, (failures, W) -> (W,)."""
    return Estimate.share(np.nansum(fixed, axis=0), np.isfinite(fixed).sum(0))


def read(checkpoint: Checkpoint, run: Trace, probe: LinearProbe | None = None) -> np.ndarray:
    """The value read at every node of a run, (T+1, n), by a probe or else by the model's readout of nodes."""
    if probe is None:
        return directions.said(checkpoint, run.encoding, run.hidden)
    return probe.says(probe.logits(run.hidden)).astype(np.int64)


def first_error(checkpoint: Checkpoint, run: Trace, values: np.ndarray) -> tuple[int, int] | None:
    """Step and node of the first error of a run; None if every node is right at the end.

    Args:
        checkpoint: What ran.
        run: The run.
        values: (T+1, n) read at every node.
    """
    encoding = run.encoding
    since = _since(checkpoint, run)
    oracle = _oracle(encoding, run.steps)
    wrong = values != oracle
    t = np.arange(run.steps + 1)[:, None]
    fine = (t < since) | ~wrong
    fine[:, ~encoding.carries | (since > run.steps)] = True
    onset = stays_from(~fine)
    off = np.flatnonzero(onset <= run.steps)
    if not len(off):
        return None
    on_path = routes.routes(run.instance, encoding, checkpoint.config).nodes(run.n_nodes)
    best = min(off.tolist(), key=lambda i: (onset[i], not on_path[i], since[i], i))
    return int(onset[best]), int(best)


def _since(checkpoint: Checkpoint, run: Trace) -> np.ndarray:
    """Step from which a node has to be right, (n,): once the oracle has it; over tokens at two steps a hop, and one.

    Where a wave spreads, a node that is never reached has to be right throughout, from the second step on: no loss saw
    the first.
    """
    has = run.encoding.has_from
    if tasks.get(run.instance.task).concept.spreads:
        has = np.where(run.encoding.true_from == NEVER, 2, has)
    full = checkpoint.config.attention == "full"
    return np.where(has == NEVER, NEVER, np.where(full, 2 * np.minimum(has, NEVER // 4) + 1, has)).astype(np.int64)


def _oracle(encoding: Encoding, steps: int) -> np.ndarray:
    """The value that each node should be read to have, (T+1, n) int64."""
    truth = encoding.truth(steps)[0].astype(np.int64)
    return np.where(truth == NOTHING, encoding.value.astype(np.int64)[None], truth)


@dataclass(frozen=True)
class _Matches:
    """States of N nodes in instances of trained difficulty, by step, kind of token and value.

    Attributes:
        states: (T+1, N, d).
        value: (T+1, N) by the oracle.
        kind: (N,).
    """

    states: np.ndarray
    value: np.ndarray
    kind: np.ndarray

    @classmethod
    def of(cls, bench: Bench) -> _Matches:
        """Draws instances and runs them."""
        checkpoint, task = bench.checkpoint, tasks.get(bench.checkpoint.config.task)
        drawn = subjects.draw(checkpoint, None, FITTED, None, bench.seed + 2_000_003)
        encodings = [task.encode(x, checkpoint.config) for x in drawn]
        every = Rows.every(encodings)
        has = np.concatenate([e.carries for e in encodings])
        keep = np.sort(bench.rng("matches").permutation(np.flatnonzero(has))[:MAX_MATCHES])
        rows = Rows(encodings, every.instance[keep], every.node[keep])
        places = list(zip(rows.instance, rows.node, strict=True))
        states = sample.states(bench.model, rows, bench.steps)
        value = np.stack([_oracle(encodings[i], bench.steps)[:, j] for i, j in places], axis=1)
        return cls(states, value, np.array([_kind(checkpoint, encodings[i], j) for i, j in places]))

    def state(self, t: int, kind: int, value: int) -> np.ndarray | None:
        """The mean state of matching nodes after t steps, (d,); None where none matches."""
        same = self.value[t] == value
        alike = same & (self.kind == kind)
        alike = alike if alike.any() else same
        return self.states[t, alike].mean(0) if alike.any() else None


def _kind(checkpoint: Checkpoint, encoding: Encoding, node: int) -> int:
    """What a matching node has to share beside the value: its token, unless its value is one of many."""
    return 0 if len(tasks.get(checkpoint.config.task).classes) > 2 else int(encoding.token_ids[node])


def _repair(bench: Bench, index: int, matches: _Matches, probe: LinearProbe | None, rng: np.random.Generator) -> Repair:
    """Puts right the first error of one failing run, and the controls, all in one batch of edited copies of it.

    If errors spread from the first, putting that one right should be enough; a random node says what any patch does, a
    wrong one whether any error would do, and a random direction whether being moved is enough. The states put in are
    means over matching nodes of other instances: this run has no right state of these nodes.
    """
    checkpoint, instance = bench.checkpoint, bench.instances[index]
    run = trace.record(checkpoint, instance, bench.steps)
    encoding, label = run.encoding, int(instance.label)
    values = read(checkpoint, run, probe)
    error = first_error(checkpoint, run, values)
    fixed, texts = np.full(len(WAYS), np.nan), [""] * len(WAYS)
    if error is None:
        return Repair(index, label, -1, -1, "", False, False, fixed, tuple(texts))
    t, i = error
    oracle = _oracle(encoding, bench.steps)
    mine, other, mistaken = _places(encoding, values[-1] != oracle[-1], i, rng)
    donor = _donor(checkpoint, run, oracle, matches, {*mine, *other, *mistaken}, t)
    patches = {
        "first error": (mine, None),
        "first error held": (mine, END),
        "random node": (other, None),
        "random node held": (other, END),
        "wrong node": (mistaken, None),
    }
    edits = {
        way: [Edit("patch", t, until, nodes)]
        for way, (nodes, until) in patches.items()
        if nodes and not np.isnan(donor[t, list(nodes)]).any()
    }
    vectors = {}
    if "first error" in edits:
        vectors = {f"random {j}": controls.random_direction(donor[t, j] - run.hidden[t, j], rng) for j in mine}
        edits["random state"] = [Edit("add", t, nodes=(j,), amount=1.0, direction=f"random {j}") for j in mine]
    if edits:
        material = Material(donor=replace(run, hidden=np.nan_to_num(donor)), directions=vectors)
        logits = intervene.run(checkpoint, run, list(edits.values()), material).logits[:, -1]
        for way, logit in zip(edits, logits, strict=True):
            k = list(WAYS).index(way)
            fixed[k] = float((logit > 0) == bool(label))
            texts[k] = "\n".join(written(edit, encoding.labels) for edit in edits[way])
    on_path = bool(routes.routes(instance, encoding, checkpoint.config).nodes(run.n_nodes)[list(mine)].any())
    at_answer = i in _same(encoding, encoding.answer)
    return Repair(index, label, t, i, encoding.labels[i], at_answer, on_path, fixed, tuple(texts))


def _places(
    encoding: Encoding, wrong: np.ndarray, error: int, rng: np.random.Generator
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Every mention of the first error, of a random other node, and of one that is wrong at the end, (n,) bool.

    The others are none of the answer's; empty where there is no such node.
    """
    mine = _same(encoding, error)
    free = np.flatnonzero(encoding.carries)
    free = free[~np.isin(free, [*mine, *_same(encoding, encoding.answer)])]
    drawn = [_same(encoding, int(rng.choice(nodes))) if len(nodes) else () for nodes in (free, free[wrong[free]])]
    return mine, drawn[0], drawn[1]


def _same(encoding: Encoding, node: int) -> tuple[int, ...]:
    """A node and those that stand for the same thing and carry its concept: the mentions of a person."""
    unit = encoding.instance_node[node]
    if unit < 0:
        return (node,)
    return tuple(np.flatnonzero((encoding.instance_node == unit) & encoding.carries).tolist())


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
