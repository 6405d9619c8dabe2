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

from depthscope.core import trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks import read as inputs, twins
from depthscope.core.trace import Trace
from depthscope.probes.editing import directions as steering, language, runner as intervene
from depthscope.probes.editing.ablation import Others
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import Material
from depthscope.probes.instruments import do_battery, steer
from depthscope.probes.instruments.do_battery import Battery
from depthscope.probes.instruments.do_damage import Damage, score
from depthscope.probes.instruments.steer import MEANS, ORTHOGONAL
from depthscope.probes.measuring import controls, instances as subjects
from depthscope.probes.measuring.results import Progress, refuse_over
from depthscope.probes.reading import linear_probe, margins as reading
from depthscope.probes.reading.nodes import groups_of

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
        for name in ("after", "untrained_before", "untrained_after"):
            if getattr(self, name).shape != self.before.shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, but before has {self.before.shape}")
        if self.random.shape[1:] != self.before.shape:
            raise ValueError(f"random has shape {self.random.shape}, but before has {self.before.shape}")


@dataclass(frozen=True)
class Replay:
    """A user's edits on N instances.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of twins, controls and bootstrap.
        steps: T.
        runs: One an instance.
        edited: What the edits did.
        random: What they did at random nodes, 20 draws an instance, all counted; their Wilson interval is too narrow
            by as much as the draws of one instance agree.
        untrained: What they did to an untrained model.
    """

    checkpoint: str
    sha256: str
    seed: int
    steps: int
    runs: tuple[Replayed, ...]
    edited: Damage
    random: Damage
    untrained: Damage


def unfit(checkpoint: Checkpoint) -> str | None:
    """Edits of states work on any model; the gate and attention are asked for by the edit."""
    return intervene.unfit(checkpoint)


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    edit: Sequence[str] | None = None,
    edits: str | None = None,
    donor: str | None = None,
) -> Replay | Battery:
    """Replays the edits given on every instance; without any, runs the battery.

    Args:
        checkpoint: What runs.
        instances: Of its task.
        steps: T; None takes what the instances need.
        seed: Of twins, noise of the battery, controls and bootstrap.
        progress: Called with the instances done and in all; what it raises stops the work.
        edit: Edits as text or JSON; all given are made in one run, those of a step in the order given.
        edits: Name of a file of more of them.
        donor: Name of a file with the instance that patches are taken from; None takes each instance's twin.

    Raises:
        InputError: If an edit is none or does not fit a run, a donor is missing, or it would take too much memory.

    Source:
        Pearl (2009), Causality, for do(); step-wise interventions on latent thoughts: "Dynamics Within Latent
        Chain-of-Thought". Controls of equal size and at random nodes are ours.
    """
    texts = [*(edit or ()), *([] if edits is None else [inputs.decode(inputs.read(edits), edits)])]
    if edit is None and edits is None:
        if donor is not None:
            raise InputError("a donor is for patches: give the edits that take something from it")
        return do_battery.run(checkpoint, instances, steps, seed, progress)
    steps = reading.steps_for(checkpoint, instances, steps)
    refuse_over(
        4 * len(instances) * (DRAWS + 4) * (steps + 1), "the edited runs", "take fewer instances or fewer steps"
    )
    plain = replace(checkpoint, model=controls.untrained(checkpoint, seed))
    sides = (Others(checkpoint, steps, seed), Others(plain, steps, seed))
    rows, starts = [], []
    for i in range(len(instances)):
        row, start = _replayed(sides, instances, texts, donor, seed, i)
        rows.append(row)
        starts.append(start)
        if progress is not None:
            progress(i + 1, len(instances))
    group, at = groups_of(instances), np.array([min(starts)])

    def damage(title: str, pairs: Sequence[tuple[np.ndarray, np.ndarray]], group: np.ndarray) -> Damage:
        base = np.array([b for b, _ in pairs]).reshape(-1, steps + 1)
        after = np.array([a for _, a in pairs]).reshape(-1, 1, steps + 1)
        return score(title, base, after, at, group, seed)

    drawn = [(row.before, a) for row in rows for a in row.random]
    of_drawn = np.repeat(group, [len(row.random) for row in rows])
    if not drawn:  # one run that is not there: all figures are NaN
        drawn, of_drawn = [(rows[0].before, np.full(steps + 1, np.nan))], group[:1]
    return Replay(
        checkpoint.name,
        checkpoint.sha256,
        seed,
        steps,
        tuple(rows),
        damage("the edits", [(row.before, row.after) for row in rows], group),
        damage("at random nodes", drawn, of_drawn),
        damage("in an untrained model", [(row.untrained_before, row.untrained_after) for row in rows], group),
    )


def read(texts: Sequence[str], labels: Sequence[str]) -> list[Edit]:
    """All edits of some texts, each in words, several lines of words, or JSON; nodes by name or number.

    Raises:
        InputError: If one is no edit, or there is none.
    """
    found = [edit for text in texts for edit in language.loads(text, labels)]
    if not found:
        raise InputError("no edit is given; one is, for example: zero t=3 node=5")
    return found


def _replayed(
    sides: tuple[Others, Others],
    instances: Sequence[Any],
    texts: Sequence[str],
    donor: str | None,
    seed: int,
    index: int,
) -> tuple[Replayed, int]:
    """One instance in the checkpoint and in an untrained one; and the first step at which its edits do anything."""
    (checkpoint, plain), steps = (side.checkpoint for side in sides), sides[0].steps
    instance, rng = instances[index], np.random.default_rng([seed, index, 8])
    base, blank = trace.record(checkpoint, instance, steps), trace.record(plain, instance, steps)
    program = read(texts, base.encoding.labels)
    language.check(program, base.n_nodes, checkpoint.model.shapes.heads, steps)
    other, said = None, ""
    if any(edit.kind == "patch" for edit in program):
        other, said = donor_of(checkpoint, instance, donor, seed)
    elif donor is not None:
        raise InputError("a donor is given, but no edit is a patch: patch t=3 node=5")
    adds = any(edit.kind == "add" for edit in program)
    directions = directions_of(checkpoint, instances, program, steps, seed, index) if adds else {}

    averaged = any(edit.kind == "mean" for edit in program)

    def after(side: Others, run: Trace, programs: Sequence[Sequence[Edit]]) -> np.ndarray:
        taken = None if other is None else trace.record(side.checkpoint, other, steps)
        mean = side.mean(run.encoding) if averaged else None
        return intervene.run(side.checkpoint, run, programs, Material(taken, directions, mean)).logits

    elsewhere = [_elsewhere(program, base.encoding, rng) for _ in range(DRAWS)] if _named(program) else []
    logits = after(sides[0], base, [program, *elsewhere])
    row = Replayed(
        tuple(language.written(edit, base.encoding.labels) for edit in program),
        said,
        base.logits,
        logits[0],
        logits[1:],
        blank.logits,
        after(sides[1], blank, [program])[0],
    )
    return row, min(edit.step for edit in program)


def donor_of(checkpoint: Checkpoint, instance: Any, donor: str | None, seed: int) -> tuple[Any, str]:
    """What patches are taken from, and what it is: the instance of a file, or the twin."""
    if donor is None:
        try:
            twin = twins.find(instance, seed)
        except InputError as error:
            raise InputError(f"there is no twin to patch from ({error}); name a donor with --donor FILE") from None
        return twin.instance, f"its twin: {twin.change}"
    ends = (None, None)
    if instance.task == "graph":  # the same question, asked of another graph
        ends = (instance.names[instance.source], instance.names[instance.target])
    many = donor.endswith(".jsonl")
    found = subjects.read(checkpoint, donor, *((None, None) if many else ends), None)
    if len(found) != 1:
        raise InputError(f"a donor is one instance, but {donor!r} holds {len(found)}")
    return found[0], f"the instance in {donor}"


def directions_of(
    checkpoint: Checkpoint, instances: Sequence[Any], program: Sequence[Edit], steps: int, seed: int, index: int = 0
) -> dict[str, np.ndarray]:
    """Directions that an edit may name, (T+1, d) each: what `probes.instruments.steer` steers along, and its controls.

    `readout`, `probe` and `random` have length one. `means` leads from the mean state of nodes at which the concept is
    false to that of those at which it is true, over the instances that steering takes it from; `orthogonal` is a random
    one of its length at a right angle to it. In texts, where the concept has many values, `means:0:1` leads from one
    to another, and so on. `means@8` is at every step what `means` is after step 8, and so on.

    Args:
        checkpoint: What is edited.
        instances: All that are edited; the means are over others as difficult.
        program: Edits; means are made of the steps alone at which these add them, and are NaN at all others.
        steps: T.
        seed: Of the means' instances and of what is random.
        index: Of the instance, of which random directions are its own.
    """
    rng = np.random.default_rng([seed, index, 7])
    rows = [steering.weights(checkpoint, t) for t in range(min(steps, linear_probe.STEPS) + 1)]
    t = np.minimum(np.arange(steps + 1), linear_probe.STEPS)
    found = {name: np.array([row[name] for row in rows])[t] for name in rows[0] if all(name in row for row in rows)}
    found["random"] = rng.standard_normal((1, checkpoint.model.shapes.width)).repeat(steps + 1, axis=0)
    found = {name: rows / np.linalg.norm(rows, axis=-1, keepdims=True) for name, rows in found.items()}
    asked = {str(edit.direction): edit for edit in program if edit.kind == "add"}
    due = {k for name in asked if name.startswith((MEANS, ORTHOGONAL)) for k in _steps_of(name, program, steps)}
    found |= _between_means(checkpoint, instances, sorted(due), steps, seed, rng)
    for name in asked:
        plain, at, step = name.rpartition("@")
        if at and plain in found and step.isdecimal() and int(step) <= steps:
            found[name] = np.tile(found[plain][int(step)], (steps + 1, 1))
    return found


def _steps_of(name: str, program: Sequence[Edit], steps: int) -> list[int]:
    """Steps of which a direction is needed."""
    _, at, step = name.rpartition("@")
    if at:
        return [int(step)] if step.isdecimal() and int(step) <= steps else []
    return [t for t in range(steps + 1) for edit in program if edit.direction == name and edit.at(t)]


def _between_means(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    due: Sequence[int],
    steps: int,
    seed: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """`means` and `orthogonal` after some steps, of every two neighbouring values of the concept; NaN elsewhere."""
    if not due:
        return {}
    drawn = steer.fitted(checkpoint, instances, seed)
    found: dict[str, np.ndarray] = {}
    for t in due:
        means = steering.means(checkpoint, drawn, t)
        for value in means.mean:
            towards = means.towards(value, value + 1)
            if towards is None:
                continue
            of = "" if checkpoint.config.task != "text" else f":{value}:{value + 1}"
            for name, vector in ((MEANS, towards), (ORTHOGONAL, controls.orthogonal(towards, rng))):
                found.setdefault(name + of, np.full((steps + 1, len(towards)), np.nan))[t] = vector
    return found


def _named(program: Sequence[Edit]) -> bool:
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


def table(result: Replay | Battery) -> str:
    """Logits before and after at each step for a single instance, or last ones for many, and the summary."""
    if isinstance(result, Battery):
        return do_battery.table(result)
    first = result.runs[0]
    lines = [f"{result.checkpoint}: {len(result.runs)} instances, T = {result.steps}, seed {result.seed}"]
    lines += [f"  {text}" for text in first.edits] + ([f"  donor: {first.donor}"] if first.donor else [])
    if len(result.runs) == 1:
        lines.append("logit of the answer\n   t    before     after   untrained    and after")
        columns = (first.before, first.after, first.untrained_before, first.untrained_after)
        for t, (a, b, c, d) in enumerate(zip(*columns, strict=True)):
            lines.append(f"{t:4}{a:10.3f}{b:10.3f}{c:12.3f}{d:13.3f}")
    else:
        shown = result.runs[:40]
        lines.append(f"last logits of {len(shown)} instances (all in --json)\n  no.    before     after")
        lines += [f"{i:5}{r.before[-1]:10.3f}{r.after[-1]:10.3f}" for i, r in enumerate(shown)]
    for d in (result.edited, result.random, result.untrained):
        if d.n[0]:
            lines.append(
                f"{d.title:22} last answer turns {d.flips[0]:.3f} [{d.flips_low[0]:.3f}, {d.flips_high[0]:.3f}] of "
                f"{d.n[0]}; KL {d.loss:.3f} [{d.loss_low:.3f}, {d.loss_high:.3f}] nats; answers otherwise on the way "
                f"{d.disturbed:.3f} [{d.disturbed_low:.3f}, {d.disturbed_high:.3f}], of these back {d.recovered:.3f} "
                f"[{d.recovered_low:.3f}, {d.recovered_high:.3f}] after {d.recovery:.1f} "
                f"[{d.recovery_low:.1f}, {d.recovery_high:.1f}] steps"
            )
    return "\n".join(lines)
