"""Activation patching: where and when does the state of the twin, put in alone, bring the twin's answer?

    R(t, i) = (r(patched) - r(corrupt)) / (r(clean) - r(corrupt))

The run on the corrupt instance takes h[t, i] from the run on the clean one; r is the logit of the answer after T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core import trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.tasks import paths
from depthscope.core.trace import Trace
from depthscope.probes.editing import language, runner
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import Material
from depthscope.probes.instrument import Bench, instrument
from depthscope.probes.measuring import instances as subjects, twin_runs
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Progress, Result
from depthscope.probes.measuring.shapes import check_shapes

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
        check_shapes(self, (len(self.front), len(self.labels)), "effect", "front")
        check_shapes(self, (len(self.labels),), "path", "edits")

    def edit(self, t: int, i: int) -> str:
        """The edit that patches a cell, as `depthscope probe do` takes it."""
        return self.edits[i].format(t=t)

    def rows(self) -> list[str]:
        """One line a node that is felt anywhere before the last step, in tenths over the steps; * marks the front."""
        out = []
        for i in np.flatnonzero(np.abs(self.effect[:-1]).max(0) >= 0.1)[:40]:
            cells = [f"{x:5.1f}{'*' if on else ' '}" for x, on in zip(self.effect[:, i], self.front[:, i], strict=True)]
            out.append(f"  {self.labels[i]:>8.8} {''.join(cells[:24])}")
        return out or ["  no cell is felt"]


@dataclass(frozen=True)
class Summary:
    """One direction over P pairs.

    Attributes:
        direction: Which answer is put into which run.
        pairs: P.
        silent: Pairs in which no single cell between start and end has an R of .1.
        silent_untrained: Pairs in which all patches of an untrained network together move its logit by no more than
            rounding; they are left out of the shares of an untrained network.
        path_nodes: Share of the nodes that lie on the path: what chance would give.
        front: Share of sum |R| over the steps of the front that lies on the front.
        random: The same of as many random other nodes at the same steps.
        path: Share of sum |R| over all steps that lies on the path.
        effect_front: Mean R on the front.
        effect_random: Mean R of random other nodes at the same steps.
        effect_same: Mean of |R| on the front with a donor of the same label as the corrupt run.
        brings: Share of all cells of steps 1..T-1 with R >= .5.
        front_untrained: `front` in an untrained network: how much of the little that a patch does there lies on it.
        path_untrained: `path` in an untrained network.
        effect_untrained: Mean change of an untrained network's logit on the front, over the gap of the trained one.
    """

    direction: str
    pairs: int
    silent: int
    silent_untrained: int
    path_nodes: float
    front: Estimate
    random: Estimate
    path: Estimate
    effect_front: Estimate
    effect_random: Estimate
    effect_same: Estimate
    brings: Estimate
    front_untrained: Estimate
    path_untrained: Estimate
    effect_untrained: Estimate

    def lines(self) -> list[str]:
        """Every figure with its controls."""
        name = lambda of: f"{getattr(self, of)}" if getattr(self, of).n else "none"  # noqa: E731
        arms = lambda of: f"random nodes {name(of[0])}   untrained {name(of[1])}"  # noqa: E731
        felt = f"({self.silent} in which no cell is felt, {self.silent_untrained} untrained)"
        return [
            f"{self.direction}, {self.pairs} pairs {felt}",
            f"  effect on the front      {name('front')}   {arms(('random', 'front_untrained'))}",
            f"  effect on the path       {name('path')}   share of nodes on it {self.path_nodes:.3f}   "
            f"untrained {name('path_untrained')}",
            f"  mean R on the front      {name('effect_front')}   {arms(('effect_random', 'effect_untrained'))}",
            f"  |R| of same-label donor  {name('effect_same')}",
            f"  cells with R >= {FELT}     {name('brings')}",
        ]


MEANS = (
    "front", "random", "path", "effect_front", "effect_random", "effect_same", "brings", "front_untrained",
    "path_untrained", "effect_untrained",
)  # fmt: skip
"""Figures of a map of which a summary has the mean with its interval."""


@dataclass(frozen=True)
class Patching(Result):
    """Patching of one checkpoint; `steps` are those of the pair that is given most.

    Attributes:
        instances: How many there are.
        without_twin: Those that have none.
        left_out: Pairs whose answers lie less than a logit apart.
        summaries: One a direction.
        maps: The effect maps, both directions of each pair.
    """

    instances: int
    without_twin: int
    left_out: int
    summaries: tuple[Summary, ...]
    maps: tuple[EffectMap, ...]

    def table(self) -> str:
        """The summaries, and the map of a single pair."""
        lines = [
            f"{self.checkpoint}: {self.instances} instances, {self.without_twin} without a twin, "
            f"{self.left_out} pairs less than a logit apart"
        ]
        lines += [line for summary in self.summaries for line in summary.lines()]
        for one in self.maps if len(self.maps) == 2 else ():
            t, i = np.unravel_index(np.abs(one.effect[:-1]).argmax(), one.effect[:-1].shape)
            lines += ["", f"R, {one.direction}; {one.change}", *one.rows()]
            lines.append(f"  most, {one.effect[t, i]:.2f}, by: {one.edit(int(t), int(i))}")
        return "\n".join(lines)


@instrument("where and when the twin's state, put in alone, brings the twin's answer", instances=10)
def measure(bench: Bench, options: object) -> Patching:
    """Patches every node at every step, between each instance and its twin, in both directions.

    T is the oracle's need + 8 for each pair (over tokens the default), where none is requested.

    Source:
        Vig et al. (2020), Investigating gender bias in language models using causal mediation analysis; Meng et al.
        (2022), Locating and editing factual associations in GPT; normalised as by Wang et al. (2023), IOI.
    """
    del options
    pairs, without = twin_runs.twins_of(bench.checkpoint, bench.instances, bench.requested, bench.seed)
    cells = [(steps + 1) * bench.encodings[index].n_nodes for _, _, steps, index in pairs]
    size = 32.0 * sum(cells) + 32.0 * max(cells)  # kept of all pairs, and of one the untrained network's
    bench.reserve(size, f"{len(pairs)} pairs of effect maps")
    bench = bench.with_steps(max(steps for _, _, steps, _ in pairs))
    count = bench.expect(2 * sum(cells))
    maps, rows, left_out, before = [], [], 0, 0
    for known, patches in zip(pairs, cells, strict=True):
        pair = twin_runs.record(bench.checkpoint, *known)
        left_out += pair.gap < LEAST_GAP
        for clean, corrupt in ((pair.first, pair.second), (pair.second, pair.first)):
            if pair.gap >= LEAST_GAP:
                each = lambda done, _, before=before: count.upto(before + done)  # noqa: E731
                one = effect_map(bench.checkpoint, clean, corrupt, pair.change, each)
                maps.append(one)
                rows.append((one.direction, pair.index, scores_of(bench, one, clean, corrupt, pair.index)))
            before += patches
            count.upto(before)
    return Patching(
        **bench.header,
        instances=len(bench.instances),
        without_twin=without,
        left_out=left_out,
        summaries=tuple(_summary(bench, way, [row[1:] for row in rows if row[0] == way]) for way in DIRECTIONS),
        maps=tuple(maps),
    )


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
    logits = runner.run(checkpoint, corrupt, programs, Material(donor=donor), progress=progress).logits[:, -1]
    return logits.reshape(-1, n).astype(np.float64) - float(corrupt.logits[-1])


def oracle_front(checkpoint: Checkpoint, run: Trace) -> tuple[np.ndarray, np.ndarray]:
    """The nodes of the path at the step at which the oracle has them, (T+1, n), and the path, (n,).

    With full attention a hop may take two steps, to a place and on to the equal one: the oracle's clock goes half as
    fast, and a node belongs to both steps of its tick.
    """
    encoding = run.encoding
    path = paths.routes(run.instance, encoding, checkpoint.config).nodes(encoding.n_nodes)
    path &= encoding.carries
    first = encoding.has_from
    t = np.arange(run.steps + 1)[:, None]
    full = checkpoint.config.attention == "full"
    at = (t // 2 == first) | ((t + 1) // 2 == first) if full else t == first
    return at & path, path


def scores_of(bench: Bench, found: EffectMap, clean: Trace, corrupt: Trace, index: int) -> dict[str, float]:
    """What is summed up of one map; NaN where it is not defined.

    Why so many: a share on the front says where the effect lies, but not that it is large, which the mean R does;
    random cells at the same steps say what any node would bring, a donor of the same label what any foreign state
    would, and an untrained network what the wiring alone brings. Steps 0 and T are left out: there the input or the
    readout itself is patched.

    Args:
        bench: Of the checkpoint that ran.
        found: The map.
        clean: The run that states were taken from.
        corrupt: The run that they were put into.
        index: Of the instance.
    """
    effect, (rows, n), gap = found.effect, found.effect.shape, found.clean - found.corrupt
    size, inner = np.abs(effect), slice(1, rows - 1)  # at 0 all may be said already, and at T the answer is read
    donor, base = (trace.record(bench.blank, x.instance, corrupt.steps) for x in (clean, corrupt))
    blank = moved(bench.blank, donor, base)
    idle = np.abs(blank)
    row: dict[str, float] = {name: float("nan") for name in MEANS}
    row["silent"] = float(size[inner].max(initial=0) < 0.1)
    row["silent_untrained"] = float(idle[inner].sum() <= LEAST_MOVED)
    row["path_nodes"] = found.path.mean()
    if rows > 2:
        row["brings"] = (effect[inner] >= FELT).mean()
    if not row["silent"]:
        row["path"] = size[inner][:, found.path].sum() / size[inner].sum()
    if not row["silent_untrained"]:
        row["path_untrained"] = idle[inner][:, found.path].sum() / idle[inner].sum()
    front = [(t, i) for t, i in np.argwhere(found.front).tolist() if 1 <= t < rows - 1]
    if not front:
        return row
    others = _random_cells(found, front, bench.rng("random cells", index))
    at = np.unique([t for t, _ in front])
    total = size[at].sum()
    if not row["silent"] and total > 0.01 * len(at):  # shares of next to nothing are noise
        row["front"] = sum(size[c] for c in front) / total
        row["random"] = sum(size[c] for c in others) / total
    if idle[at].sum() > LEAST_MOVED:
        row["front_untrained"] = sum(idle[c] for c in front) / idle[at].sum()
    row["effect_front"] = float(np.mean([effect[c] for c in front]))
    if others:
        row["effect_random"] = float(np.mean([effect[c] for c in others]))
    row["effect_untrained"] = float(np.mean([blank[c] for c in front]) / gap)
    other = twin_runs.same_label(corrupt.instance, bench.seed)
    donor = None if other is None else trace.record(bench.checkpoint, other, corrupt.steps)
    if donor is not None and donor.n_nodes == n:
        programs = [[Edit("patch", t, nodes=(i,))] for t, i in front]
        out = runner.run(bench.checkpoint, corrupt, programs, Material(donor=donor)).logits[:, -1]
        row["effect_same"] = float(np.abs((out - found.corrupt) / gap).mean())
    return row


def _random_cells(
    found: EffectMap, front: Sequence[tuple[int, int]], rng: np.random.Generator
) -> list[tuple[int, int]]:
    """A random node off the front for each of the front's, at the same step; none where all are on it."""
    free = [(t, np.flatnonzero(~found.front[t])) for t, _ in front]
    return [(t, int(rng.choice(nodes))) for t, nodes in free if len(nodes)]


def _summary(bench: Bench, direction: str, rows: Sequence[tuple[int, dict[str, float]]]) -> Summary:
    """The means over maps of one direction, from the index of each map's instance and its scores."""
    group = bench.group[[index for index, _ in rows]]
    of = lambda name: np.array([row[name] for _, row in rows], dtype=np.float64)  # noqa: E731
    figures: dict[str, Any] = {name: bench.mean(of(name), group) for name in MEANS}
    return Summary(
        direction=direction,
        pairs=len(rows),
        silent=int(of("silent").sum()),
        silent_untrained=int(of("silent_untrained").sum()),
        path_nodes=float(bench.mean(of("path_nodes"), group)),
        **figures,
    )
