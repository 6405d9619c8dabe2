"""The lens: what the last readout says of the states of every step, as they are and after an affine map for that step.

logit lens   r(h[t])
tuned lens   r(h[t] + h[t] A[t] + b[t])     A, b minimise KL(final answer || lens) on other instances
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from depthscope.core import tasks
from depthscope.core.answers import batches
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch, Encoding, collate
from depthscope.core.frontier import wilson
from depthscope.probes.instruments.exit import kl
from depthscope.probes.measuring import controls, estimate, instances as subjects, results
from depthscope.probes.measuring.progress import Count
from depthscope.probes.measuring.results import Progress
from depthscope.probes.reading import margins as reading
from depthscope.probes.reading.nodes import groups_of

FIT_INSTANCES, FIT_CELLS = 64, 6_000_000
"""Instances that a tuned lens is fitted on, fewer where their states would be more numbers than the second."""

ITERATIONS, LEARNING_RATE, VALIDATION = 120, 3e-3, 0.25
"""Of the fit; the last share of its instances says at which iteration each step's map was best."""

OWN, SHUFFLED, UNTRAINED = "own", "shuffled", "untrained"


@dataclass(frozen=True)
class Curve:
    """One lens over the steps; arrays are (T+1,).

    Attributes:
        name: "logit", "tuned", or a tuned lens as control: "shuffled" targets, "untrained" states.
        kl: Mean KL(final || lens) over the nodes read, in nats.
        low: Lower end of its 95% interval, by bootstrap over groups of instances.
        high: Upper end.
        same: Share of nodes whose sign is that of the final readout.
        answer_kl: KL at the answer alone.
    """

    name: str
    kl: np.ndarray
    low: np.ndarray
    high: np.ndarray
    same: np.ndarray
    answer_kl: np.ndarray

    def __post_init__(self) -> None:
        for name in ("low", "high", "same", "answer_kl"):
            got = getattr(self, name).shape
            if got != self.kl.shape:
                raise ValueError(f"{name} has shape {got}, but kl has shape {self.kl.shape}")


@dataclass(frozen=True)
class Lenses:
    """Both lenses of one checkpoint over N instances with M nodes that are read.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        steps: T.
        seed: Of the instances fitted on, the shuffling, the untrained model and the bootstrap.
        n: Instances.
        n_fit: Other instances that the tuned lens was fitted on.
        fit_difficulty: Their difficulties: those of the instances, up to twice the hardest that was trained on.
        curves: "logit", "tuned", "shuffled", "untrained".
        disagreement: (T+1,) share of nodes where logit and tuned lens differ in sign.
        disagreement_low: (T+1,) lower end of its 95% interval (Wilson).
        disagreement_high: (T+1,) upper end.
        instance: (M,) index of each node's instance.
        node: (M,) index of the node in it.
        logit: (T+1, M) logits of the logit lens.
        tuned: (T+1, M) logits of the tuned lens.
    """

    checkpoint: str
    sha256: str
    steps: int
    seed: int
    n: int
    n_fit: int
    fit_difficulty: tuple[int, ...]
    curves: tuple[Curve, ...]
    disagreement: np.ndarray
    disagreement_low: np.ndarray
    disagreement_high: np.ndarray
    instance: np.ndarray
    node: np.ndarray
    logit: np.ndarray
    tuned: np.ndarray

    def __post_init__(self) -> None:
        if self.logit.shape != self.tuned.shape or self.logit.shape[1:] != self.instance.shape:
            raise ValueError(f"logit has shape {self.logit.shape}, tuned {self.tuned.shape}: one a node is due")

    def curve(self, name: str) -> Curve:
        """A lens by name."""
        return next(curve for curve in self.curves if curve.name == name)


def unfit(checkpoint: Checkpoint) -> str | None:
    """Every model has a readout that can be applied to every step."""
    del checkpoint
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Lenses:
    """Fits a tuned lens on fresh instances, and looks at others through both lenses.

    Args:
        checkpoint: What runs.
        instances: To look at; none of them is fitted on.
        steps: T; None takes what the hardest of them needs.
        seed: Of the instances fitted on, the shuffling, the untrained model and the bootstrap.
        progress: Called with the steps run and iterations of the fit, and both in all; what it raises stops the work.

    Raises:
        InputError: If the checkpoint cannot read an instance, or the states would not fit in memory.

    Source:
        nostalgebraist (2020), interpreting GPT: the logit lens; Belrose et al. (2023), Eliciting Latent Predictions
        from Transformers with the Tuned Lens.
    """
    steps = reading.steps_for(checkpoint, instances, steps)
    task, model = tasks.get(checkpoint.config.task), checkpoint.model
    encodings = [task.encode(instance, checkpoint.config) for instance in instances]
    cells = (steps + 1) * sum(e.n_nodes for e in encodings) * 5
    results.refuse_over(8.0 * cells, "the lenses of these runs", "take fewer instances or steps")
    hard = 2 * subjects.trained(checkpoint)
    known = sorted({min(x.difficulty, hard) for x in instances if x.difficulty is not None})
    difficulty = tuple(int(d) for d in known) or (subjects.trained(checkpoint),)
    batch, carries = _fit_on(checkpoint, difficulty, set(instances), steps, seed)
    parts = sum(1 for _ in _parts(model, encodings, steps))
    count = Count(progress, 3 * ITERATIONS + 2 * steps * (1 + parts))
    states, blank = _states(model, batch, steps, count.more), controls.untrained(checkpoint, seed)
    target = _read(model, states[-1:], batch)[0][0].detach()  # (B, m)
    shuffled, rng = target.clone(), np.random.default_rng([seed, 5])
    where = carries if target.shape == carries.shape else torch.ones_like(target, dtype=torch.bool)
    shuffled[where] = target[where][torch.from_numpy(controls.permuted(np.arange(int(where.sum())), rng))]
    plans = ((states, target), (states, shuffled), (_states(blank, batch, steps, count.more), target))
    maps = [_fit(model, inputs, batch, aim, where, count.more) for inputs, aim in plans]
    del states, plans
    found = _look(checkpoint, blank, encodings, steps, maps, count.more)  # name to (T+1, M); answers (T+1, N)
    nodes, answers, instance, node = found
    group = groups_of(instances)
    curves = tuple(_curve(name, nodes, answers, group, instance, seed) for name in nodes)
    differs = ((nodes["logit"] > 0) != (nodes["tuned"] > 0)).sum(1)
    low, high = wilson(differs, len(instance))
    return Lenses(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        steps=steps,
        seed=seed,
        n=len(instances),
        n_fit=len(batch),
        fit_difficulty=difficulty,
        curves=curves,
        disagreement=differs / len(instance),
        disagreement_low=low,
        disagreement_high=high,
        instance=instance,
        node=node,
        logit=nodes["logit"],
        tuned=nodes["tuned"],
    )


def _curve(
    name: str,
    nodes: dict[str, np.ndarray],
    answers: dict[str, np.ndarray],
    group: np.ndarray,
    instance: np.ndarray,
    seed: int,
) -> Curve:
    """Scores of one lens against the model's own last readout."""
    lens, final = nodes[name], nodes["logit"][-1]
    mean, low, high = estimate.mean(_divergence(final, lens), group[instance], seed)
    answer = _divergence(answers["logit"][-1], answers[name]).mean(1)
    return Curve(name, mean, low, high, ((lens > 0) == (final > 0)).mean(1), answer)


def _divergence(final: np.ndarray, lens: np.ndarray) -> np.ndarray:
    """KL(final || lens) in nats, (M,) and (T+1, M) -> (T+1, M)."""
    return kl(np.stack([np.broadcast_to(final, lens.shape), lens]))[0]


def _fit_on(
    checkpoint: Checkpoint, difficulty: tuple[int, ...], seen: set[Any], steps: int, seed: int
) -> tuple[Batch, Tensor]:
    """Other instances to fit on, whole pairs of twins, and which nodes carry the concept, (B, n) bool."""
    task = tasks.get(checkpoint.config.task)
    count = max(2, FIT_INSTANCES // len(difficulty) // 2 * 2)
    drawn = subjects.draw(checkpoint, difficulty, count, seed=seed + 7919)
    encodings = [task.encode(x, checkpoint.config) for x in drawn if x not in seen]
    each = (steps + 1) * max(e.n_nodes for e in encodings) * checkpoint.model.shapes.width
    most = max(8, FIT_CELLS // each // 2 * 2)
    encodings = [encodings[i] for pair in _spread(len(encodings), most) for i in (pair, pair + 1) if i < len(encodings)]
    results.refuse_over(30.0 * each * len(encodings), "fitting a tuned lens", "run fewer steps")
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


@torch.no_grad()
def _states(model: Any, batch: Batch, steps: int, each: Callable[[], None]) -> Tensor:
    """States after 0..T steps, (T+1, B, n, d); `each` is called after every step."""
    context = model.prepare(batch)
    states = [model.initial(context)]
    for t in range(steps):
        states.append(model.step(states[-1], t, context))
        each()
    return torch.stack(states)


def _read(model: Any, states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """What is read, (S, B, n) at every node or (S, B, 1) at the answer alone; and the answer, (S, B)."""
    answer, node = model.readout(states, batch)
    return answer[..., None] if node is None else node, answer


Maps = tuple[Tensor, Tensor]
"""A (T+1, d, d) and b (T+1, d) of a tuned lens."""


def _through(states: Tensor, maps: Maps) -> Tensor:
    """H + h A[t] + b[t], (T+1, B, n, d)."""
    weight, bias = maps
    steps, b, n, d = states.shape
    return states + (states.reshape(steps, b * n, d) @ weight + bias[:, None]).reshape(states.shape)


def _fit(model: Any, states: Tensor, batch: Batch, target: Tensor, where: Tensor, each: Callable[[], None]) -> Maps:
    """The affine maps of a tuned lens, from the identity, each step's at the iteration that was best on validation.

    Args:
        model: Whose readout is used.
        states: (T+1, B, n, d).
        batch: The B instances.
        target: (B, m) final logits.
        where: (B, m) bool, which of them count.
        each: Called after every iteration.
    """
    weight = torch.zeros(len(states), states.shape[-1], states.shape[-1], device=states.device, requires_grad=True)
    bias = torch.zeros(len(states), states.shape[-1], device=states.device, requires_grad=True)
    held = torch.zeros_like(where)
    held[len(where) - max(2, int(VALIDATION * len(where)) // 2 * 2) :] = True
    aim = target.sigmoid()
    best = torch.full((len(states),), torch.inf, device=states.device)
    kept = (weight.detach().clone(), bias.detach().clone())
    optimiser = torch.optim.Adam([weight, bias], LEARNING_RATE)
    frozen = [(p, p.requires_grad) for p in model.parameters()]
    for parameter, _ in frozen:
        parameter.requires_grad_(False)
    try:
        for _ in range(ITERATIONS):
            logit = _read(model, _through(states, (weight, bias)), batch)[0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, aim.expand_as(logit), reduction="none")
            with torch.no_grad():
                score = loss[:, where & held].mean(1)
                better = score < best
                best = torch.where(better, score, best)
                for store, now in zip(kept, (weight, bias), strict=True):
                    store[better] = now.detach()[better]
            optimiser.zero_grad()
            loss[:, where & ~held].mean(1).sum().backward()
            optimiser.step()
            each()
    finally:
        for parameter, had in frozen:
            parameter.requires_grad_(had)
    return kept


@torch.inference_mode()
def _look(
    checkpoint: Checkpoint,
    blank: Any,
    encodings: list[Encoding],
    steps: int,
    maps: list[Maps],
    each: Callable[[], None],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Logits of every lens at the nodes (T+1, M) and at the answers (T+1, N); instance and index of each node."""
    model = checkpoint.model
    kept: list[dict[str, np.ndarray]] = [{} for _ in encodings]
    answers = {name: np.empty((steps + 1, len(encodings))) for name in ("logit", "tuned", SHUFFLED, UNTRAINED)}
    own, shuffled, fresh = maps
    where: list[np.ndarray] = [np.empty(0)] * len(encodings)
    for index in _parts(model, encodings, steps):
        batch = collate([encodings[i] for i in index]).to(next(model.parameters()).device)
        states, idle = (_states(x, batch, steps, each) for x in (model, blank))
        seen = {
            "logit": states,
            "tuned": _through(states, own),
            SHUFFLED: _through(states, shuffled),
            UNTRAINED: _through(idle, fresh),
        }
        for name, inputs in seen.items():
            logit, answer = (x.double().cpu().numpy() for x in _read(model, inputs, batch))
            answers[name][:, index] = answer
            for row, i in enumerate(index):
                everywhere = logit.shape[2] > 1 or encodings[i].n_nodes == 1
                where[i] = np.flatnonzero(encodings[i].carries) if everywhere else np.array([encodings[i].answer])
                kept[i][name] = logit[:, row, where[i]] if everywhere else logit[:, row]
    nodes = {name: np.concatenate([x[name] for x in kept], axis=1) for name in answers}
    return nodes, answers, np.repeat(np.arange(len(where)), [len(x) for x in where]), np.concatenate(where)


def _parts(model: Any, encodings: list[Encoding], steps: int) -> Iterator[np.ndarray]:
    """Indices of the instances, in batches of which all steps are held at once."""
    return batches(encodings, model.shapes.width * (steps + 1), model.shapes.heads)


def table(result: Lenses) -> str:
    """Divergence from the final readout at every step, the controls beside it."""
    out = [
        f"{result.checkpoint}: {result.n} instances with {len(result.node)} readouts, T = {result.steps}; tuned lens "
        f"fitted on {result.n_fit} others of difficulty {', '.join(map(str, result.fit_difficulty))}",
        "KL(final || lens) in nats over all nodes; same: share with the final sign",
        "",
        f"{'t':>4}{'logit':>9}{'95% interval':>17}{'tuned':>9}{'95% interval':>17}{'shuffled':>10}{'untrained':>11}"
        f"{'same: logit':>13}{'tuned':>8}{'differ':>9}{'95% interval':>17}",
    ]
    logit, tuned, shuffled, fresh = (result.curve(name) for name in ("logit", "tuned", SHUFFLED, UNTRAINED))
    for t in range(result.steps + 1):
        spans = [f"[{curve.low[t]:.3f}, {curve.high[t]:.3f}]" for curve in (logit, tuned)]
        differ = f"[{result.disagreement_low[t]:.3f}, {result.disagreement_high[t]:.3f}]"
        out.append(
            f"{t:>4}{logit.kl[t]:>9.3f}{spans[0]:>17}{tuned.kl[t]:>9.3f}{spans[1]:>17}{shuffled.kl[t]:>10.3f}"
            f"{fresh.kl[t]:>11.3f}{logit.same[t]:>13.3f}{tuned.same[t]:>8.3f}{result.disagreement[t]:>9.3f}{differ:>17}"
        )
    return "\n".join(out)
