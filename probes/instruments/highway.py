"""The gradient highway: how much of the loss's gradient is left t steps before the end, trained and at the start.

    |dL/dh[t]| over t = T..0, L the cross-entropy of the answer after step T (silent thinking)

For the checkpoint, for the network that training starts from, for that network with every mechanism switched off in
turn, and for checkpoints that were trained so. Gradients run through all T steps, however many: `probes.maths.pullback`
holds one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from depthscope.core import checkpoint as stored, tasks
from depthscope.core.answers import batches
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.probes.maths.pullback import pulled_back, states_of
from depthscope.probes.measuring import controls, estimate
from depthscope.probes.measuring.results import Progress, refuse_over, steps_for
from depthscope.probes.reading.nodes import groups_of

LEAST_STEPS = 20
"""T where none is asked for and the instances need fewer: a highway shows over many steps."""

SEEDS = 3
"""Untrained networks of each kind."""

OFF: dict[str, dict[str, Any]] = {
    "LayerScale": {"layer_scale": None},
    "gate": {"gate_bias": None},
    "recall": {"recall": False},
    "state norm": {"state_norm": False, "state_noise": 0.0},
    "depth embedding": {"depth_embedding": 0},
}
"""The mechanisms, and what switches them off."""

NOISE = {"state noise": {"state_noise": 0.0}}
"""What a network may have been trained without, and does not have once it is trained."""

MAX_TRAINED = 100


@dataclass(frozen=True)
class Highway:
    """Gradients of one network (or several untrained ones); arrays are (T+1,), index t = 0..T.

    Attributes:
        title: Which network.
        size: Geometric mean of |dL/dh[t]| over instances.
        ratio: Mean of log10(|dL/dh[t]| / |dL/dh[T]|) over instances; 0 is a highway, below it gradients vanish.
        low: Lower end of its 95% interval, by bootstrap over groups of instances.
        high: Upper end.
        factor: What one step back does to the gradient on average, (|dL/dh[0]| / |dL/dh[T]|) ** (1 / T).
        factor_low: Lower end of its 95% interval.
        factor_high: Upper end.
        factor_least: Least of the networks of different seeds; the factor itself for one network.
        factor_most: Greatest.
        sha256s: Of the weights of the trained networks it is the mean of, one each; none for untrained ones.
    """

    title: str
    size: np.ndarray
    ratio: np.ndarray
    low: np.ndarray
    high: np.ndarray
    factor: float
    factor_low: float
    factor_high: float
    factor_least: float
    factor_most: float
    sha256s: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("ratio", "low", "high"):
            got = getattr(self, name).shape
            if got != self.size.shape:
                raise ValueError(f"{name} has shape {got}, but size has shape {self.size.shape}")


@dataclass(frozen=True)
class HighwayScores:
    """Gradient highways of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of the first untrained network, and of the bootstrap.
        seeds: Untrained networks of each kind.
        steps: T.
        n: Instances.
        networks: "trained", "untrained", and "untrained, no ..." for each mechanism that the checkpoint has; then
            "trained, no ..." for those of other checkpoints, several of one kind together.
        absent: Mechanisms that it does not have, so that there is nothing to switch off.
    """

    checkpoint: str
    sha256: str
    seed: int
    seeds: int
    steps: int
    n: int
    networks: tuple[Highway, ...]
    absent: tuple[str, ...]


def unfit(checkpoint: Checkpoint) -> str | None:
    """None: every model has a step to differentiate."""
    del checkpoint
    return None


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    seeds: int = SEEDS,
    switch_off: bool = True,
    trained: Sequence[str] | None = None,
) -> HighwayScores:
    """Takes the gradient of the answer's loss at every step, in each network.

    Args:
        checkpoint: Its model is the trained one.
        instances: Of its task, each with a label.
        steps: T; None takes what the instances need, 20 at least.
        seed: Of the first untrained network, and of the bootstrap.
        progress: Called with the passes done and in all; what it raises stops the work.
        seeds: Untrained networks of each kind.
        switch_off: Whether mechanisms are switched off in turn as well.
        trained: Names or folders of checkpoints that were trained with mechanisms off, or on that this one does not
            have; the rest of their architecture is the same.

    Raises:
        InputError: If an instance has no label, the checkpoint cannot read one, another checkpoint is not there or of
            another architecture, or it would take too much memory.
    """
    if not 1 <= seeds <= 100:
        raise InputError(f"seeds should be from 1 to 100 (got {seeds})")
    if any(instance.label is None for instance in instances):
        raise InputError("an instance has no answer, so that there is no loss to differentiate")
    steps = max(LEAST_STEPS, steps_for(checkpoint, instances, None)) if steps is None else steps
    steps = steps_for(checkpoint, instances, steps)
    task = tasks.get(checkpoint.config.task)
    encodings = [task.encode(instance, checkpoint.config) for instance in instances]
    label = np.array([instance.label for instance in instances], dtype=np.float32)
    shapes = checkpoint.model.shapes
    parts = list(batches(encodings, shapes.width, max(1, shapes.heads)))
    held = max(len(part) * max(encodings[i].n_nodes for i in part) for part in parts)
    refuse_over(
        4 * held * shapes.width * (steps + 40), f"gradients at {steps} steps", "run fewer steps or smaller inputs"
    )
    others = _others(checkpoint, trained or ())
    group = groups_of(instances)
    switched, absent = mechanisms(checkpoint) if switch_off else ([], [])
    plans = {"trained": None, "untrained": {}} | {f"untrained, no {name}": OFF[name] for name in switched}
    networks = {title: _networks(checkpoint, changes, seed, seeds) for title, changes in plans.items()}
    networks |= {title: (opened.model for opened in kind) for title, kind in others.items()}
    known = {"trained": (checkpoint.sha256,)} | {k: tuple(x.sha256 for x in kind) for k, kind in others.items()}
    total, done, found = 1 + seeds * (len(plans) - 1) + sum(map(len, others.values())), 0, []
    for title, models in networks.items():
        runs = []
        for model in models:
            runs.append(_gradients(model, encodings, label, parts, steps))
            done += 1
            if progress is not None:
                progress(done, total)
        found.append(_highway(title, np.stack(runs), group, seed, known.get(title, ())))
    return HighwayScores(
        checkpoint.name, checkpoint.sha256, seed, seeds, steps, len(instances), tuple(found), tuple(absent)
    )


def mechanisms(checkpoint: Checkpoint) -> tuple[list[str], list[str]]:
    """The mechanisms that can be switched off in a checkpoint, and those that it does not have."""
    ours = isinstance(checkpoint.model, DepthRecurrentTransformer)
    has = [name for name, changes in OFF.items() if ours and _changed(checkpoint.config, changes) != checkpoint.config]
    if checkpoint.kind == "fixed-depth" and "depth embedding" in has:
        has.remove("depth embedding")  # there it is the number of blocks
    return has, [name for name in OFF if name not in has]


def _others(checkpoint: Checkpoint, names: Sequence[str]) -> dict[str, list[Checkpoint]]:
    """Other trained checkpoints by what they have or lack; those of one kind together.

    Raises:
        InputError: If there are too many, or one differs in more than its mechanisms.
    """
    if len(names) > MAX_TRAINED:
        raise InputError(f"at most {MAX_TRAINED} trained checkpoints are compared (got {len(names)})")
    own, found = asdict(checkpoint.config), {}
    free = {name for changes in OFF.values() for name in changes}
    device = str(next(checkpoint.model.parameters()).device)
    for name in names:
        opened = stored.load(name, device)
        differs = [k for k, value in asdict(opened.config).items() if k not in free and value != own[k]]
        if opened.kind != checkpoint.kind:
            differs.append("kind")
        if differs:
            raise InputError(
                f"{opened.name} differs from {checkpoint.name} in {', '.join(differs)}, not in mechanisms alone, so "
                "that their gradients cannot be set side by side"
            )
        found.setdefault(f"trained, {difference(checkpoint.config, opened.config)}", []).append(opened)
    return found


def difference(config: ModelConfig, other: ModelConfig) -> str:
    """In words, which mechanisms another network lacks, or has besides."""
    words = []
    for name, changes in (OFF | NOISE).items():
        mine, its = (_changed(c, changes) != c for c in (config, other))
        if name in NOISE and not (config.state_norm and other.state_norm):
            continue  # it has no scale without the norm
        if mine != its:
            words.append(f"no {name}" if mine else f"with {name}")
    return ", ".join(words) or "same mechanisms"


def _changed(config: ModelConfig, changes: dict[str, Any]) -> ModelConfig:
    return replace(config, **changes)


def _networks(checkpoint: Checkpoint, changes: dict[str, Any] | None, seed: int, seeds: int) -> Iterator[Any]:
    """The checkpoint's own model for None, else untrained ones with some settings changed."""
    if changes is None:
        yield checkpoint.model
        return
    varied = replace(checkpoint, config=_changed(checkpoint.config, changes)) if changes else checkpoint
    for i in range(seeds):
        yield controls.untrained(varied, seed + i)


def _gradients(
    model: Any, encodings: Sequence[Encoding], label: np.ndarray, parts: Sequence[np.ndarray], steps: int
) -> np.ndarray:
    """Natural logarithm of |dL/dh[t]|, (T+1, N) float64; -inf where there is none."""
    device, out = next(model.parameters()).device, np.empty((steps + 1, len(encodings)))
    for index in parts:
        batch = collate([encodings[i] for i in index]).to(device)
        with torch.no_grad():
            context = model.prepare(batch)
        states = states_of(model, context, steps)
        with torch.enable_grad():
            last = states[-1].detach().clone().requires_grad_()
            logit = model.readout(last, batch)[0]
            (start,) = torch.autograd.grad(logit.sum(), last)
        # the loss's share is put in as a logarithm: in a model that is sure it would be 0 in float32
        sign = torch.from_numpy(2 * label[index] - 1).to(logit)
        share = torch.nn.functional.logsigmoid(-(sign * logit.detach()).double())  # log |sigmoid(r) - y|
        for t, pulled, scale in pulled_back(model, context, states, start):
            norm = pulled.double().square().sum((1, 2)).sqrt()
            out[t, index] = (norm.log() + scale + share).cpu().numpy()
    return out


def _highway(title: str, logs: np.ndarray, group: np.ndarray, seed: int, sha256s: tuple[str, ...]) -> Highway:
    """Means over instances, from (networks, T+1, N) logarithms; networks first, so that instances stay the unit."""
    steps = logs.shape[1] - 1
    with np.errstate(invalid="ignore"):
        ratio = (logs - logs[:, -1:]) / np.log(10)
    size = estimate.mean(logs.mean(0), group, seed).value
    value, low, high = estimate.mean(ratio.mean(0), group, seed)
    each = 10 ** (ratio[:, 0].mean(1) / steps)
    factor, least, most = (float(10 ** (x[0] / steps)) for x in (value, low, high))
    return Highway(
        title=title,
        size=np.exp(size),
        ratio=value,
        low=low,
        high=high,
        factor=factor,
        factor_low=least,
        factor_high=most,
        factor_least=float(each.min()),
        factor_most=float(each.max()),
        sha256s=sha256s,
    )


def table(result: HighwayScores) -> str:
    """A line a network: the factor of a step, and what is left on the way back."""
    back = [t for t in (1, 5, 10, 20, 40) if t < result.steps] + [result.steps]
    lines = [
        f"{result.checkpoint}: {result.n} instances, {result.steps} steps, {result.seeds} untrained networks of a kind",
        f"{'':>32}{'factor of a step':>24}{'over seeds':>16}{'|dL/dh[T]|':>12}"
        + "".join(f"{f'T-{t}':>8}" for t in back)
        + "   log10 of the ratio to T",
    ]
    for way in result.networks:
        factor = f"{way.factor:.3f} [{way.factor_low:.3f}, {way.factor_high:.3f}]"
        spread = "" if len(way.sha256s) == 1 else f"{way.factor_least:.3f}-{way.factor_most:.3f}"
        ratios = "".join(f"{way.ratio[result.steps - t]:+8.2f}" for t in back)
        lines.append(f"{way.title:>32}{factor:>24}{spread:>16}{way.size[-1]:12.2g}{ratios}")
    if result.absent:
        lines.append(f"not in this checkpoint: {', '.join(result.absent)}")
    return "\n".join(lines)
