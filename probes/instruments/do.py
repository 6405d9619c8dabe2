"""do(): what becomes of the answer when a run is changed by hand? Edits that a user gives, or a battery of them.

Owns reading the user's edits and replaying them on every instance, with the same edits at random nodes and in an
untrained model beside them. What edits mean stands in `probes.editing.language`, the battery in
`probes.instruments.do_battery`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks import read as inputs, twins
from depthscope.core.trace import Trace
from depthscope.probes.editing import directions as steering, language, runner
from depthscope.probes.editing.ablation import Others
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import Material
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.instruments import do_battery, steer
from depthscope.probes.instruments.do_battery import Battery
from depthscope.probes.instruments.do_damage import Damage, score
from depthscope.probes.instruments.steer import MEANS, ORTHOGONAL
from depthscope.probes.measuring import controls, instances as subjects
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes
from depthscope.probes.reading import linear_probe

DRAWS = 20
"""Times that the edits are made at random nodes."""


@dataclass(frozen=True)
class Replayed:
    """One instance with and without the edits.

    Attributes:
        edits: In words, nodes by name.
        donor: What patches are taken from; empty without any.
        before: (T+1,) logit of the answer after each step of the undisturbed run.
        after: (T+1,) with the edits.
        random: (R, T+1) with the same edits at random nodes; R is 0 where they name no node.
        untrained_before: (T+1,) of an untrained model.
        untrained_after: (T+1,) of an untrained model with the edits.
    """

    edits: tuple[str, ...]
    donor: str
    before: np.ndarray
    after: np.ndarray
    random: np.ndarray
    untrained_before: np.ndarray
    untrained_after: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.before.shape, "after", "untrained_before", "untrained_after")
        check_shapes(self, (len(self.random), *self.before.shape), "random")


@dataclass(frozen=True)
class Replay(Result):
    """A user's edits on N instances.

    Attributes:
        runs: One an instance.
        edited: What the edits did.
        random: What they did at random nodes, 20 draws an instance, all counted; their Wilson interval is too narrow
            by as much as the draws of one instance agree.
        untrained: What they did to an untrained model.
    """

    runs: tuple[Replayed, ...]
    edited: Damage
    random: Damage
    untrained: Damage

    def table(self) -> str:
        """Logits before and after at each step for a single instance, or last ones for many, and the summary."""
        first = self.runs[0]
        lines = [f"{self.checkpoint}: {len(self.runs)} instances, T = {self.steps}, seed {self.seed}"]
        lines += [f"  {text}" for text in first.edits] + ([f"  donor: {first.donor}"] if first.donor else [])
        if len(self.runs) == 1:
            lines.append("logit of the answer\n   t    before     after   untrained    and after")
            columns = (first.before, first.after, first.untrained_before, first.untrained_after)
            for t, (a, b, c, d) in enumerate(zip(*columns, strict=True)):
                lines.append(f"{t:4}{a:10.3f}{b:10.3f}{c:12.3f}{d:13.3f}")
        else:
            shown = self.runs[:40]
            lines.append(f"last logits of {len(shown)} instances (all in --json)\n  no.    before     after")
            lines += [f"{i:5}{r.before[-1]:10.3f}{r.after[-1]:10.3f}" for i, r in enumerate(shown)]
        for d in (self.edited, self.random, self.untrained):
            if d.flips.n[0]:
                lines.append(
                    f"{d.title:22} last answer turns {d.flips[0]} of {d.flips.n[0]}; KL {d.loss} nats; answers "
                    f"otherwise on the way {d.disturbed}, of these back {d.recovered} after {d.recovery:.1f} steps"
                )
        return "\n".join(lines)


@dataclass(frozen=True)
class Options:
    """Of the command."""

    edit: Sequence[str] | None = option(None, "such as 'zero t=3 node=5'; repeatable", action="append", metavar="EDIT")
    edits: str | None = option(None, "of edits, one a line or as JSON", metavar="FILE")
    donor: str | None = option(None, "instance that patches take from (default: the twin)", metavar="FILE")


@instrument(
    "what becomes of the answer when a run is changed by hand: your edits, or a battery of them at every step",
    options=Options,
    instances=20,
)
def measure(bench: Bench, options: Options) -> Replay | Battery:
    """Replays edits on every instance, all in one run, those of a step in their order; without any, the battery.

    Source:
        Pearl (2009), Causality, for do(); step-wise interventions on latent thoughts: "Dynamics Within Latent
        Chain-of-Thought". Controls of equal size and at random nodes are ours.
    """
    if options.edit is None and options.edits is None:
        if options.donor is not None:
            raise InputError("a donor is for patches: give the edits that take something from it")
        return do_battery.run(bench)
    texts = [*(options.edit or ())]
    if options.edits is not None:
        texts.append(inputs.decode(inputs.read(options.edits), options.edits))
    n = len(bench.instances)
    bench.reserve(4 * n * (DRAWS + 4) * (bench.steps + 1), "the edited runs", "take fewer instances or fewer steps")
    bench.expect(n)
    sides = (Others(bench.checkpoint, bench.steps, bench.seed), Others(bench.blank, bench.steps, bench.seed))
    runs, starts = [], []
    for i in range(n):
        run, start = _replayed(bench, sides, texts, options.donor, i)
        runs.append(run)
        starts.append(start)
        bench.tick()
    at = np.array([min(starts)])

    def damage(title: str, pairs: Sequence[tuple[np.ndarray, np.ndarray]], group: np.ndarray | None = None) -> Damage:
        base, after = (np.array([pair[side] for pair in pairs]).reshape(-1, bench.steps + 1) for side in (0, 1))
        return score(bench, title, base, after[:, None], at, group)

    drawn = [(run.before, after) for run in runs for after in run.random]
    group = np.repeat(bench.group, [len(run.random) for run in runs])
    if not drawn:  # one run that is not there: all figures are NaN
        drawn, group = [(runs[0].before, np.full(bench.steps + 1, np.nan))], bench.group[:1]
    return Replay(
        **bench.header,
        runs=tuple(runs),
        edited=damage("the edits", [(run.before, run.after) for run in runs]),
        random=damage("at random nodes", drawn, group),
        untrained=damage("in an untrained model", [(run.untrained_before, run.untrained_after) for run in runs]),
    )


def read(texts: Sequence[str], labels: Sequence[str]) -> list[Edit]:
    """All edits of some texts, each in words, several lines of words, or JSON; nodes by name or number.

    Raises:
        InputError: If one is no edit, or there is none.
    """
    program = [edit for text in texts for edit in language.loads(text, labels)]
    if not program:
        raise InputError("no edit is given; one is, for example: zero t=3 node=5")
    return program


def _replayed(
    bench: Bench, sides: tuple[Others, Others], texts: Sequence[str], donor: str | None, index: int
) -> tuple[Replayed, int]:
    """One instance in the checkpoint and in an untrained one; and the first step at which its edits do anything."""
    instance, rng = bench.instances[index], bench.rng("random nodes", index)
    base, blank = (trace.record(side.checkpoint, instance, bench.steps) for side in sides)
    program = read(texts, base.encoding.labels)
    language.check(program, base.n_nodes, bench.model.shapes.heads, bench.steps)
    kinds = {edit.kind for edit in program}
    other, origin = None, ""
    if "patch" in kinds:
        other, origin = donor_of(bench.checkpoint, instance, donor, bench.seed)
    elif donor is not None:
        raise InputError("a donor is given, but no edit is a patch: patch t=3 node=5")
    directions = directions_of(bench, program, index) if "add" in kinds else {}

    def after(side: Others, run: Trace, programs: Sequence[Sequence[Edit]]) -> np.ndarray:
        taken = None if other is None else trace.record(side.checkpoint, other, bench.steps)
        mean = side.mean(run.encoding) if "mean" in kinds else None
        return runner.run(side.checkpoint, run, programs, Material(taken, directions, mean)).logits

    elsewhere = [_elsewhere(program, base.encoding, rng) for _ in range(DRAWS)] if _names_places(program) else []
    logits = after(sides[0], base, [program, *elsewhere])
    run = Replayed(
        edits=tuple(language.written(edit, base.encoding.labels) for edit in program),
        donor=origin,
        before=base.logits,
        after=logits[0],
        random=logits[1:],
        untrained_before=blank.logits,
        untrained_after=after(sides[1], blank, [program])[0],
    )
    return run, min(edit.step for edit in program)


def donor_of(checkpoint: Checkpoint, instance: Any, donor: str | None, seed: int) -> tuple[Any, str]:
    """What patches are taken from, and what it is: the instance of a file, or the twin."""
    if donor is None:
        try:
            twin = twins.find(instance, seed)
        except InputError as error:
            raise InputError(f"there is no twin to patch from ({error}); name a donor with --donor FILE") from None
        return twin.instance, f"its twin: {twin.change}"
    question = {} if donor.endswith(".jsonl") else instance.question()  # the same question, asked of another instance
    result = subjects.read(checkpoint, donor, question.get("source"), question.get("target"), None)
    if len(result) != 1:
        raise InputError(f"a donor is one instance, but {donor!r} holds {len(result)}")
    return result[0], f"the instance in {donor}"


def directions_of(bench: Bench, program: Sequence[Edit], index: int = 0) -> dict[str, np.ndarray]:
    """Directions that an edit may name, (T+1, d) each: what `probes.instruments.steer` steers along, and its controls.

    `readout`, `probe` and `random` have length one. `means` leads from the mean state of nodes at which the concept is
    false to that of those at which it is true, over the instances that steering takes it from; `orthogonal` is a random
    one of its length at a right angle to it. In texts, where the concept has many values, `means:0:1` leads from one
    to another, and so on. `means@8` is at every step what `means` is after step 8, and so on.

    Args:
        bench: Of all instances that are edited; the means are over others as difficult.
        program: Edits; means are made of the steps alone at which these add them, and are NaN at all others.
        index: Of the instance, of which random directions are its own.
    """
    checkpoint, steps, rng = bench.checkpoint, bench.steps, bench.rng("directions", index)
    rows = [steering.weights(checkpoint, t) for t in range(min(steps, linear_probe.STEPS) + 1)]
    t = np.minimum(np.arange(steps + 1), linear_probe.STEPS)
    made = {name: np.array([row[name] for row in rows])[t] for name in rows[0] if all(name in row for row in rows)}
    made["random"] = rng.standard_normal((1, checkpoint.model.shapes.width)).repeat(steps + 1, axis=0)
    made = {name: rows / np.linalg.norm(rows, axis=-1, keepdims=True) for name, rows in made.items()}
    names = dict.fromkeys(str(edit.direction) for edit in program if edit.kind == "add")
    of_means = [name for name in names if name.startswith((MEANS, ORTHOGONAL))]
    made |= _between_means(bench, sorted({k for name in of_means for k in _steps_of(name, program, steps)}), rng)
    for name in names:
        plain, at, step = name.rpartition("@")
        if at and plain in made and step.isdecimal() and int(step) <= steps:
            made[name] = np.tile(made[plain][int(step)], (steps + 1, 1))
    return made


def _steps_of(name: str, program: Sequence[Edit], steps: int) -> list[int]:
    """Steps of which a direction is needed."""
    _, at, step = name.rpartition("@")
    if at:
        return [int(step)] if step.isdecimal() and int(step) <= steps else []
    return [t for t in range(steps + 1) for edit in program if edit.direction == name and edit.at(t)]


def _between_means(bench: Bench, at: Sequence[int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """`means` and `orthogonal` after some steps, of every two neighbouring values of the concept; NaN elsewhere."""
    if not at:
        return {}
    drawn = steer.fitted(bench.checkpoint, bench.instances, bench.seed)
    made: dict[str, np.ndarray] = {}
    for t in at:
        means = steering.means(bench.checkpoint, drawn, t)
        for value in means.mean:
            towards = means.towards(value, value + 1)
            if towards is None:
                continue
            of = f":{value}:{value + 1}" if len(tasks.get(bench.checkpoint.config.task).classes) > 2 else ""
            for name, vector in ((MEANS, towards), (ORTHOGONAL, controls.orthogonal(towards, rng))):
                made.setdefault(name + of, np.full((bench.steps + 1, len(towards)), np.nan))[t] = vector
    return made


def _names_places(program: Sequence[Edit]) -> bool:
    return any(edit.nodes is not None or edit.edges is not None for edit in program)


def _elsewhere(program: Sequence[Edit], encoding: Encoding, rng: np.random.Generator) -> list[Edit]:
    """The same edits with every node another and every edge another, at random; the same for the same.

    They are drawn among the nodes that carry the concept, without those named where there are enough others.
    """
    named = sorted({i for edit in program for i in edit.nodes or ()})
    free = np.setdiff1d(np.flatnonzero(encoding.carries), named)
    pool = free if len(free) >= len(named) else np.arange(encoding.n_nodes)
    to = dict(zip(named, rng.permutation(pool).tolist(), strict=False))
    pairs = sorted({pair for edit in program for pair in edit.edges or ()})
    if encoding.edge_index is not None:
        real = [(int(q), int(k)) for q, k in encoding.edge_index.T if q != k]
    else:
        real = rng.integers(encoding.n_nodes, size=(4 * len(pairs) + 4, 2)).tolist()
    free = [(q, k) for q, k in real if (q, k) not in pairs] or pairs
    chosen = dict(zip(pairs, _drawn(free, len(pairs), program, encoding, rng) or pairs, strict=True))
    return [
        replace(
            edit,
            nodes=None if edit.nodes is None else tuple(to[i] for i in edit.nodes),
            edges=None if edit.edges is None else tuple(chosen[pair] for pair in edit.edges),
        )
        for edit in program
    ]


def _drawn(
    pairs: Sequence[tuple[int, int]], count: int, program: Sequence[Edit], encoding: Encoding, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Some pairs at random; a cut leaves every query something to attend to. None where there are too few."""
    edges, n = encoding.edge_index, encoding.n_nodes
    left = np.full(n, n) if edges is None else np.bincount(edges[0], minlength=n)
    least = int(any(edit.kind == "cut" for edit in program))
    chosen: list[tuple[int, int]] = []
    for _ in range(count):
        able = [pair for pair in pairs if left[pair[0]] > least]
        if not able:
            return []
        chosen.append(able[int(rng.integers(len(able)))])
        left[chosen[-1][0]] -= 1
    return chosen
