"""Edge knock-out: does the answer need attention along the path? Some pairs are taken out, and the answer looked at.

One cut an instance, drawn by the seed: units of the task (edges, children in the tree, facts) that alone part the
answer from what decides it, against as many units off the path with like degrees. Owns the comparison; which units
these are stands in `core.tasks.paths`, how attention is cut in `probes.editing.runner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.errors import InputError
from depthscope.core.frontier import wilson
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.tasks.paths import Routes, routes
from depthscope.core.trace import Trace
from depthscope.probes.editing import language
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import run
from depthscope.probes.measuring import controls, estimate, instances as subjects
from depthscope.probes.measuring.results import Progress, refuse_over, steps_for
from depthscope.probes.reading.nodes import groups_of

KINDS = ("cut", "silence")
"""Whether what is left of a query's attention is renormalised, or the weight is lost."""

MAX_MAP = 64
"""Cuts of the first instance that are mapped step by step."""

Units = tuple[int, ...]


@dataclass(frozen=True)
class Effect:
    """What taking out attention does to the answer after T steps, path against control.

    Attributes:
        kind: "cut" or "silence".
        n: Instances with a cut that leaves every query something to attend to.
        flips: Share of answers that turn.
        flips_low: Lower end of its 95% interval (Wilson).
        flips_high: Upper end.
        change: Mean fall of the answer's logit towards the other answer.
        change_low: Lower end of its 95% interval, by bootstrap over groups of instances.
        change_high: Upper end.
        n_off: Instances that have as many units off the path.
        off_flips: Share of answers that turn when those are taken out.
        off_flips_low: Lower end of its 95% interval (Wilson).
        off_flips_high: Upper end.
        off_change: Mean fall of the logit then.
        off_change_low: Lower end of its 95% interval.
        off_change_high: Upper end.
        untrained_flips: Share of an untrained network's own answers that turn when the path's units are taken out.
        untrained_flips_low: Lower end of its 95% interval (Wilson).
        untrained_flips_high: Upper end.
        untrained_change: Mean fall of its logit towards its other answer then.
        untrained_change_low: Lower end of its 95% interval.
        untrained_change_high: Upper end.
        delay: (D,) step at which the cut is made, less the step from which the unit carries what the answer needs.
        delay_flips: (D,) share of answers that are not there in time when the cut is made at this step alone: at the
            step from which the undisturbed answer stays. With steps to spare they may come later. NaN for none.
        delay_flips_low: (D,) lower end of its 95% interval (Wilson).
        delay_flips_high: (D,) upper end.
        delay_n: (D,) instances behind it.
        delay_change: (D,) mean fall of the logit at that step.
        delay_low: (D,) lower end of its 95% interval.
        delay_high: (D,) upper end.
        delay_off: (D,) mean fall when the control is cut at the same step alone.
        delay_off_low: (D,) lower end of its 95% interval.
        delay_off_high: (D,) upper end.
        edits: (N,) what was done to each instance at all steps, as `depthscope probe do` takes it; "" for nothing.
        off_edits: (N,) the same of the control.
        fall: (N,) fall of the logit that it made; NaN for none.
        off_fall: (N,) the same of the control.
    """

    kind: str
    n: int
    flips: float
    flips_low: float
    flips_high: float
    change: float
    change_low: float
    change_high: float
    n_off: int
    off_flips: float
    off_flips_low: float
    off_flips_high: float
    off_change: float
    off_change_low: float
    off_change_high: float
    untrained_flips: float
    untrained_flips_low: float
    untrained_flips_high: float
    untrained_change: float
    untrained_change_low: float
    untrained_change_high: float
    delay: np.ndarray
    delay_flips: np.ndarray
    delay_flips_low: np.ndarray
    delay_flips_high: np.ndarray
    delay_n: np.ndarray
    delay_change: np.ndarray
    delay_low: np.ndarray
    delay_high: np.ndarray
    delay_off: np.ndarray
    delay_off_low: np.ndarray
    delay_off_high: np.ndarray
    edits: tuple[str, ...]
    off_edits: tuple[str, ...]
    fall: np.ndarray
    off_fall: np.ndarray

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            if name.startswith("delay") and values.shape != self.delay.shape:
                raise ValueError(f"{name} has shape {values.shape}, but delay has shape {self.delay.shape}")
        sizes = {len(x) for x in (self.edits, self.off_edits, self.fall, self.off_fall)}
        if len(sizes) > 1:
            raise ValueError(f"edits, off_edits, fall and off_fall are of different lengths: {sorted(sizes)}")


@dataclass(frozen=True)
class KnockoutScores:
    """Knock-out of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of cuts, controls and bootstrap.
        steps: T.
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

    checkpoint: str
    sha256: str
    seed: int
    steps: int
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
        due = (len(self.map_units), self.steps)
        if self.map_change.shape != due:
            raise ValueError(f"map_change has shape {self.map_change.shape}, but units and steps make it {due}")
        if len(self.map_edits) != len(self.map_units) or len(self.inputs) != self.n:
            raise ValueError(
                f"there are {len(self.map_edits)} map_edits of {len(self.map_units)} units, and {len(self.inputs)} "
                f"inputs of {self.n} instances"
            )


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
    if not isinstance(checkpoint.model, DepthRecurrentTransformer):
        return "this kind of model lets nobody into its attention"
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> KnockoutScores:
    """Takes attention out of every instance that is answered right and has something its path cannot do without.

    Args:
        checkpoint: What runs.
        instances: Of its task.
        steps: T; None takes what the instances need.
        seed: Of cuts, controls and bootstrap.
        progress: Called with the instances done and in all; what it raises stops the work.

    Raises:
        InputError: If there is no such instance, the checkpoint cannot read one, or it would take too much memory.

    Source:
        Attention knock-out: Geva et al. (2023), Dissecting recall of factual associations. The cuts of the task's own
        structure as targets, and controls of like degree, are ours.
    """
    task, config = tasks.get(checkpoint.config.task), checkpoint.config
    encodings = [task.encode(instance, config) for instance in instances]
    found = [routes(x, encoding, config) for x, encoding in zip(instances, encodings, strict=True)]
    able = [i for i, route in enumerate(found) if route.cuts]
    if not able:
        raise InputError("no instance has an edge that its answer cannot do without, so there is nothing to take out")
    steps = steps_for(checkpoint, [instances[i] for i in able], steps)
    for i in able:
        n, rows = encodings[i].n_nodes, 4 * (steps + 1) + 2  # the last two in an untrained network
        refuse_over(4 * rows * (steps + 1), f"{rows} edited runs", "run fewer steps")
        refuse_over(8 * len(found[i].span_unit) * rows, f"knock-out over {n} nodes", "run fewer steps")
    plain = replace(checkpoint, model=controls.untrained(checkpoint, seed))
    rng, trials, kept, first = np.random.default_rng(seed), {kind: [] for kind in KINDS}, [], None
    for done, i in enumerate(able, 1):
        base = trace.record(checkpoint, instances[i], steps)
        if base.answer == instances[i].label:
            kept.append(i)
            blank = trace.record(plain, instances[i], steps)
            for kind in KINDS:
                trials[kind].append(_trial((checkpoint, plain), (base, blank), found[i], kind, rng))
            first = first or (base, found[i])
        if progress is not None:
            progress(done, len(able))
    if first is None:
        raise InputError(f"none of the {len(able)} instances is answered right, so no answer can turn; run more steps")
    group = groups_of(instances)[kept]
    effects = [_effect(kind, trials[kind], group, steps, seed) for kind in KINDS]
    left_out, wrong = len(instances) - len(able), len(able) - len(kept)
    names, edits, change = _map(checkpoint, *first)
    return KnockoutScores(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        seed=seed,
        steps=steps,
        n=len(kept),
        left_out=left_out,
        wrong=wrong,
        cut=effects[0],
        silence=effects[1],
        map_units=names,
        map_change=change,
        map_edits=edits,
        inputs=tuple(subjects.line(instances[i]) for i in kept),
    )


def _programs(kind: str, route: Routes, units: Units, steps: int) -> list[list[Edit]]:
    """The units out at all steps, then at each step alone."""
    pairs = route.cut_pairs(units)
    whole = Edit(kind, 1, steps, edges=pairs)
    return [[whole], *([Edit(kind, t, edges=pairs)] for t in range(1, steps + 1))]


def _trial(
    sides: tuple[Checkpoint, Checkpoint], runs: tuple[Trace, Trace], route: Routes, kind: str, rng: np.random.Generator
) -> Trial:
    """One instance in the checkpoint and in an untrained one."""
    (checkpoint, plain), (base, blank) = sides, runs
    sign, then = 1 if base.answer else -1, base.commitment_step
    sure, sure_then = (float(sign * base.logits[t]) for t in (-1, then))
    none, nan = np.full(base.steps + 1, np.nan), float("nan")
    fine = [units for units in route.cuts if kind == "silence" or not blinds(route, units, base.encoding)]
    if not fine:
        return Trial(0, none, none, sure, sure_then, "", "", nan, nan)
    units = fine[int(rng.integers(len(fine)))]
    other = matched(route, units, base.encoding, kind, rng)
    programs = _programs(kind, route, units, base.steps)
    controlled = _programs(kind, route, other, base.steps) if other is not None else []
    falls = sign * (base.logits - run(checkpoint, base, programs + controlled).logits).astype(np.float64)  # (R, T+1)
    fall, whole = falls[:, then], [0, base.steps + 1][: 1 + (other is not None)]
    fall[whole] = falls[whole, -1]
    off = fall[base.steps + 1 :] if other is not None else none
    hop = int(route.hop[list(units)].max())
    idle = blank.logits[-1] - run(plain, blank, programs[:1]).logits[0, -1]
    way = 1 if blank.answer else -1
    edit, off_edit = (language.written(p[0][0], base.encoding.labels) if p else "" for p in (programs, controlled))
    fall = fall[: base.steps + 1]
    return Trial(
        hop, fall, off, sure, sure_then, edit, off_edit, float(way * idle), float(way * blank.logits[-1])
    )  # fmt: skip


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


def _effect(kind: str, trials: Sequence[Trial], group: np.ndarray, steps: int, seed: int) -> Effect:
    sure = np.array([trial.sure for trial in trials])
    path, off = np.stack([trial.path for trial in trials]), np.stack([trial.off for trial in trials])  # (N, 1 + T)
    sums: dict[str, Any] = {}
    blank, blank_sure = (np.array([getattr(trial, name) for trial in trials]) for name in ("blank", "blank_sure"))
    arms = (("", path[:, 0], sure), ("off_", off[:, 0], sure), ("untrained_", blank, blank_sure))
    for prefix, fall, least in arms:
        there = np.isfinite(fall)
        n, turned = int(there.sum()), float((fall > least)[there].sum())
        low, high = wilson(np.array(turned), n) if n else (np.nan, np.nan)
        change = estimate.mean(fall, group, seed)
        if prefix != "untrained_":  # it has as many as the path
            sums["n" if not prefix else "n_off"] = n
        sums[f"{prefix}flips"] = turned / n if n else np.nan
        sums |= {f"{prefix}flips_low": float(low), f"{prefix}flips_high": float(high)}
        sums |= {f"{prefix}change{end}": float(x) for end, x in zip(("", "_low", "_high"), change, strict=True)}
    hop = np.array([trial.hop for trial in trials])
    delay = np.arange(1 - max(1, int(hop.max())), steps)
    at = hop[:, None] + delay  # (N, D) the step cut alone
    inside = (at >= 1) & (at <= steps) & np.isfinite(path[:, :1])
    take = lambda x: np.where(inside, np.take_along_axis(x, at.clip(0, steps), axis=1), np.nan)  # noqa: E731
    alone = take(path)
    count = inside.sum(0)
    then = np.array([trial.sure_then for trial in trials])
    turned = (inside & (alone > then[:, None])).sum(0)
    low, high = (np.where(count > 0, x, np.nan) for x in wilson(turned, np.maximum(count, 1)))
    change, control = estimate.mean(alone.T, group, seed), estimate.mean(take(off).T, group, seed)
    return Effect(
        kind=kind,
        **sums,
        delay=delay,
        delay_flips=turned / np.where(count, count, np.nan),
        delay_flips_low=low,
        delay_flips_high=high,
        delay_n=count,
        delay_change=change.value,
        delay_low=change.low,
        delay_high=change.high,
        delay_off=control.value,
        delay_off_low=control.low,
        delay_off_high=control.high,
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


def table(result: KnockoutScores) -> str:
    """Both kinds against their controls, and the step that matters."""
    lines = [
        f"{result.checkpoint}: {result.n} instances ({result.left_out} without a cut, {result.wrong} answered wrong), "
        f"{result.steps} steps"
    ]
    for effect in (result.cut, result.silence):
        lines += ["", f"{effect.kind}, at all steps", f"{'':>12}{'n':>5}{'flips':>24}{'fall of the logit':>28}"]
        arms = (("path", "", effect.n), ("control", "off_", effect.n_off), ("untrained", "untrained_", effect.n))
        for name, prefix, n in arms:
            flips, change = (
                [getattr(effect, f"{prefix}{what}{end}") for end in ("", "_low", "_high")]
                for what in ("flips", "change")
            )
            lines.append(
                f"{name:>12}{n:5d}{f'{flips[0]:.3f} [{flips[1]:.3f}, {flips[2]:.3f}]':>24}"
                f"{f'{change[0]:+.2f} [{change[1]:+.2f}, {change[2]:+.2f}]':>28}"
            )
        lines += [f"{effect.kind}, at one step alone, counted from the one at which the path passes; answer in time?"]
        lines.append(f"{'delay':>12}{'n':>5}{'late':>24}{'fall of the logit':>28}{'control':>28}")
        for k in np.flatnonzero((effect.delay >= -3) & (effect.delay <= 4) & (effect.delay_n > 0)):
            late = f"{effect.delay_flips[k]:.3f} [{effect.delay_flips_low[k]:.3f}, {effect.delay_flips_high[k]:.3f}]"
            change = f"{effect.delay_change[k]:+.2f} [{effect.delay_low[k]:+.2f}, {effect.delay_high[k]:+.2f}]"
            off = f"{effect.delay_off[k]:+.2f} [{effect.delay_off_low[k]:+.2f}, {effect.delay_off_high[k]:+.2f}]"
            lines.append(f"{effect.delay[k]:+12d}{effect.delay_n[k]:5d}{late:>24}{change:>28}{off:>28}")
        if effect.n == 1:
            lines.append(f"made by: {next(edit for edit in effect.edits if edit)}")
    return "\n".join(lines)
