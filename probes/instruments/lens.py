"""The lens: what the last readout says of the states of every step, as they are and after an affine map for that step.

logit lens   r(h[t])
tuned lens   r(h[t] + h[t] A[t] + b[t])     A, b minimise KL(final answer || lens) on other instances
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from depthscope.core import tasks
from depthscope.core.answers import batches
from depthscope.core.encoding import Batch, Encoding, collate
from depthscope.core.model import read_out
from depthscope.probes.instrument import Bench, instrument
from depthscope.probes.maths.divergence import kl
from depthscope.probes.maths.pullback import states_of
from depthscope.probes.measuring import controls, instances as subjects
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

FIT_INSTANCES, FIT_CELLS = 64, 6_000_000
"""Instances that a tuned lens is fitted on, fewer where their states would be more numbers than the second."""

ITERATIONS, LEARNING_RATE, VALIDATION = 120, 3e-3, 0.25
"""Of the fit; the last share of its instances says at which iteration each step's map was best."""

SHUFFLED, UNTRAINED = "shuffled", "untrained"


@dataclass(frozen=True)
class Curve:
    """One lens over the steps; arrays are (T+1,).

    Attributes:
        name: "logit", "tuned", or a tuned lens as control: "shuffled" targets, "untrained" states.
        kl: Mean KL(final || lens) over the nodes read, in nats.
        same: Share of nodes whose sign is that of the final readout.
        answer_kl: KL at the answer alone.
    """

    name: str
    kl: Estimate
    same: np.ndarray
    answer_kl: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.kl.shape, "same", "answer_kl")


@dataclass(frozen=True)
class Lenses(Result):
    """Both lenses of one checkpoint over N instances with M nodes that are read.

    Attributes:
        n: Instances.
        n_fit: Other instances that the tuned lens was fitted on.
        fit_difficulty: Their difficulties: those of the instances, up to twice the hardest that was trained on.
        curves: "logit", "tuned", "shuffled", "untrained".
        disagreement: (T+1,) share of nodes where logit and tuned lens differ in sign.
        instance: (M,) index of each node's instance.
        node: (M,) index of the node in it.
        logit: (T+1, M) logits of the logit lens.
        tuned: (T+1, M) logits of the tuned lens.
    """

    n: int
    n_fit: int
    fit_difficulty: tuple[int, ...]
    curves: tuple[Curve, ...]
    disagreement: Estimate
    instance: np.ndarray
    node: np.ndarray
    logit: np.ndarray
    tuned: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, (self.steps + 1, len(self.instance)), "logit", "tuned")

    def curve(self, name: str) -> Curve:
        """A lens by name."""
        return next(curve for curve in self.curves if curve.name == name)

    def table(self) -> str:
        """Divergence from the final readout at every step, the controls beside it."""
        out = [
            f"{self.checkpoint}: {self.n} instances with {len(self.node)} readouts, T = {self.steps}; tuned lens "
            f"fitted on {self.n_fit} others of difficulty {', '.join(map(str, self.fit_difficulty))}",
            "KL(final || lens) in nats over all nodes; same: share with the final sign",
            "",
            f"{'t':>4}{'logit':>24}{'tuned':>24}{'shuffled':>10}{'untrained':>11}{'same: logit':>13}{'tuned':>8}"
            f"{'differ':>24}",
        ]
        logit, tuned, shuffled, fresh = (self.curve(name) for name in ("logit", "tuned", SHUFFLED, UNTRAINED))
        for t in range(self.steps + 1):
            out.append(
                f"{t:>4}{f'{logit.kl[t]}':>24}{f'{tuned.kl[t]}':>24}{shuffled.kl.value[t]:>10.3f}"
                f"{fresh.kl.value[t]:>11.3f}{logit.same[t]:>13.3f}{tuned.same[t]:>8.3f}{f'{self.disagreement[t]}':>24}"
            )
        return "\n".join(out)


@instrument("what the last readout says of every step's states, as they are and after an affine map", instances=64)
def measure(bench: Bench, options: object) -> Lenses:
    """Fits a tuned lens on fresh instances, and looks at others through both lenses.

    Source:
        nostalgebraist (2020), interpreting GPT: the logit lens; Belrose et al. (2023), Eliciting Latent Predictions
        from Transformers with the Tuned Lens.
    """
    model, steps = bench.model, bench.steps
    bench.reserve(8.0 * (steps + 1) * sum(e.n_nodes for e in bench.encodings) * 5, "the lenses of these runs")
    trained = subjects.trained(bench.checkpoint)
    levels = {min(x.difficulty, 2 * trained) for x in bench.instances if x.difficulty is not None}
    difficulty = tuple(int(d) for d in sorted(levels)) or (trained,)
    batch, carries = _fit_on(bench, difficulty)
    parts = _parts(bench)
    bench.expect(3 * ITERATIONS + 2 * steps * (1 + len(parts)))
    states = _states(bench, model, batch)
    target = _read(model, states[-1:], batch)[0][0].detach()  # (B, m)
    where = carries if target.shape == carries.shape else torch.ones_like(target, dtype=torch.bool)
    shuffled, order = target.clone(), controls.permuted(np.arange(int(where.sum())), bench.rng("targets"))
    shuffled[where] = target[where][torch.from_numpy(order)]
    plans = ((states, target), (states, shuffled), (_states(bench, bench.untrained, batch), target))
    maps = [_fit(bench, inputs, batch, aim, where) for inputs, aim in plans]
    del states, plans
    nodes, answers, instance, node = _look(bench, parts, maps)
    differ = ((nodes["logit"] > 0) != (nodes["tuned"] > 0)).sum(1)
    return Lenses(
        **bench.header,
        n=len(bench.instances),
        n_fit=len(batch),
        fit_difficulty=difficulty,
        curves=tuple(_curve(bench, name, nodes, answers, instance) for name in nodes),
        disagreement=Estimate.share(differ, len(instance)),
        instance=instance,
        node=node,
        logit=nodes["logit"],
        tuned=nodes["tuned"],
    )


def _curve(
    bench: Bench, name: str, nodes: dict[str, np.ndarray], answers: dict[str, np.ndarray], instance: np.ndarray
) -> Curve:
    """Scores of one lens against the model's own last readout."""
    lens, final = nodes[name], nodes["logit"][-1]
    divergence = bench.mean(kl(final, lens), bench.group[instance])
    answer = kl(answers["logit"][-1], answers[name]).mean(1)
    return Curve(name, divergence, ((lens > 0) == (final > 0)).mean(1), answer)


def _fit_on(bench: Bench, difficulty: tuple[int, ...]) -> tuple[Batch, Tensor]:
    """Other instances to fit on, whole pairs of twins, and which nodes carry the concept, (B, n) bool."""
    checkpoint, avoid = bench.checkpoint, set(bench.instances)
    task = tasks.get(checkpoint.config.task)
    count = max(2, FIT_INSTANCES // len(difficulty) // 2 * 2)
    drawn = subjects.draw(checkpoint, difficulty, count, seed=bench.seed + 7919)
    encodings = [task.encode(x, checkpoint.config) for x in drawn if x not in avoid]
    each = (bench.steps + 1) * max(e.n_nodes for e in encodings) * checkpoint.model.shapes.width
    most = max(8, FIT_CELLS // each // 2 * 2)
    encodings = [encodings[i] for pair in _spread(len(encodings), most) for i in (pair, pair + 1) if i < len(encodings)]
    bench.reserve(30.0 * each * len(encodings), "fitting a tuned lens", "run fewer steps")
    batch = collate(encodings).to(next(checkpoint.model.parameters()).device)
    return batch, _carries(encodings, batch)


def _spread(n: int, most: int) -> list[int]:
    """First members of at most most / 2 pairs out of n, spread evenly."""
    pairs = np.unique(np.linspace(0, (n - 1) // 2, max(1, most // 2)).round().astype(int))
    return [2 * int(pair) for pair in pairs]


def _carries(encodings: Sequence[Encoding], batch: Batch) -> Tensor:
    mask = torch.zeros(batch.valid.shape, dtype=torch.bool, device=batch.valid.device)
    for row, encoding in enumerate(encodings):
        mask[row, : encoding.n_nodes] = torch.from_numpy(encoding.carries).to(mask.device)
    return mask


def _states(bench: Bench, model: Any, batch: Batch) -> Tensor:
    """States after 0..T steps, (T+1, B, n, d); ticks after each. No inference tensors: maps are fitted to them."""
    with torch.no_grad():
        return torch.stack(states_of(model, model.prepare(batch), bench.steps, bench.tick))


def _read(model: Any, states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """What is read, (S, B, n) at every node or (S, B, 1) at the answer alone; and the answer, (S, B)."""
    answer, node = read_out(model, states, batch)
    return answer[..., None] if node is None else node, answer


Maps = tuple[Tensor, Tensor]
"""A (T+1, d, d) and b (T+1, d) of a tuned lens."""


def _through(states: Tensor, maps: Maps) -> Tensor:
    """H + h A[t] + b[t], (T+1, B, n, d)."""
    weight, bias = maps
    steps, b, n, d = states.shape
    return states + (states.reshape(steps, b * n, d) @ weight + bias[:, None]).reshape(states.shape)


def _fit(bench: Bench, states: Tensor, batch: Batch, target: Tensor, where: Tensor) -> Maps:
    """The affine maps of a tuned lens, from the identity, each step's at the iteration that was best on validation.

    Args:
        bench: Its model's readout is used; ticks after every iteration.
        states: (T+1, B, n, d).
        batch: The B instances.
        target: (B, m) final logits.
        where: (B, m) bool, which of them count.
    """
    model = bench.model
    weight = torch.zeros(len(states), states.shape[-1], states.shape[-1], device=states.device, requires_grad=True)
    bias = torch.zeros(len(states), states.shape[-1], device=states.device, requires_grad=True)
    validation = torch.zeros_like(where)
    validation[len(where) - max(2, int(VALIDATION * len(where)) // 2 * 2) :] = True
    aim = target.sigmoid()
    best = torch.full((len(states),), torch.inf, device=states.device)
    best_maps = (weight.detach().clone(), bias.detach().clone())
    optimiser = torch.optim.Adam([weight, bias], LEARNING_RATE)
    frozen = [(p, p.requires_grad) for p in model.parameters()]
    for parameter, _ in frozen:
        parameter.requires_grad_(False)
    try:
        for _ in range(ITERATIONS):
            logit = _read(model, _through(states, (weight, bias)), batch)[0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, aim.expand_as(logit), reduction="none")
            with torch.no_grad():
                score = loss[:, where & validation].mean(1)
                better = score < best
                best = torch.where(better, score, best)
                for store, now in zip(best_maps, (weight, bias), strict=True):
                    store[better] = now.detach()[better]
            optimiser.zero_grad()
            loss[:, where & ~validation].mean(1).sum().backward()
            optimiser.step()
            bench.tick()
    finally:
        for parameter, trainable in frozen:
            parameter.requires_grad_(trainable)
    return best_maps


@torch.inference_mode()
def _look(
    bench: Bench, parts: Sequence[np.ndarray], maps: Sequence[Maps]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Logits of every lens at the nodes (T+1, M) and at the answers (T+1, N); instance and index of each node."""
    model, encodings = bench.model, bench.encodings
    read: list[dict[str, np.ndarray]] = [{} for _ in encodings]
    where: list[np.ndarray] = [np.empty(0)] * len(encodings)
    answers = {name: np.empty((bench.steps + 1, len(encodings))) for name in ("logit", "tuned", SHUFFLED, UNTRAINED)}
    tuned, shuffled, fresh = maps
    for index in parts:
        batch = collate([encodings[i] for i in index]).to(next(model.parameters()).device)
        states, blank = (_states(bench, x, batch) for x in (model, bench.untrained))
        inputs = {
            "logit": states,
            "tuned": _through(states, tuned),
            SHUFFLED: _through(states, shuffled),
            UNTRAINED: _through(blank, fresh),
        }
        for name, through in inputs.items():
            logit, answer = (x.double().cpu().numpy() for x in _read(model, through, batch))
            answers[name][:, index] = answer
            for row, i in enumerate(index):
                everywhere = logit.shape[2] > 1 or encodings[i].n_nodes == 1
                where[i] = np.flatnonzero(encodings[i].carries) if everywhere else np.array([encodings[i].answer])
                read[i][name] = logit[:, row, where[i]] if everywhere else logit[:, row]
    nodes = {name: np.concatenate([x[name] for x in read], axis=1) for name in answers}
    return nodes, answers, np.repeat(np.arange(len(where)), [len(x) for x in where]), np.concatenate(where)


def _parts(bench: Bench) -> list[np.ndarray]:
    """Indices of the instances, in batches so small that all steps of one fit in memory together."""
    shapes = bench.model.shapes
    return list(batches(bench.encodings, shapes.width * (bench.steps + 1), shapes.heads))
