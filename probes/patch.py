"""Activation patching: where and when does the state of the twin, put in alone, bring the twin's answer?

    R(t, i) = (r(patched) - r(corrupt)) / (r(clean) - r(corrupt))

The run on the corrupt instance takes h[t, i] from the run on the clean one; r is the logit of the answer after T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import tasks, trace
from core.checkpoint import Checkpoint
from core.trace import Trace
from probes import bootstrap, intervene, pairs, reading, results, routes
from probes.edits import Edit
from probes.intervene import Material
from probes.results import Progress
from probes.sample import groups_of

LEAST_GAP = 1.0
"""Logits between clean and corrupt below which there is nothing to bring over."""

FELT = 0.5
"""A cell counts as bringing the answer from this R on."""

DIRECTIONS = ("answer 1 into 0", "answer 0 into 1")


@dataclass(frozen=True)
class EffectMap:
    """The effect of every cell in one direction of one pair.

    Attributes:
        direction: Which answer is put into which run.
        labels: (n,) of the nodes.
        effect: (T+1, n) R.
        front: (T+1, n) bool, the oracle's front: nodes on the path that has the answer, at the step they are decided.
        path: (n,) bool, the nodes of that path.
        clean: Logit of the donor's answer.
        corrupt: Logit of the answer without a patch.
        change: What differs between the two instances.
    """

    direction: str
    labels: tuple[str, ...]
    effect: np.ndarray
    front: np.ndarray
    path: np.ndarray
    clean: float
    corrupt: float
    change: str

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.effect.shape != self.front.shape or self.effect.shape[1:] != (n,) or self.path.shape != (n,):
            raise ValueError(
                f"effect has shape {self.effect.shape}, front {self.front.shape} and path {self.path.shape}; "
                f"there are {n} labels"
            )


@dataclass(frozen=True)
class Summary:
    """One direction over P pairs; intervals are 95%, by bootstrap over groups of instances.

    Attributes:
        direction: Which answer is put into which run.
        pairs: P.
        silent: Pairs in which no single cell between start and end has an R of .1.
        front: Share of sum |R| over the steps of the front that lies on the front.
        front_low: Lower end.
        front_high: Upper end.
        random: The same of as many random other nodes at the same steps.
        random_low: Lower end.
        random_high: Upper end.
        path: Share of sum |R| over all steps that lies on the path.
        path_low: Lower end.
        path_high: Upper end.
        path_nodes: Share of the nodes that lie on the path: what chance would give.
        effect_front: Mean R on the front.
        effect_front_low: Lower end.
        effect_front_high: Upper end.
        effect_random: Mean R of random other nodes at the same steps.
        effect_same: Mean of |R| on the front with a donor of the same label as the corrupt run.
        brings: Share of all cells of steps 1..T-1 with R >= .5.
    """

    direction: str
    pairs: int
    silent: int
    front: float
    front_low: float
    front_high: float
    random: float
    random_low: float
    random_high: float
    path: float
    path_low: float
    path_high: float
    path_nodes: float
    effect_front: float
    effect_front_low: float
    effect_front_high: float
    effect_random: float
    effect_same: float
    brings: float


@dataclass(frozen=True)
class Patching:
    """Patching of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of twins, controls and bootstrap.
        instances: Instances given.
        without_twin: Those that have none.
        left_out: Pairs whose answers lie less than a logit apart.
        summaries: One a direction.
        maps: The effect maps, both directions of each pair.
    """

    checkpoint: str
    sha256: str
    seed: int
    instances: int
    without_twin: int
    left_out: int
    summaries: tuple[Summary, ...]
    maps: tuple[EffectMap, ...]


def unfit(checkpoint: Checkpoint) -> str | None:
    """Patching works on any states."""
    return intervene.unfit(checkpoint)


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Patching:
    """Patches every node at every step, between each instance and its twin, in both directions.

    Args:
        checkpoint: What runs.
        instances: Of its task.
        steps: T; None takes the oracle's need + 8 for each pair (over tokens the default).
        seed: Of twins, random nodes and bootstrap.
        progress: Called with the maps done and in all; what it raises stops the work.

    Raises:
        InputError: If no instance has a twin, or the maps would not fit in memory.

    Source:
        Vig et al. (2020), Investigating gender bias in language models using causal mediation analysis; Meng et al.
        (2022), Locating and editing factual associations in GPT; normalised as by Wang et al. (2023), IOI.
    """
    known, without = pairs.found(checkpoint, instances, steps, seed)
    cells = sum((due + 1) * tasks.get(x.task).encode(x, checkpoint.config).n_nodes for x, _, due, _ in known)
    results.refuse_over(32.0 * cells, f"{len(known)} pairs of effect maps", "take fewer instances or steps")
    maps, rows, left_out = [], [], 0
    group = groups_of(instances)
    for done, (instance, twin, due, index) in enumerate(known):
        pair = pairs.record(checkpoint, instance, twin, due, index)
        if pair.gap < LEAST_GAP:
            left_out += 1
        else:
            for clean, corrupt in ((pair.first, pair.second), (pair.second, pair.first)):
                found = effect_map(checkpoint, clean, corrupt, pair.change)
                maps.append(found)
                rows.append((found.direction, group[index], scores_of(checkpoint, found, corrupt, seed, index)))
        if progress is not None:
            progress(2 * (done + 1), 2 * len(known))
    summaries = tuple(summary_of(direction, [r for r in rows if r[0] == direction], seed) for direction in DIRECTIONS)
    return Patching(checkpoint.name, checkpoint.sha256, seed, len(instances), without, left_out, summaries, tuple(maps))


def effect_map(checkpoint: Checkpoint, clean: Trace, corrupt: Trace, change: str = "") -> EffectMap:
    """R of every cell, as one batch."""
    steps, n = corrupt.steps, corrupt.n_nodes
    front, path = oracle_front(checkpoint, clean if clean.instance.label else corrupt)
    return EffectMap(
        DIRECTIONS[0] if clean.instance.label else DIRECTIONS[1],
        corrupt.encoding.labels,
        _effect(checkpoint, clean, corrupt, clean, [(t, i) for t in range(steps + 1) for i in range(n)]).reshape(-1, n),
        front,
        path,
        float(clean.logits[-1]),
        float(corrupt.logits[-1]),
        change,
    )


def oracle_front(checkpoint: Checkpoint, run: Trace) -> tuple[np.ndarray, np.ndarray]:
    """The nodes of the path at the step at which the oracle has them, (T+1, n), and the path, (n,).

    With full attention a hop may take two steps, to a place and on to the equal one: the oracle's clock goes half as
    fast, and a node belongs to both steps of its tick.
    """
    instance, encoding = reading.as_given(run.instance, checkpoint), run.encoding
    path = routes.routes(run.instance, encoding, checkpoint.config).nodes(encoding.n_nodes)
    path &= encoding.carries
    due = reading.has_from(instance.task, encoding)
    t = np.arange(run.steps + 1)[:, None]
    full = checkpoint.config.attention == "full"
    at = (t // 2 == due) | ((t + 1) // 2 == due) if full else t == due
    return at & path, path


def _effect(
    checkpoint: Checkpoint, clean: Trace, corrupt: Trace, donor: Trace, cells: Sequence[tuple[int, int]]
) -> np.ndarray:
    """R of some cells with the states of a donor, (len(cells),)."""
    programs = [[Edit("patch", t, nodes=(i,))] for t, i in cells]
    logits = intervene.run(checkpoint, corrupt, programs, Material(donor=donor)).logits[:, -1].astype(np.float64)
    base, goal = float(corrupt.logits[-1]), float(clean.logits[-1])
    return (logits - base) / (goal - base)


def scores_of(checkpoint: Checkpoint, found: EffectMap, corrupt: Trace, seed: int, index: int) -> dict[str, float]:
    """What is summed up of one map; NaN where it is not defined."""
    rng = np.random.default_rng([seed, index, 5])
    size, (rows, n) = np.abs(found.effect), found.effect.shape
    inner = slice(1, rows - 1)  # before the first step all may be said, and after the last the answer is read
    nan = float("nan")
    names = ("front", "random", "path", "effect_front", "effect_random", "effect_same")
    row: dict[str, float] = {name: nan for name in names}  # noqa: C420 - typed
    row["silent"] = float(size[inner].max(initial=0) < 0.1)
    row["path_nodes"] = found.path.mean()
    row["brings"] = (found.effect[inner] >= FELT).mean() if rows > 2 else nan
    on = [(t, i) for t, i in np.argwhere(found.front).tolist() if 1 <= t < rows - 1]
    if size[inner].sum() > 0 and not row["silent"]:
        row["path"] = size[inner][:, found.path].sum() / size[inner].sum()
    if not on:
        return row
    others = []
    for t, _ in on:
        free = np.flatnonzero(~found.front[t])
        if len(free):
            others.append((t, int(rng.choice(free))))
    at = np.unique([t for t, _ in on])
    total = size[at].sum()
    if not row["silent"] and total > 0.01 * len(at):
        row["front"] = sum(size[c] for c in on) / total
        row["random"] = sum(size[c] for c in others) / total
    row["effect_front"] = float(np.mean([found.effect[c] for c in on]))
    row["effect_random"] = float(np.mean([found.effect[c] for c in others])) if others else nan
    other = pairs.same_label(corrupt.instance, seed)
    if other is not None:
        donor = trace.record(checkpoint, other, corrupt.steps)
        if donor.n_nodes == n:
            scale = found.clean - found.corrupt
            programs = [[Edit("patch", t, nodes=(i,))] for t, i in on]
            out = intervene.run(checkpoint, corrupt, programs, Material(donor=donor)).logits[:, -1]
            row["effect_same"] = float(np.abs((out - found.corrupt) / scale).mean())
    return row


def summary_of(direction: str, rows: Sequence[tuple[str, int, dict[str, float]]], seed: int) -> Summary:
    """The means over instances of what `scores_of` says of their maps.

    Args:
        direction: Of the patches.
        rows: Direction, group of the instance, and scores of each map.
        seed: Of the bootstrap.
    """
    group = np.array([g for _, g, _ in rows], dtype=np.int64)

    def mean(name: str) -> bootstrap.Mean:
        values = np.array([row[name] for _, _, row in rows], dtype=np.float64)
        nan = np.array(np.nan)
        return bootstrap.mean(values, group, seed) if np.isfinite(values).any() else bootstrap.Mean(nan, nan, nan)

    front, random, path, effect = (mean(x) for x in ("front", "random", "path", "effect_front"))
    values: Any = (
        direction,
        len(rows),
        int(sum(row["silent"] for _, _, row in rows)),
        *(float(x) for x in (*front, *random, *path)),
        float(mean("path_nodes").value),
        *(float(x) for x in effect),
        *(float(mean(x).value) for x in ("effect_random", "effect_same", "brings")),
    )
    return Summary(*values)


def table(result: Patching) -> str:
    """The summaries, and the map of a single pair."""
    lines = [
        f"{result.checkpoint}: {result.instances} instances, {result.without_twin} without a twin, "
        f"{result.left_out} pairs less than a logit apart"
    ]
    for s in result.summaries:
        lines += [
            f"{s.direction}, {s.pairs} pairs ({s.silent} in which no cell is felt)",
            f"  effect on the front      {s.front:.3f} [{s.front_low:.3f}, {s.front_high:.3f}]   "
            f"random nodes {s.random:.3f} [{s.random_low:.3f}, {s.random_high:.3f}]",
            f"  effect on the path       {s.path:.3f} [{s.path_low:.3f}, {s.path_high:.3f}]   "
            f"share of nodes on it {s.path_nodes:.3f}",
            f"  mean R on the front      {s.effect_front:.3f} [{s.effect_front_low:.3f}, {s.effect_front_high:.3f}]   "
            f"random nodes {s.effect_random:.3f}, |R| of same-label donor {s.effect_same:.3f}",
            f"  cells with R >= {FELT}     {s.brings:.3f}",
        ]
    if len(result.maps) == 2:
        for found in result.maps:
            lines += ["", f"R, {found.direction}; {found.change}", *_rows(found)]
    return "\n".join(lines)


def _rows(found: EffectMap) -> list[str]:
    """One line a node that is felt anywhere before the last step, in tenths over the steps; * marks the front."""
    out = []
    for i in np.flatnonzero(np.abs(found.effect[:-1]).max(0) >= 0.1)[:40]:
        cells = [f"{found.effect[t, i]:5.1f}{'*' if found.front[t, i] else ' '}" for t in range(len(found.effect))]
        out.append(f"  {found.labels[i]:>8.8} {''.join(cells[:24])}")
    return out or ["  no cell is felt"]
