"""Runs many interventions on one instance as one batch, each from the cached state at its own first step.

Owns the running; what an edit is and means stands in `probes.editing.language`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from depthscope.core import trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import SPARSE_ABOVE, Batch, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.model import Context, read_out
from depthscope.core.trace import Trace
from depthscope.probes.editing import language
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.neighbourhood import Neighbourhood

CELLS = 1 << 21
"""Bound on what the rows of one batch hold at once, counted in nodes x width and in pairs of nodes x heads."""

MAX_BYTES = 4 << 30
"""Outcomes larger than this are refused."""

Program = Sequence[Edit]


@dataclass(frozen=True)
class Material:
    """What edits may take from elsewhere.

    Attributes:
        donor: A run of the same checkpoint and number of nodes and at least as many steps, for patches.
        directions: Name to a vector (d,), or one for each step (T+1, d).
        mean: (T+1, d) or (T+1, n, d) states that `mean` puts in, at least as many steps as the run has; the means over
            other instances are in `probes.editing.ablation`.
    """

    donor: Trace | None = None
    directions: Mapping[str, np.ndarray] = field(default_factory=dict)
    mean: np.ndarray | None = None


@dataclass(frozen=True)
class Outcome:
    """What R programs of edits made of one run.

    Attributes:
        logits: (R, T+1) logit of the answer.
        readout: (R, T+1, n) logit at every node; None if it was not asked for or there is none.
        hidden: (R, T+1, n, d) states, after the edits at each step; None if they were not asked for.
    """

    logits: np.ndarray
    readout: np.ndarray | None
    hidden: np.ndarray | None


@torch.inference_mode()
def run(
    checkpoint: Checkpoint,
    base: Trace,
    programs: Sequence[Program],
    material: Material = Material(),
    *,
    readout: bool = False,
    hidden: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Runs each program of edits on the same instance.

    Until a program changes something its states are those of the base to the bit: so they stay if it is empty, adds
    nothing or puts a node's own state back.

    Args:
        checkpoint: What runs.
        base: Its undisturbed run.
        programs: R lists of edits.
        material: What the edits take from elsewhere.
        readout: Whether to keep the logits of all nodes.
        hidden: Whether to keep all states.
        progress: Called with the number of programs done and of those to run; what it raises stops the work.

    Raises:
        InputError: If an edit does not fit the run, or the outcome would not fit in memory.
    """
    shapes, n, count = checkpoint.model.shapes, base.n_nodes, len(programs)
    for program in programs:
        language.check(program, n, shapes.heads, base.steps)
    _check_material(programs, base, material)
    size = 4 * count * (base.steps + 1) * (1 + n * (readout + hidden * base.hidden.shape[-1]))
    if size > MAX_BYTES:
        raise InputError(
            f"{count} edited runs of {base.steps} steps would keep {size / 2**30:.1f} GiB, over the limit of "
            f"{MAX_BYTES / 2**30:.0f}; fewer steps, nodes or edits need less"
        )
    nodes = base.node_logits if readout else None
    out = Outcome(
        np.tile(base.logits, (count, 1)),
        None if nodes is None else np.tile(nodes, (count, 1, 1)),
        np.tile(base.hidden, (count, 1, 1, 1)) if hidden else None,
    )
    runner = Runner(checkpoint, base, material)
    starts = np.array([min((edit.start for edit in program), default=base.steps + 1) for program in programs])
    order = np.argsort(starts, kind="stable")
    order = order[starts[order] <= base.steps]
    at_once = max(1, CELLS // max(n * base.hidden.shape[-1], runner.pairs * shapes.heads))
    near = np.array([runner.is_local(program) for program in programs], dtype=bool)[order]
    done = 0
    for part in (order[near], order[~near]):
        for start in range(0, len(part), at_once):
            rows = part[start : start + at_once]
            runner.run([programs[i] for i in rows], starts[rows], rows, out)
            done += len(rows)
            if progress is not None:
                progress(done, len(order))
    return out


def record(
    checkpoint: Checkpoint, instance: Any, programs: Sequence[Program], steps: int | None = None, donor: Any = None
) -> tuple[Trace, Outcome]:
    """The undisturbed run of an instance, and what programs of edits make of it.

    Args:
        checkpoint: What runs.
        instance: Of its task.
        programs: Lists of edits.
        steps: T; None takes the default.
        donor: Instance that patches are taken from.
    """
    base = trace.record(checkpoint, instance, steps)
    material = Material(donor=None if donor is None else trace.record(checkpoint, donor, base.steps))
    return base, run(checkpoint, base, programs, material, readout=True)


def _check_material(programs: Sequence[Program], base: Trace, material: Material) -> None:
    every = [edit for program in programs for edit in program]
    donor = material.donor
    if any(edit.kind == "patch" for edit in every):
        if donor is None:
            raise InputError("a patch needs a donor to take states from, such as the instance's twin")
        if donor.hidden.shape[1:] != base.hidden.shape[1:] or donor.steps < base.steps:
            raise InputError(
                f"the donor has {donor.n_nodes} nodes and {donor.steps} steps, the run has {base.n_nodes} and "
                f"{base.steps}: states can only be put where there is the same node and step"
            )
    if any(edit.kind == "mean" for edit in every):
        shape = (0,) if material.mean is None else material.mean.shape
        if shape[1:] not in (base.hidden.shape[1:], base.hidden.shape[2:]) or shape[0] <= base.steps:
            raise ValueError(f"mean has shape {shape}, but hidden has shape {base.hidden.shape}")
    for name in {edit.direction for edit in every if edit.kind == "add"}:
        known = ", ".join(material.directions) or "none here"
        if name not in material.directions:
            raise InputError(f"there is no direction {name!r:.40}; there are: {known}")
        vector, d = np.asarray(material.directions[str(name)]), base.hidden.shape[-1]
        if vector.shape not in ((d,), (base.steps + 1, d)):
            raise ValueError(f"direction {name} has shape {vector.shape}, but states have width {d}")


class Runner:
    """One instance's run, ready to be branched off at any step."""

    def __init__(self, checkpoint: Checkpoint, base: Trace, material: Material) -> None:
        self.model, self.base, self.material = checkpoint.model, base, material
        like = next(self.model.parameters())
        self.device = like.device
        self.hidden = torch.from_numpy(np.ascontiguousarray(base.hidden)).to(like)
        donor = material.donor
        self.donor = None if donor is None else torch.from_numpy(np.ascontiguousarray(donor.hidden)).to(like)
        self.encodings = self._encodings(base.encoding, None if donor is None else donor.encoding)
        edges = base.encoding.edge_index
        dense = edges is None or base.n_nodes <= SPARSE_ABOVE
        self.pairs = base.n_nodes**2 if edges is None or dense else edges.shape[1]
        self.pool = collate(self.encodings).to(self.device) if dense else None
        self.context = None if self.pool is None else self.model.prepare(self.pool)
        self.near = Neighbourhood.of(self.model, base.encoding) if self.model.shapes.is_local else None

    def is_local(self, program: Program) -> bool:
        """Whether a program changes nothing but states along edges, so that what it can reach is known."""
        return self.near is not None and all(e.on_state and set(e.parts) == {"state"} for e in program)

    @staticmethod
    def _encodings(own: Encoding, donor: Encoding | None) -> list[Encoding]:
        """The instance; with the donor's mask; with its input; with both. Index 2 * input + mask.

        The input is all that says what is asked: also the nodes that the answer is read from.
        """
        if donor is None:
            return [own]
        mask = {name: getattr(donor, name) for name in ("edge_index", "bracket", "entity")}
        given = {name: getattr(donor, name) for name in ("token_ids", "roles", "source", "answer", "asked")}
        return [own, replace(own, **mask), replace(own, **given), replace(own, **mask, **given)]

    def run(self, programs: Sequence[Program], starts: np.ndarray, rows: np.ndarray, out: Outcome) -> None:
        """Runs programs, sorted by their first step, and writes them into rows of the outcome."""
        steps = self.base.steps
        states, updates = _by_step(programs, steps)
        latest = max([*states, *updates])
        borrowing = [row for row, program in enumerate(programs) if any(set(e.parts) != {"state"} for e in program)]
        near = self.near if all(self.is_local(program) for program in programs) else None
        swaps = any(edit.kind == "swap" for program in programs for edit in program)  # reads what another node became
        alone = near is not None and out.readout is None and out.hidden is None and not swaps
        cone = near.cone(steps) if near is not None and alone else None
        differs = torch.zeros((len(programs), self.base.n_nodes), dtype=torch.bool, device=self.device)
        touched = np.zeros(len(programs), dtype=bool)  # rows that differ from the base in anything
        state, active, key, context = self.hidden[:0], 0, None, None
        for t in range(int(starts[0]), steps + 1):
            coming = int(np.searchsorted(starts, t, side="right"))
            if coming > active:  # a tensor of its own, as after a local step
                state = torch.cat([state, self.hidden[t].expand(coming - active, -1, -1)])
            active = coming
            if t in states:
                state = state if near is not None else state.clone()
                for row, edit in states[t]:
                    self._edit(state[row], edit, t)
                mine = np.array(sorted({row for row, _ in states[t]}))
                differs[mine] |= (state[mine] != self.hidden[t]).any(-1)
                if cone is not None:
                    differs &= cone[t]
                touched |= differs.any(1).cpu().numpy()
            which = np.zeros(active, dtype=np.int64)
            for row in borrowing:
                if row < active:
                    which[row] = self._which(programs[row], t)
            touched[:active] |= which > 0
            self._keep(state, t, which, rows, touched, out)
            if t == steps or (t >= latest and not touched.any()):
                return
            if near is not None:
                now, following = self.hidden[t], self.hidden[t + 1]
                bears = None if cone is None else cone[t]
                state, differs[:active] = near.step(state, differs[:active], now, following, t, bears)
                continue
            if key != which.tobytes():
                context, key = self._context(which), which.tobytes()
            todo = updates.get(t + 1, [])
            touched[[row for row, _ in todo]] = True
            state = self._update(state, t + 1, todo, context)
            if not touched[:active].all():
                state[~touched[:active]] = self.hidden[t + 1]

    def _batch(self, which: np.ndarray) -> Batch:
        """The encodings of some rows as a batch."""
        if self.pool is None:
            return collate([self.encodings[i] for i in which], sparse=True).to(self.device)
        parts = {f.name: getattr(self.pool, f.name) for f in fields(self.pool)}
        return Batch(**{k: self._taken(v, which) if isinstance(v, Tensor) else v for k, v in parts.items()})

    def _taken(self, values: Tensor, which: np.ndarray) -> Tensor:
        """Rows of what is there for each encoding; not copied where they are all the instance's own."""
        if which.any():
            return values[torch.from_numpy(which).to(self.device)]
        return values[:1].expand(len(which), *values.shape[1:])

    def _context(self, which: np.ndarray) -> Any:
        """The context of some rows; embedded once where the context's parts are known."""
        context = self.context
        if not isinstance(context, Context):
            return self.model.prepare(self._batch(which))
        own = {name: getattr(context, name) for name in ("embedding", "recalled", "bias")}
        taken = {
            name: v if v is None or (name == "bias" and v.shape[0] == 1) else self._taken(v, which)
            for name, v in own.items()
        }
        return replace(context, batch=self._batch(which), **taken)

    def _which(self, program: Program, t: int) -> int:
        """Which encoding the update from h[t] reads."""
        mask = any(edit.borrows(t, "mask") for edit in program)
        return 2 * any(edit.borrows(t, "input") for edit in program) + mask

    def _keep(
        self, state: Tensor, t: int, which: np.ndarray, rows: np.ndarray, touched: np.ndarray, out: Outcome
    ) -> None:
        """Writes what is read out of the states after t steps; rows that nothing has touched keep the base's."""
        index = np.flatnonzero(touched[: len(state)])
        if not len(index):
            return
        mine = state if len(index) == len(state) else state[torch.from_numpy(index).to(self.device)]
        batch, to = self._batch(which[index]), rows[index]
        if out.readout is None and self.model.shapes.answers_alone:
            logits, readout = self.model.answer(mine, batch), None
        else:
            logits, readout = read_out(self.model, mine, batch)
        out.logits[to, t] = logits.float().cpu().numpy()
        if out.readout is not None and readout is not None:
            out.readout[to, t] = readout.float().cpu().numpy()
        if out.hidden is not None:
            out.hidden[to, t] = mine.float().cpu().numpy()

    def _edit(self, h: Tensor, edit: Edit, t: int) -> None:
        """One edit on the states of one run, (n, d), in place."""
        nodes = slice(None) if edit.nodes is None else list(edit.nodes)
        match edit.kind:
            case "zero":
                h[nodes] = 0
            case "mean":
                assert self.material.mean is not None
                mean = torch.from_numpy(self.material.mean[t]).to(h)
                h[nodes] = mean if mean.ndim == 1 else mean[nodes]
            case "noise":
                rng = np.random.default_rng([edit.seed, t])
                draw = torch.from_numpy(rng.standard_normal(tuple(h.shape))).to(h)
                h[nodes] += float(edit.amount or 0) * self.hidden[t].std() * draw[nodes]
            case "swap":
                h[nodes] = h[list(edit.nodes or ())[::-1]].clone()
            case "add":
                vector = np.asarray(self.material.directions[str(edit.direction)])
                vector = vector[t] if vector.ndim == 2 else vector
                h[nodes] += float(edit.amount or 0) * torch.from_numpy(vector).to(h)
            case "patch" if "state" in edit.parts:
                assert self.donor is not None
                h[nodes] = self.donor[t][nodes]

    def _update(self, state: Tensor, t: int, todo: Sequence[tuple[int, Edit]], context: Any) -> Tensor:
        """The states after step t, from those before it, with the edits of this update."""
        inside = [(row, e) for row, e in todo if e.kind in ("gate", "cut", "silence")]
        if inside:
            context = self._opened(context, inside, len(state))
        following = self.model.step(state, t - 1, context)
        repeats = {row: int(e.amount or 1) for row, e in todo if e.kind == "repeat"}
        for k in range(max(repeats.values(), default=0)):
            again = self.model.step(following, t - 1, context)
            mine = [row for row, times in repeats.items() if times > k]
            following[mine] = again[mine]
        for row, edit in todo:
            if edit.kind == "hold":
                nodes = slice(None) if edit.nodes is None else list(edit.nodes)
                following[row, nodes] = state[row, nodes]
        return following

    def _opened(self, context: Any, todo: Sequence[tuple[int, Edit]], rows: int) -> Context:
        """The context of an update with its gate or attention changed."""
        if not isinstance(context, Context):
            raise InputError("this kind of model lets nobody into its attention and gate; edits of states work on it")
        edges = context.batch.edge_index
        n, heads = context.embedding.shape[1], self.model.shapes.heads
        bias = scale = gate = None
        if any(e.kind == "gate" for _, e in todo):
            if not self.model.shapes.edits_gate:
                raise InputError("this model has no update gate to set")
            gate = context.embedding.new_full((rows, n), torch.nan)
        size = (rows, heads, n, n) if edges is None else (edges.shape[1], heads)
        if any(e.kind == "cut" for _, e in todo):
            bias = context.embedding.new_zeros(size) if context.bias is None else context.bias.expand(size).clone()
        if any(e.kind == "silence" for _, e in todo):
            scale = context.embedding.new_ones(size)
        for row, edit in todo:
            if edit.kind == "gate":
                assert gate is not None
                gate[row, slice(None) if edit.nodes is None else list(edit.nodes)] = float(edit.amount or 0)
                continue
            where, value = (bias, -torch.inf) if edit.kind == "cut" else (scale, 0.0)
            assert where is not None
            chosen = list(range(heads)) if edit.heads is None else list(edit.heads)
            pairs = torch.tensor(edit.edges, device=self.device)
            if edges is None:
                for head in chosen:
                    where[row, head, pairs[:, 0], pairs[:, 1]] = value
            else:
                flat = pairs + row * n
                hit = (edges[0][:, None] == flat[:, 0]) & (edges[1][:, None] == flat[:, 1])
                index = hit.any(1).nonzero()[:, 0]
                where[index[:, None], torch.tensor(chosen, device=self.device)] = value
        geometric = getattr(self.model.config, "geometric", False)  # there a query falls back on itself
        if bias is not None and not geometric:
            _refuse_blind(bias, edges)
        return replace(context, bias=context.bias if bias is None else bias, scale=scale, gate=gate)


def _by_step(programs: Sequence[Program], steps: int) -> tuple[dict[int, list[tuple[int, Edit]]], ...]:
    """The edits of each step as pairs of a row and an edit: those of states, and those of updates."""
    result: tuple[dict[int, list[tuple[int, Edit]]], ...] = ({}, {})
    for row, program in enumerate(programs):
        for edit in program:
            for t in range(edit.step, min(edit.last, steps) + 1):
                result[not edit.on_state].setdefault(t, []).append((row, edit))
    return result


def _refuse_blind(bias: Tensor, edges: Tensor | None) -> None:
    """Refuses cuts that leave a node nothing to attend to: there would be nothing to renormalise."""
    if edges is None:
        blind = torch.isneginf(bias).all(-1).any()
    else:
        open_ = ~torch.isneginf(bias)
        seen = torch.zeros((int(edges.max()) + 1, bias.shape[1]), device=bias.device).index_add(
            0, edges[0], open_.float()
        )
        there = torch.zeros(len(seen), dtype=torch.bool, device=bias.device).index_fill(0, edges[0], True)
        blind = (seen[there] == 0).any()
    if blind:
        raise InputError(
            "a cut leaves a node nothing to attend to; silence takes the weight away without sharing it out"
        )
