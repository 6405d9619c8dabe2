"""Activation patching: where and when does the state of the twin, put in alone, bring the twin's answer?

    R(t, i) = (r(patched) - r(corrupt)) / (r(clean) - r(corrupt))

The run on the corrupt instance takes h[t, i] from the run on the clean one; r is the logit of the answer after T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.tasks import paths as routes
from depthscope.core.trace import Trace
from depthscope.probes.editing import language, runner as intervene
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import Material
from depthscope.probes.measuring import controls, estimate, instances as subjects, results, twin_runs as pairs
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import margins as reading
from depthscope.probes.reading.nodes import groups_of

LEAST_GAP = 1.0
"""Logits between clean and corrupt below which there is nothing to bring over."""

FELT = 0.5
"""A cell counts as bringing the answer from this R on."""

LEAST_MOVED = 1e-4
"""Logits that all patches of an untrained network move together, below which their shares are rounding."""

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
        edits: (n,) the patch of each node in the language of edits, with {t} for the step.
        corrupt_input: The corrupt instance, and
        donor_input: the one that states are taken from, as lines of a .jsonl file: with `depthscope probe do CKPT
            CORRUPT.jsonl --donor DONOR.jsonl --steps T --edit ...` a cell is patched again.
    """

    direction: str
    labels: tuple[str, ...]
    effect: np.ndarray
    front: np.ndarray
    path: np.ndarray
    clean: float
    corrupt: float
    change: str
    edits: tuple[str, ...]
    corrupt_input: str
    donor_input: str

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.effect.shape != self.front.shape or self.effect.shape[1:] != (n,) or self.path.shape != (n,):
            raise ValueError(
                f"effect has shape {self.effect.shape}, front {self.front.shape} and path {self.path.shape}; "
                f"there are {n} labels"
            )
        if len(self.edits) != n:
            raise ValueError(f"there are {len(self.edits)} edits and {n} labels")

    def edit(self, t: int, i: int) -> str:
        """The edit that patches a cell, as `depthscope probe do` takes it."""
        return self.edits[i].format(t=t)


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
        effect_random_low: Lower end.
        effect_random_high: Upper end.
        effect_same: Mean of |R| on the front with a donor of the same label as the corrupt run.
        effect_same_low: Lower end.
        effect_same_high: Upper end.
        brings: Share of all cells of steps 1..T-1 with R >= .5.
        brings_low: Lower end.
        brings_high: Upper end.
        silent_untrained: Pairs in which all patches of an untrained network together move its logit by no more than
            rounding; they are left out of the two shares below.
        front_untrained: `front` in an untrained network: how much of the little that a patch does there lies on it.
        front_untrained_low: Lower end.
        front_untrained_high: Upper end.
        path_untrained: `path` in an untrained network.
        path_untrained_low: Lower end.
        path_untrained_high: Upper end.
        effect_untrained: Mean change of an untrained network's logit on the front, over the gap of the trained one.
        effect_untrained_low: Lower end.
        effect_untrained_high: Upper end.
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
    effect_random_low: float
    effect_random_high: float
    effect_same: float
    effect_same_low: float
    effect_same_high: float
    brings: float
    brings_low: float
    brings_high: float
    silent_untrained: int
    front_untrained: float
    front_untrained_low: float
    front_untrained_high: float
    path_untrained: float
    path_untrained_low: float
    path_untrained_high: float
    effect_untrained: float
    effect_untrained_low: float
    effect_untrained_high: float


MEANS = (
    "front", "random", "path", "effect_front", "effect_random", "effect_same", "brings", "front_untrained",
    "path_untrained", "effect_untrained",
)  # fmt: skip
"""Figures of a map of which a summary has the mean and its interval."""


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
        seed: Of twins, random nodes, the untrained network and bootstrap.
        progress: Called with the maps done and in all; what it raises stops the work.

    Raises:
        InputError: If no instance has a twin, or the maps would not fit in memory.

    Source:
        Vig et al. (2020), Investigating gender bias in language models using causal mediation analysis; Meng et al.
        (2022), Locating and editing factual associations in GPT; normalised as by Wang et al. (2023), IOI.
    """
    known, without = pairs.found(checkpoint, instances, steps, seed)
    cells = [(due + 1) * tasks.get(x.task).encode(x, checkpoint.config).n_nodes for x, _, due, _ in known]
    size = 32.0 * sum(cells) + 32.0 * max(cells)  # kept of all pairs, and of one the untrained network's
    results.refuse_over(size, f"{len(known)} pairs of effect maps", "take fewer instances or steps")
    plain = replace(checkpoint, model=controls.untrained(checkpoint, seed))
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
                scores = scores_of(checkpoint, plain, found, clean, corrupt, seed, index)
                rows.append((found.direction, group[index], scores))
        if progress is not None:
            progress(2 * (done + 1), 2 * len(known))
    summaries = tuple(summary_of(direction, [r for r in rows if r[0] == direction], seed) for direction in DIRECTIONS)
    return Patching(checkpoint.name, checkpoint.sha256, seed, len(instances), without, left_out, summaries, tuple(maps))


def effect_map(
    checkpoint: Checkpoint, clean: Trace, corrupt: Trace, change: str = "", progress: Progress | None = None
) -> EffectMap:
    """R of every cell, as one batch.

    Args:
        checkpoint: What ran.
        clean: The run that states are taken from.
        corrupt: The run that they are put into.
        change: What differs between the two instances.
        progress: Called with the cells done and in all; what it raises stops the work.
    """
    front, path = oracle_front(checkpoint, clean if clean.instance.label else corrupt)
    labels, goal, base = corrupt.encoding.labels, float(clean.logits[-1]), float(corrupt.logits[-1])
    words = [language.written(Edit("patch", 0, nodes=(i,)), labels) for i in range(len(labels))]
    return EffectMap(
        DIRECTIONS[0] if clean.instance.label else DIRECTIONS[1],
        labels,
        moved(checkpoint, clean, corrupt, progress) / (goal - base),
        front,
        path,
        goal,
        base,
        change,
        tuple(word.replace("t=0", "t={t}", 1) for word in words),
        subjects.line(corrupt.instance),
        subjects.line(clean.instance),
    )


def moved(checkpoint: Checkpoint, donor: Trace, corrupt: Trace, progress: Progress | None = None) -> np.ndarray:
    """Change of the answer's logit when one state alone is the donor's, (T+1, n)."""
    steps, n = corrupt.steps, corrupt.n_nodes
    programs = [[Edit("patch", t, nodes=(i,))] for t in range(steps + 1) for i in range(n)]
    logits = intervene.run(checkpoint, corrupt, programs, Material(donor=donor), progress=progress).logits[:, -1]
    return logits.reshape(-1, n).astype(np.float64) - float(corrupt.logits[-1])


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


def scores_of(
    checkpoint: Checkpoint, plain: Checkpoint, found: EffectMap, clean: Trace, corrupt: Trace, seed: int, index: int
) -> dict[str, float]:
    """What is summed up of one map; NaN where it is not defined.

    Args:
        checkpoint: What ran.
        plain: The same, untrained.
        found: The map.
        clean: The run that states were taken from.
        corrupt: The run that they were put into.
        seed: Of random nodes and of the donor of the same label.
        index: Of the instance.
    """
    rng = np.random.default_rng([seed, index, 5])
    size, (rows, n), gap = np.abs(found.effect), found.effect.shape, found.clean - found.corrupt
    inner = slice(1, rows - 1)  # before the first step all may be said, and after the last the answer is read
    nan = float("nan")
    row: dict[str, float] = {name: nan for name in MEANS}  # noqa: C420 - typed
    row["silent"] = float(size[inner].max(initial=0) < 0.1)
    row["path_nodes"] = found.path.mean()
    row["brings"] = (found.effect[inner] >= FELT).mean() if rows > 2 else nan
    on = [(t, i) for t, i in np.argwhere(found.front).tolist() if 1 <= t < rows - 1]
    given, into = (trace.record(plain, x.instance, corrupt.steps) for x in (clean, corrupt))
    blank = moved(plain, given, into)
    if size[inner].sum() > 0 and not row["silent"]:
        row["path"] = size[inner][:, found.path].sum() / size[inner].sum()
    row["silent_untrained"] = float(np.abs(blank[inner]).sum() <= LEAST_MOVED)
    if not row["silent_untrained"]:
        row["path_untrained"] = np.abs(blank[inner][:, found.path]).sum() / np.abs(blank[inner]).sum()
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
    if np.abs(blank[at]).sum() > LEAST_MOVED:
        row["front_untrained"] = sum(abs(blank[c]) for c in on) / np.abs(blank[at]).sum()
    row["effect_front"] = float(np.mean([found.effect[c] for c in on]))
    row["effect_random"] = float(np.mean([found.effect[c] for c in others])) if others else nan
    row["effect_untrained"] = float(np.mean([blank[c] for c in on]) / gap)
    other = pairs.same_label(corrupt.instance, seed)
    if other is not None:
        donor = trace.record(checkpoint, other, corrupt.steps)
        if donor.n_nodes == n:
            programs = [[Edit("patch", t, nodes=(i,))] for t, i in on]
            out = intervene.run(checkpoint, corrupt, programs, Material(donor=donor)).logits[:, -1]
            row["effect_same"] = float(np.abs((out - found.corrupt) / gap).mean())
    return row


def summary_of(direction: str, rows: Sequence[tuple[str, int, dict[str, float]]], seed: int) -> Summary:
    """The means over instances of what `scores_of` says of their maps.

    Args:
        direction: Of the patches.
        rows: Direction, group of the instance, and scores of each map.
        seed: Of the bootstrap.
    """
    group = np.array([g for _, g, _ in rows], dtype=np.int64)

    def mean(name: str) -> estimate.Mean:
        values = np.array([row[name] for _, _, row in rows], dtype=np.float64)
        nan = np.array(np.nan)
        return estimate.mean(values, group, seed) if np.isfinite(values).any() else estimate.Mean(nan, nan, nan)

    figures: dict[str, Any] = {}
    for name in MEANS:
        figures |= {f"{name}{end}": float(x) for end, x in zip(("", "_low", "_high"), mean(name), strict=True)}
    for name in ("silent", "silent_untrained"):
        figures[name] = int(sum(row[name] for _, _, row in rows))
    return Summary(direction=direction, pairs=len(rows), path_nodes=float(mean("path_nodes").value), **figures)


def table(result: Patching) -> str:
    """The summaries, and the map of a single pair."""
    lines = [
        f"{result.checkpoint}: {result.instances} instances, {result.without_twin} without a twin, "
        f"{result.left_out} pairs less than a logit apart"
    ]
    for s in result.summaries:
        lines += [
            f"{s.direction}, {s.pairs} pairs ({s.silent} in which no cell is felt, {s.silent_untrained} untrained)",
            f"  effect on the front      {_span(s, 'front')}   random nodes {_span(s, 'random')}   "
            f"untrained {_span(s, 'front_untrained')}",
            f"  effect on the path       {_span(s, 'path')}   share of nodes on it {s.path_nodes:.3f}   "
            f"untrained {_span(s, 'path_untrained')}",
            f"  mean R on the front      {_span(s, 'effect_front')}   random nodes {_span(s, 'effect_random')}   "
            f"untrained {_span(s, 'effect_untrained')}",
            f"  |R| of same-label donor  {_span(s, 'effect_same')}",
            f"  cells with R >= {FELT}     {_span(s, 'brings')}",
        ]
    if len(result.maps) == 2:
        for found in result.maps:
            t, i = np.unravel_index(np.abs(found.effect[:-1]).argmax(), found.effect[:-1].shape)
            lines += ["", f"R, {found.direction}; {found.change}", *_rows(found)]
            lines.append(f"  most, {found.effect[t, i]:.2f}, by: {found.edit(int(t), int(i))}")
    return "\n".join(lines)


def _span(summary: Summary, name: str) -> str:
    value, low, high = (getattr(summary, f"{name}{end}") for end in ("", "_low", "_high"))
    return "none" if np.isnan(value) else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _rows(found: EffectMap) -> list[str]:
    """One line a node that is felt anywhere before the last step, in tenths over the steps; * marks the front."""
    out = []
    for i in np.flatnonzero(np.abs(found.effect[:-1]).max(0) >= 0.1)[:40]:
        cells = [f"{found.effect[t, i]:5.1f}{'*' if found.front[t, i] else ' '}" for t in range(len(found.effect))]
        out.append(f"  {found.labels[i]:>8.8} {''.join(cells[:24])}")
    return out or ["  no cell is felt"]
