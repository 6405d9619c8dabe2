"""The trace of an edited run: what an undisturbed one would have left behind, with the edits made.

Owns putting states, readout, attention and gate of an edited run together; running edits is `probes.editing.runner`'s,
and what they take from elsewhere is what `probes.instruments.do` gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.protocol import Sink
from depthscope.core.trace import Trace
from depthscope.probes.editing import runner as running
from depthscope.probes.editing.ablation import Others
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import Material
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments import do

NOTHING = Material()


def material(checkpoint: Checkpoint, instance: Any, program: Sequence[Edit], steps: int, seed: int = 0) -> Material:
    """What the edits of one instance take from elsewhere in `probes.instruments.do`: the twin's run, directions, means.

    Raises:
        InputError: If an edit is a patch and the instance has no twin.
    """
    donor, directions, mean = None, {}, None
    if any(edit.kind == "patch" for edit in program):
        donor = trace.record(checkpoint, do.donor_of(checkpoint, instance, None, seed)[0], steps)
    if any(edit.kind == "add" for edit in program):
        directions = do.directions_of(Bench.of(checkpoint, [instance], steps, seed), program)
    if any(edit.kind == "mean" for edit in program):
        encoding = tasks.get(checkpoint.config.task).encode(instance, checkpoint.config)
        mean = Others(checkpoint, steps, seed).mean(encoding)
    return Material(donor, directions, mean)


@torch.inference_mode()
def edited(checkpoint: Checkpoint, base: Trace, program: Sequence[Edit], material: Material = NOTHING) -> Trace:
    """The trace of one program of edits; what no edit has touched is the base's to the bit.

    Truth and what the oracle knows stay those of the instance. A node that is held has a gate of 0 and attends to
    nobody in that update; of a repeated update attention and gate are those of the last time.

    Args:
        checkpoint: What runs.
        base: Its undisturbed run.
        program: Edits.
        material: What they take from elsewhere.

    Raises:
        InputError: If an edit does not fit the run.
    """
    base = replace(base, hidden=base.hidden if base.hidden.flags.writeable else base.hidden.copy())
    out = running.run(checkpoint, base, [program], material, readout=True, hidden=True)
    assert out.hidden is not None
    attention, gate = _routing(checkpoint, base, program, material, out.hidden[0])
    return replace(
        base,
        hidden=out.hidden[0],
        attention=attention,
        gate=gate,
        readout=None if out.readout is None else out.readout[0],
        logits=out.logits[0],
    )


def _routing(
    checkpoint: Checkpoint, base: Trace, program: Sequence[Edit], material: Material, hidden: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Attention and gate of every update, from the states it starts from, (T, ...)."""
    attention = None if base.attention is None else base.attention.copy()
    gate = None if base.gate is None else base.gate.copy()
    if attention is None and gate is None:
        return None, None
    runner = running.Runner(checkpoint, base, material)
    for t in range(1, base.steps + 1):
        here = [edit for edit in program if not edit.on_state and edit.at(t)]
        borrowed = runner._which(program, t - 1)
        if not here and not borrowed and np.array_equal(hidden[t - 1], base.hidden[t - 1]):
            continue
        context = runner._context(np.array([borrowed]))
        inside = [(0, edit) for edit in here if edit.kind in ("gate", "cut", "silence")]
        if inside:
            context = runner._opened(context, inside, 1)
        edges = None if base.edge_index is None else runner._batch(np.array([borrowed])).edge_index
        times = 1 + max((int(edit.amount or 1) for edit in here if edit.kind == "repeat"), default=0)
        weights, mean = _update(runner, torch.from_numpy(hidden[t - 1]), t, context, edges, times)
        if attention is not None and weights is not None:
            attention[t - 1] = weights if edges is None else _on_edges(weights, edges.cpu().numpy(), base)
        if gate is not None and mean is not None:
            gate[t - 1] = mean
        for edit in here:
            if edit.kind == "hold":
                _idle(edit, t, base, attention, gate)
    return attention, gate


def _update(
    runner: running.Runner, state: Tensor, t: int, context: Any, edges: Tensor | None, times: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Attention, (heads, n, n) or (heads, E), and gate, (n,), of the last of some repetitions of an update."""
    like, shapes = runner.hidden, runner.model.shapes
    n = like.shape[1]
    size = (1, shapes.heads, n, n) if edges is None else (shapes.heads, edges.shape[1])
    weights = like.new_zeros(size) if shapes.heads else None
    mean = like.new_zeros((1, n)) if shapes.gate else None
    state = state.to(like)[None]
    for _ in range(times):
        state = runner.model.step(state, t - 1, context, Sink(weights, mean))
    attention = None if weights is None else (weights[0] if edges is None else weights).float().cpu().numpy()
    return attention, None if mean is None else mean[0].float().cpu().numpy()


def _on_edges(weights: np.ndarray, edges: np.ndarray, base: Trace) -> np.ndarray:
    """Weights along a donor's edges as weights on the base's, (heads, E); 0 on edges that the donor lacks."""
    assert base.edge_index is not None
    n = base.n_nodes
    have, want = edges[0] * n + edges[1], base.edge_index[0] * n + base.edge_index[1]
    order = np.argsort(have)
    at = order[np.minimum(np.searchsorted(have, want, sorter=order), len(have) - 1)]
    return np.where(have[at] == want, weights[:, at], np.float32(0))


def _idle(edit: Edit, t: int, base: Trace, attention: np.ndarray | None, gate: np.ndarray | None) -> None:
    """Nothing comes to a node that is held, in place."""
    nodes = np.arange(base.n_nodes) if edit.nodes is None else np.array(edit.nodes)
    if gate is not None:
        gate[t - 1, nodes] = 0
    if attention is not None and base.edge_index is not None:
        attention[t - 1][:, np.isin(base.edge_index[0], nodes)] = 0
    elif attention is not None:
        attention[t - 1][:, nodes] = 0
