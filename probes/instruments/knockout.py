"""Edge knock-out: does the answer need attention along the path? Some pairs are taken out, and the answer looked at.

One cut an instance, drawn by the seed: units of the task (edges, children in the tree, facts) that alone part the
answer from what decides it, against as many units off the path with like degrees. Owns the comparison; which units
these are stands in `core.tasks.paths`, how attention is cut in `probes.editing.runner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depthscope.core import trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks.paths import Routes
from depthscope.core.trace import Trace
from depthscope.probes.editing import language
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import run
from depthscope.probes.instrument import Bench, instrument
from depthscope.probes.measuring import instances as subjects
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

KINDS = ("cut", "silence")
"""Whether what is left of a query's attention is renormalised, or the weight is lost."""

MAX_MAP = 64
"""Cuts of the first instance that are mapped step by step."""

SHOWN = range(-3, 5)
"""Delays in the table; --json has them all."""

Units = tuple[int, ...]


@dataclass(frozen=True)
class Arm:
    """What becomes of the answers after T steps when some units are out at all steps.

    Attributes:
        flips: Share of answers that turn.
        change: Mean fall of the answer's logit towards the other answer.
    """

    flips: Estimate
    change: Estimate


@dataclass(frozen=True)
class Effect:
    """What taking out attention does to the answer, path against control.

    Attributes:
        kind: "cut" or "silence".
        path: Of units that the path cannot do without; as many instances as have such a cut that leaves every query
            something to attend to.
        off: Of as many units off the path, in the instances that have them.
        untrained: Of the path's units in an untrained network, whose own answers are those that turn.
        delay: (D,) step at which the cut is made, less the step from which the unit carries what the answer needs.
        delay_late: (D,) share of answers that are not there in time when the cut is made at this step alone: at the
            step from which the undisturbed answer stays. With steps to spare they may come later.
        delay_change: (D,) mean fall of the logit at that step.
        delay_off: (D,) mean fall when the control is cut at the same step alone.
        edits: (N,) what was done to each instance at all steps, as `depthscope probe do` takes it; "" for nothing.
        off_edits: (N,) the same of the control.
        fall: (N,) fall of the logit that it made; NaN for none.
        off_fall: (N,) the same of the control.
    """

    kind: str
    path: Arm
    off: Arm
    untrained: Arm
    delay: np.ndarray
    delay_late: Estimate
    delay_change: Estimate
    delay_off: Estimate
    edits: tuple[str, ...]
    off_edits: tuple[str, ...]
    fall: np.ndarray
    off_fall: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.delay.shape, "delay_late", "delay_change", "delay_off")
        check_shapes(self, self.fall.shape, "edits", "off_edits", "off_fall")

    @property
    def n(self) -> int:
        """Instances with a cut."""
        return int(self.path.flips.n)

    def block(self) -> list[str]:
        """Lines of the table: at all steps, then at one step alone."""
        lines = ["", f"{self.kind}, at all steps", f"{'':>12}{'n':>5}{'flips':>24}{'fall of the logit':>28}"]
        for name, arm in (("path", self.path), ("control", self.off), ("untrained", self.untrained)):
            lines.append(f"{name:>12}{arm.flips.n:5d}{f'{arm.flips}':>24}{f'{arm.change:+.2f}':>28}")
        lines.append(f"{self.kind}, at one step alone, counted from the one at which the path passes; answer in time?")
        lines.append(f"{'delay':>12}{'n':>5}{'late':>24}{'fall of the logit':>28}{'control':>28}")
        for k in np.flatnonzero(np.isin(self.delay, SHOWN) & (self.delay_late.n > 0)):
            late, change, off = self.delay_late[k], self.delay_change[k], self.delay_off[k]
            lines.append(f"{self.delay[k]:+12d}{late.n:5d}{f'{late}':>24}{f'{change:+.2f}':>28}{f'{off:+.2f}':>28}")
        return lines + [f"made by: {edit}" for edit in self.edits if edit and self.n == 1]


@dataclass(frozen=True)
class KnockoutScores(Result):
    """Knock-out of one checkpoint.

    Attributes:
        n: Instances that a cut was made in.
        left_out: Instances without a cut: no path, or no unit that the path cannot do without.
        wrong: Instances whose undisturbed answer is wrong, left out as well.
        cut: With the rest of the attention renormalised.
        silence: With the weight lost.
        map_units: What is cut in the first instance, one text a row of the map.
        map_change: (C, T) fall of its logit, at the step from which its answer stays, when a unit is silenced at one
            step 1..T alone.
        map_edits: (C,) the edit of each row in the language of edits, with {t} for the step.
        inputs: (N,) the instances that a cut was made in, as lines of a .jsonl file: `depthscope probe do CKPT
            LINE.jsonl --steps T --edit ...` makes a cut again.
    """

    n: int
    left_out: int
    wrong: int
    cut: Effect
    silence: Effect
    map_units: tuple[str, ...]
    map_change: np.ndarray
    map_edits: tuple[str, ...]
    inputs: tuple[str, ...]

    def __post_init__(self) -> None:
        check_shapes(self, (len(self.map_units), self.steps), "map_change")
        check_shapes(self, (len(self.map_units),), "map_edits")
        check_shapes(self, (self.n,), "inputs")

    def table(self) -> str:
        """Both kinds against their controls, and the step that matters."""
        head = (
            f"{self.checkpoint}: {self.n} instances ({self.left_out} without a cut, {self.wrong} answered wrong), "
            f"{self.steps} steps"
        )
        return "\n".join([head, *self.cut.block(), *self.silence.block()])


@dataclass(frozen=True)
class Trial:
    """What one instance left for one kind; NaN where it has no such cut or control.

    Attributes:
        hop: Step from which the cut unit carries what the answer needs.
        path: (1 + T,) fall of the logit: at T when cut at all steps, then in time when cut at each alone.
        off: (1 + T,) the same of the control.
        sure: Undisturbed logit of the answer after T steps, positive.
        sure_then: The same at the step from which the answer stays.
        edit: What was done at all steps, in words; "" for nothing.
        off_edit: The same of the control.
        blank: Fall of an untrained network's logit towards its other answer when it is done there.
        blank_sure: Its undisturbed logit, positive for its own answer.
    """

    hop: int
    path: np.ndarray
    off: np.ndarray
    sure: float
    sure_then: float
    edit: str
    off_edit: str
    blank: float
    blank_sure: float


def unfit(checkpoint: Checkpoint) -> str | None:
    """Why no attention can be taken out; None if it can."""
    if not checkpoint.model.shapes.heads:
        return "it has no attention to take an edge out of"
    if not checkpoint.model.shapes.edits_attention:
        return "this kind of model lets nobody into its attention"
    return None


@instrument(
    "whether the answer needs attention along the path: edges taken out, against edges off it",
    unfit=unfit,
    instances=80,
)
def measure(bench: Bench, options: object) -> KnockoutScores:
    """Takes attention out of every instance that is answered right and has something its path cannot do without.

    Source:
        Attention knock-out: Geva et al. (2023), Dissecting recall of factual associations. The cuts of the task's own
        structure as targets, and controls of like degree, are ours.
    """
    del options
    able = [i for i, route in enumerate(bench.routes) if route.cuts]
    if not able:
        raise InputError("no instance has an edge that its answer cannot do without, so there is nothing to take out")
    n, bench = len(bench.instances), bench.among(able)
    for encoding, route in zip(bench.encodings, bench.routes, strict=True):
        rows = 4 * (bench.steps + 1) + 2  # the last two in an untrained network
        bench.reserve(4 * rows * (bench.steps + 1), f"{rows} edited runs", "run fewer steps")
        bench.reserve(8 * len(route.span_unit) * rows, f"knock-out over {encoding.n_nodes} nodes", "run fewer steps")
    bench.expect(len(able))
    rng, right, trials, first = bench.rng("cuts"), [], {kind: [] for kind in KINDS}, None
    for i, (instance, route) in enumerate(zip(bench.instances, bench.routes, strict=True)):
        base = trace.record(bench.checkpoint, instance, bench.steps)
        if base.answer == instance.label:
            right.append(i)
            blank = trace.record(bench.blank, instance, bench.steps)
            for kind in KINDS:
                trials[kind].append(_trial(bench, (base, blank), route, kind, rng))
            first = first or (base, route)
        bench.tick()
    if first is None:
        raise InputError(f"none of the {len(able)} instances is answered right, so no answer can turn; run more steps")
    cut, silence = (_effect(bench, kind, trials[kind], bench.group[right]) for kind in KINDS)
    map_units, map_edits, map_change = _map(bench.checkpoint, *first)
    return KnockoutScores(
        **bench.header,
        n=len(right),
        left_out=n - len(able),
        wrong=len(able) - len(right),
        cut=cut,
        silence=silence,
        map_units=map_units,
        map_change=map_change,
        map_edits=map_edits,
        inputs=tuple(subjects.line(bench.instances[i]) for i in right),
    )


def _programs(kind: str, route: Routes, units: Units, steps: int) -> list[list[Edit]]:
    """The units out at all steps, then at each step alone."""
    pairs = route.cut_pairs(units)
    whole = Edit(kind, 1, steps, edges=pairs)
    return [[whole], *([Edit(kind, t, edges=pairs)] for t in range(1, steps + 1))]


def _trial(bench: Bench, runs: tuple[Trace, Trace], route: Routes, kind: str, rng: np.random.Generator) -> Trial:
    """One instance in the checkpoint and in an untrained one."""
    base, blank = runs
    sign, then = 1 if base.answer else -1, base.commitment_step
    sure, sure_then = (float(sign * base.logits[t]) for t in (-1, then))
    none, nan = np.full(base.steps + 1, np.nan), float("nan")
    able = [units for units in route.cuts if kind == "silence" or not blinds(route, units, base.encoding)]
    if not able:
        return Trial(0, none, none, sure, sure_then, "", "", nan, nan)
    units = able[int(rng.integers(len(able)))]
    other = matched(route, units, base.encoding, kind, rng)
    programs = _programs(kind, route, units, base.steps)
    controls = _programs(kind, route, other, base.steps) if other is not None else []
    # a row a program: out at all steps is read at T, out at one step alone when the answer should stand
    falls = sign * (base.logits - run(bench.checkpoint, base, programs + controls).logits).astype(
        np.float64
    )  # (R, T+1)
    fall, whole = falls[:, then], [0, base.steps + 1][: 1 + (other is not None)]
    fall[whole] = falls[whole, -1]
    idle = blank.logits[-1] - run(bench.blank, blank, programs[:1]).logits[0, -1]
    way = 1 if blank.answer else -1
    edit, off_edit = (language.written(p[0][0], base.encoding.labels) if p else "" for p in (programs, controls))
    return Trial(
        hop=int(route.hop[list(units)].max()),
        path=fall[: base.steps + 1],
        off=fall[base.steps + 1 :] if other is not None else none,
        sure=sure,
        sure_then=sure_then,
        edit=edit,
        off_edit=off_edit,
        blank=float(way * idle),
        blank_sure=float(way * blank.logits[-1]),
    )


def blinds(route: Routes, units: Units, encoding: Encoding) -> bool:
    """Whether a cut would leave a query nothing to attend to."""
    if encoding.edge_index is None:
        return False
    gone = np.array(route.cut_pairs(units)).reshape(-1, 2)[:, 0]
    keys = np.bincount(encoding.edge_index[0], minlength=encoding.n_nodes)
    return bool((keys[gone] <= np.bincount(gone, minlength=encoding.n_nodes)[gone]).any())


def matched(
    route: Routes, units: Units, encoding: Encoding, kind: str, rng: np.random.Generator
) -> tuple[int, ...] | None:
    """As many units off the path, each the nearest in degrees to one of the given; None if there are not as many.

    The degrees of a unit are the keys of its query and the queries of its key among the links; ties are drawn.
    """
    degrees = np.zeros((len(route.hop), 2))
    queries, keys = (np.bincount(x, minlength=encoding.n_nodes) for x in route.pairs)
    degrees[route.span_unit] = np.column_stack([queries[route.span[0]], keys[route.span[1]]])
    off = [int(u) for u in np.unique(route.span_unit) if route.hop[u] == NEVER]
    off = [u for u in off if kind == "silence" or not blinds(route, (u,), encoding)]
    chosen: list[int] = []
    for unit in units:
        left = [u for u in off if u not in chosen]
        if not left:
            return None
        far = np.abs(degrees[left] - degrees[unit]).sum(1) + 0.5 * rng.random(len(left))
        chosen.append(left[int(far.argmin())])
    return None if kind == "cut" and blinds(route, tuple(chosen), encoding) else tuple(chosen)


def _effect(bench: Bench, kind: str, trials: Sequence[Trial], group: np.ndarray) -> Effect:
    """What one kind of cut did to N instances; those without such a cut are NaN and count nowhere.

    A cut at all steps says whether the answer needs the unit; a cut at one step alone says when. Paths pass their unit
    at different steps, so the single cuts are lined up by the delay to that step before they are averaged.
    """
    path, off = np.stack([trial.path for trial in trials]), np.stack([trial.off for trial in trials])  # (N, 1 + T)
    column = lambda name: np.array([getattr(trial, name) for trial in trials])  # noqa: E731

    def arm(fall: np.ndarray, sure: np.ndarray) -> Arm:
        flips = Estimate.share((fall > sure)[np.isfinite(fall)].sum(), np.isfinite(fall).sum())
        return Arm(flips, bench.mean(fall, group))

    # the cuts at one step alone, moved so that the step at which each path passes its unit is in one column
    hop = column("hop")
    delay = np.arange(1 - max(1, int(hop.max())), bench.steps)
    at = hop[:, None] + delay  # (N, D) the step cut alone
    inside = (at >= 1) & (at <= bench.steps) & np.isfinite(path[:, :1])
    aligned = lambda x: np.where(inside, np.take_along_axis(x, at.clip(0, bench.steps), axis=1), np.nan)  # noqa: E731
    alone = aligned(path)
    late = (inside & (alone > column("sure_then")[:, None])).sum(0)
    return Effect(
        kind=kind,
        path=arm(path[:, 0], column("sure")),
        off=arm(off[:, 0], column("sure")),
        untrained=arm(column("blank"), column("blank_sure")),
        delay=delay,
        delay_late=Estimate.share(late, inside.sum(0)),
        delay_change=bench.mean(alone.T, group),
        delay_off=bench.mean(aligned(off).T, group),
        edits=tuple(trial.edit for trial in trials),
        off_edits=tuple(trial.off_edit for trial in trials),
        fall=path[:, 0],
        off_fall=off[:, 0],
    )


def _map(checkpoint: Checkpoint, base: Trace, route: Routes) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Every cut of one instance, silenced at one step alone: its name, its edit, and the fall of the logit (C, T)."""
    cuts, labels = sorted(route.cuts, key=lambda units: route.hop[list(units)].max())[:MAX_MAP], base.encoding.labels
    names, edits, programs = [], [], []
    for units in cuts:
        pairs = list(route.cut_pairs(units))
        more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
        names.append(f"{labels[pairs[0][0]][:40]} < {labels[pairs[0][1]][:40]}{more}")
        programs += _programs("silence", route, units, base.steps)[1:]
        edits.append(language.written(Edit("silence", 1, edges=tuple(pairs)), labels).replace("t=1", "t={t}", 1))
    sign = 1 if base.answer else -1
    then = base.commitment_step
    fall = sign * (base.logits[then] - run(checkpoint, base, programs).logits[:, then])
    return tuple(names), tuple(edits), fall.astype(np.float64).reshape(len(cuts), base.steps)
