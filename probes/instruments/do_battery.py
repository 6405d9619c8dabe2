"""The battery of edits: every kind at every step, against one as large, the same elsewhere and in an untrained model.

    zero      h[t] of the nodes becomes 0
    mean      ... the mean state after t steps of nodes of the same kind in other instances
    resample  ... the state after t steps of a random node of the same kind in one other instance
    swap      pairs of nodes of the instance exchange their states
    noise     h[t] gains Gaussian noise, as wide as the states' spread
    skip      the update that makes h[t] is left out
    repeat    it is done twice
    gate      its gate is frozen: the run's mean gate at every node

Owns which edits are run where; what is made of their answers stands in `probes.instruments.do_damage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.tasks import paths
from depthscope.core.trace import Trace
from depthscope.probes.editing import runner
from depthscope.probes.editing.ablation import Others
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import Material
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments.do_damage import Damage, score
from depthscope.probes.measuring import controls
from depthscope.probes.measuring.results import Result

KINDS = ("zero", "mean", "resample", "swap", "noise", "skip", "repeat", "gate")
ARMS = ("whole step", "same size", "path", "random nodes", "untrained")

MAX_AT = 24
"""Steps that are edited at most, evenly spaced over a longer run."""


@dataclass(frozen=True)
class Battery(Result):
    """The battery on N instances.

    Attributes:
        instances: N.
        without_path: Instances without a path to the answer, or without a node off it.
        at: (A,) steps that are edited.
        kinds: Kinds of edits.
        arms: Where they are made: all nodes; the same nodes moved as far in random directions; nodes of the path;
            as many random nodes off it; all nodes of an untrained model.
        damage: One for every kind and arm, kind by kind; NaN where an arm does not exist.
    """

    instances: int
    without_path: int
    at: np.ndarray
    kinds: tuple[str, ...]
    arms: tuple[str, ...]
    damage: tuple[Damage, ...]

    def __post_init__(self) -> None:
        if len(self.damage) != len(self.kinds) * len(self.arms):
            raise ValueError(f"{len(self.damage)} damages, but {len(self.kinds)} kinds and {len(self.arms)} arms")

    def of(self, kind: str, arm: str) -> Damage:
        """The damage of one kind in one arm."""
        return self.damage[self.kinds.index(kind) * len(self.arms) + self.arms.index(arm)]

    def table(self) -> str:
        """Flips, KL and recovery of every kind and arm, and the step graph of skipping."""
        lines = [
            f"{self.checkpoint}: {self.instances} instances, T = {self.steps}, edits at {len(self.at)} steps, "
            f"seed {self.seed}; {self.without_path} without a path",
            "means over the edits before the last step, 95% by bootstrap over instances and their twins",
            f"{'':9}{'where':14}" + "".join(f"{title:>22}" for title in FIGURES) + "   most at one step (Wilson)",
        ]
        for kind in self.kinds:
            for arm in self.arms:
                d = self.of(kind, arm)
                if d.flips.n.any():
                    j = int(np.nanargmax(np.where(self.at < self.at[-1], d.flips.value, -1)))
                    cells = "".join(f"{f'{getattr(d, name)}':>22}" for name in FIGURES.values())
                    lines.append(f"{kind:9}{arm:14}{cells}   t={self.at[j]}: {d.flips[j]}")
        lines += ["", "E(t -> s) of skipping the whole step: mean |change| of the answer's logit at step s"]
        columns = np.unique(np.linspace(1, self.steps, min(16, self.steps), dtype=int))
        lines.append("   t   s=" + "".join(f"{s:6}" for s in columns))
        for t, row in zip(self.at, self.of("skip", "whole step").graph, strict=True):
            lines.append(f"{t:4}     " + "".join("      " if np.isnan(x) else f"{x:6.2f}" for x in row[columns]))
        return "\n".join(lines)


FIGURES = {
    "last answer turns": "turned",
    "of 1 to 0": "turned_one",
    "of 0 to 1": "turned_zero",
    "KL, nats": "loss",
    "disturbed": "disturbed",
    "come back": "recovered",
    "after steps": "recovery",
}
"""Columns of the table: title to name."""


def run(bench: Bench) -> Battery:
    """Runs the battery; see `probes.instruments.do.measure`."""
    steps, n_instances = bench.steps, len(bench.instances)
    at = np.unique(np.linspace(1, steps, min(steps, MAX_AT)).round().astype(np.int64))
    kinds = KINDS if bench.model.shapes.edits_gate else KINDS[:-1]
    shape = (n_instances, len(kinds), len(ARMS), len(at), steps + 1)
    bench.reserve(16 * np.prod(shape, dtype=np.float64), "the battery")
    sides = tuple(Others(side, steps, bench.seed) for side in (bench.checkpoint, bench.blank))
    after, before = np.empty(shape, dtype=np.float32), np.empty((n_instances, 2, steps + 1))
    without = 0
    bench.expect(n_instances)
    for i, instance in enumerate(bench.instances):
        rng = bench.rng("battery", i)
        runs = tuple(trace.record(side, instance, steps) for side in (bench.checkpoint, bench.blank))
        n, d = runs[0].hidden.shape[1:]
        size = 24 * len(kinds) * len(at) * n * d
        bench.reserve(size, f"displacements of {n} nodes", "run fewer steps or a smaller input")
        before[i] = [base.logits for base in runs]
        after[i], has_path = _one(sides, runs, kinds, at, rng)
        without += not has_path
        bench.tick()
    damage = tuple(
        score(bench, f"{kind}, {arm}", before[:, int(arm == "untrained")], after[:, k, a], at)
        for k, kind in enumerate(kinds)
        for a, arm in enumerate(ARMS)
    )
    return Battery(
        **bench.header,
        instances=n_instances,
        without_path=without,
        at=at,
        kinds=kinds,
        arms=ARMS,
        damage=damage,
    )


def _one(
    sides: Sequence[Others], runs: Sequence[Trace], kinds: Sequence[str], at: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, bool]:
    """Logits of one instance in every arm, (kinds, arms, A, T+1), NaN where there is none; whether it has a path.

    Args:
        sides: The checkpoint and an untrained one.
        runs: The undisturbed run of each.
        kinds: Of edits.
        at: (A,) steps.
        rng: Draws in the order of the arms.
    """
    (base, blank), checkpoint = runs, sides[0].checkpoint
    logits = np.full((len(kinds), len(ARMS), len(at), base.steps + 1), np.nan, dtype=np.float32)
    path, other = _path(checkpoint, base, rng)
    taken, taken_blank = (
        Material(donor=side.resampled(one, rng), mean=side.mean(one.encoding))
        for side, one in zip(sides, runs, strict=True)
    )
    every = np.arange(base.n_nodes)
    everywhere = _programs(base, kinds, at, every, rng)
    logits[:, 0] = _logits(checkpoint, base, everywhere, taken)
    logits[:, 1] = _as_large(checkpoint, base, everywhere, taken, at, rng)
    for arm, nodes in ((2, path), (3, other)):
        if len(nodes):
            logits[:, arm] = _logits(checkpoint, base, _programs(base, kinds, at, nodes, rng), taken)
    logits[:, 4] = _logits(sides[1].checkpoint, blank, _programs(blank, kinds, at, every, rng), taken_blank)
    return logits, bool(len(path))


def _path(checkpoint: Checkpoint, base: Trace, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Nodes on the path to the answer and random others, as many of each as there are of the fewer; ascending."""
    encoding = base.encoding
    on = paths.routes(base.instance, encoding, checkpoint.config).nodes(encoding.n_nodes) & encoding.carries
    both = np.flatnonzero(on), np.flatnonzero(encoding.carries & ~on)
    count = min(map(len, both))
    return tuple(np.sort(rng.choice(nodes, count, replace=False)) for nodes in both)


Programs = list[list[list[Edit] | None]]
"""Kind by step; None where a kind cannot be done at those nodes."""


def _programs(
    base: Trace, kinds: Sequence[str], at: np.ndarray, nodes: np.ndarray, rng: np.random.Generator
) -> Programs:
    """Each kind at each step on some nodes."""
    whole = len(nodes) == base.n_nodes
    mine = None if whole else tuple(nodes.tolist())
    gate = 0.0 if base.gate is None else float(base.gate.mean())

    def one(kind: str, t: int) -> list[Edit] | None:
        match kind:
            case "swap":
                mixed = rng.permutation(nodes).tolist()
                pairs = zip(mixed[::2], mixed[1::2], strict=False)
                return [Edit("swap", t, nodes=pair) for pair in pairs] or None
            case "noise":
                return [Edit("noise", t, nodes=mine, amount=1.0, seed=int(rng.integers(1 << 31)))]
            case "resample":
                return [Edit("patch", t, nodes=mine)]
            case "skip":
                return [Edit("hold", t, nodes=mine)]
            case "repeat":
                return [Edit("repeat", t)] if whole else None
            case "gate":
                return [Edit("gate", t, nodes=mine, amount=min(max(gate, 0.0), 1.0))]
        return [Edit(kind, t, nodes=mine)]

    return [[one(kind, t) for t in at.tolist()] for kind in kinds]


def _logits(checkpoint: Checkpoint, base: Trace, programs: Programs, taken: Material) -> np.ndarray:
    """Logits of the answer after each program, (kinds, A, T+1); NaN without one."""
    flat = [program for row in programs for program in row]
    there = [i for i, program in enumerate(flat) if program is not None]
    logits = np.full((len(flat), base.steps + 1), np.nan, dtype=np.float32)
    logits[there] = runner.run(checkpoint, base, [flat[i] or [] for i in there], taken).logits
    return logits.reshape(len(programs), -1, base.steps + 1)


def _as_large(
    checkpoint: Checkpoint, base: Trace, programs: Programs, taken: Material, at: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Logits where h[t] of every node moves as far as a program moves it, in a random direction, (kinds, A, T+1)."""
    moved = np.zeros((len(programs), len(at), *base.hidden.shape[1:]), dtype=np.float32)
    for j, t in enumerate(at.tolist()):
        first = [row[j] or [] for row in programs]
        out = runner.run(checkpoint, _until(base, t), first, taken, hidden=True).hidden
        assert out is not None
        moved[:, j] = controls.random_direction(out[:, t] - base.hidden[t], rng)
    logits = np.empty((len(programs), len(at), base.steps + 1), dtype=np.float32)
    for k in range(len(programs)):
        hidden = base.hidden.copy()
        hidden[at] += moved[k]
        patches = [[Edit("patch", t)] for t in at.tolist()]
        logits[k] = runner.run(checkpoint, base, patches, Material(donor=replace(base, hidden=hidden))).logits
    return logits


def _until(base: Trace, t: int) -> Trace:
    """The same run, stopped after t steps."""
    rows = ("hidden", "readout", "logits", "truth", "known")
    cut: dict[str, Any] = {name: None if (x := getattr(base, name)) is None else x[: t + 1] for name in rows}
    cut |= {name: None if (x := getattr(base, name)) is None else x[:t] for name in ("attention", "gate")}
    return replace(base, **cut)
