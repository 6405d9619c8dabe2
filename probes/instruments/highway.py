"""The gradient highway: how much of the loss's gradient is left t steps before the end, trained and at the start.

    |dL/dh[t]| over t = T..0, L the cross-entropy of the answer after step T (silent thinking)

For the checkpoint, for the network that training starts from, for that network with every mechanism switched off in
turn, and for checkpoints that were trained so. Gradients run through all T steps, however many: `probes.maths.pullback`
holds one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from depthscope.core import checkpoint as stored
from depthscope.core.answers import batches
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import collate
from depthscope.core.errors import InputError
from depthscope.probes.instrument import Bench, instrument, option, refuse_unlabelled
from depthscope.probes.maths.pullback import pulled_back, states_of
from depthscope.probes.measuring import controls
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

LEAST_STEPS = 20
"""T where none is asked for and the instances need fewer: a highway shows over many steps."""

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
    """Gradients of one network (or several of a kind); arrays are (T+1,), index t = 0..T.

    Attributes:
        title: Which network.
        size: Geometric mean of |dL/dh[t]| over instances.
        ratio: Mean of log10(|dL/dh[t]| / |dL/dh[T]|) over instances; 0 is a highway, below it gradients vanish.
        factor: What one step back does to the gradient on average, (|dL/dh[0]| / |dL/dh[T]|) ** (1 / T).
        factor_least: Least of the networks of different seeds; the factor itself for one network.
        factor_most: Greatest.
        sha256s: Of the weights of the trained networks it is the mean of, one each; none for untrained ones.
    """

    title: str
    size: np.ndarray
    ratio: Estimate
    factor: Estimate
    factor_least: float
    factor_most: float
    sha256s: tuple[str, ...]

    def __post_init__(self) -> None:
        check_shapes(self, self.size.shape, "ratio")


@dataclass(frozen=True)
class HighwayScores(Result):
    """Gradient highways of one checkpoint.

    Attributes:
        seeds: Untrained networks of each kind.
        n: Instances.
        networks: "trained", "untrained", and "untrained, no ..." for each mechanism that the checkpoint has; then
            "trained, no ..." for those of other checkpoints, several of one kind together.
        absent: Mechanisms that it does not have, so that there is nothing to switch off.
    """

    seeds: int
    n: int
    networks: tuple[Highway, ...]
    absent: tuple[str, ...]

    def table(self) -> str:
        """A line a network: the factor of a step, and what is left on the way back."""
        back = [t for t in (1, 5, 10, 20, 40) if t < self.steps] + [self.steps]
        lines = [
            f"{self.checkpoint}: {self.n} instances, {self.steps} steps, {self.seeds} untrained networks of a kind",
            f"{'':>32}{'factor of a step':>24}{'over seeds':>16}{'|dL/dh[T]|':>12}"
            + "".join(f"{f'T-{t}':>8}" for t in back)
            + "   log10 of the ratio to T",
        ]
        for way in self.networks:
            spread = "" if len(way.sha256s) == 1 else f"{way.factor_least:.3f}-{way.factor_most:.3f}"
            ratios = "".join(f"{way.ratio.value[self.steps - t]:+8.2f}" for t in back)
            lines.append(f"{way.title:>32}{f'{way.factor}':>24}{spread:>16}{way.size[-1]:12.2g}{ratios}")
        return "\n".join(lines + [f"not in this checkpoint: {', '.join(self.absent)}"] * bool(self.absent))


@dataclass(frozen=True)
class Options:
    """Of the command."""

    seeds: int = option(3, "untrained networks of each kind (default 3)", type=int)
    trained: Sequence[str] | None = option(None, "checkpoints trained with a mechanism off", nargs="+", metavar="DIR")


@instrument(
    "how much of the gradient is left after many steps back, trained and at the start", options=Options, instances=16
)
def measure(bench: Bench, options: Options) -> HighwayScores:
    """Takes the gradient of the answer's loss at every step, in each network; T is 20 at least, if none is requested.

    The networks of `options.trained` were trained with mechanisms off, or on that this one does not have; the rest of
    their architecture is the same.
    """
    if not 1 <= options.seeds <= 100:
        raise InputError(f"seeds should be from 1 to 100 (got {options.seeds})")
    bench = bench.for_all()
    if bench.requested is None:
        bench = bench.with_steps(max(LEAST_STEPS, bench.steps))
    _refuse(bench)
    others = _others(bench.checkpoint, options.trained or ())
    switched, absent = mechanisms(bench.checkpoint)
    bench.expect(1 + options.seeds * (1 + len(switched)) + sum(map(len, others.values())))
    networks = [way(bench, "trained", [bench.model], (bench.checkpoint.sha256,))]
    for title, changes in {"untrained": {}, **{f"untrained, no {name}": OFF[name] for name in switched}}.items():
        varied = replace(bench.checkpoint, config=replace(bench.checkpoint.config, **changes))
        seeds = range(bench.seed, bench.seed + options.seeds)
        networks.append(way(bench, title, (controls.untrained(varied, seed) for seed in seeds)))
    for title, kind in others.items():
        networks.append(way(bench, title, (one.model for one in kind), tuple(one.sha256 for one in kind)))
    return HighwayScores(
        **bench.header, seeds=options.seeds, n=len(bench.instances), networks=tuple(networks), absent=tuple(absent)
    )


def _refuse(bench: Bench) -> None:
    """Refuses instances without a label, and what would not fit in memory."""
    refuse_unlabelled(bench.instances)
    largest = max(len(part) * max(bench.encodings[i].n_nodes for i in part) for part in _batches(bench))
    size = 4 * largest * bench.model.shapes.width * (bench.steps + 40)
    bench.reserve(size, f"gradients at {bench.steps} steps", "run fewer steps or smaller inputs")


def _batches(bench: Bench) -> Iterable[np.ndarray]:
    return batches(bench.encodings, bench.model.shapes.width, max(1, bench.model.shapes.heads))


def mechanisms(checkpoint: Checkpoint) -> tuple[list[str], list[str]]:
    """The mechanisms that can be switched off in a checkpoint, and those that it does not have."""
    ours = checkpoint.model.shapes.edits_attention
    has = [name for name, changes in OFF.items() if ours and replace(checkpoint.config, **changes) != checkpoint.config]
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
    config, others = asdict(checkpoint.config), {}
    free = {name for changes in OFF.values() for name in changes}
    device = str(next(checkpoint.model.parameters()).device)
    for name in names:
        opened = stored.load(name, device)
        differs = [k for k, value in asdict(opened.config).items() if k not in free and value != config[k]]
        if opened.kind != checkpoint.kind:
            differs.append("kind")
        if differs:
            raise InputError(
                f"{opened.name} differs from {checkpoint.name} in {', '.join(differs)}, not in mechanisms alone, so "
                "that their gradients cannot be set side by side"
            )
        others.setdefault(f"trained, {difference(checkpoint.config, opened.config)}", []).append(opened)
    return others


def difference(config: ModelConfig, other: ModelConfig) -> str:
    """In words, which mechanisms another network lacks, or has besides."""
    words = []
    for name, changes in (OFF | NOISE).items():
        mine, its = (replace(c, **changes) != c for c in (config, other))
        if name in NOISE and not (config.state_norm and other.state_norm):
            continue  # it has no scale without the norm
        if mine != its:
            words.append(f"no {name}" if mine else f"with {name}")
    return ", ".join(words) or "same mechanisms"


def way(bench: Bench, title: str, models: Iterable[Any], sha256s: tuple[str, ...] = ()) -> Highway:
    """Gradients of one network, or of several of a kind: their mean first, so that instances stay the unit."""
    logs = np.stack([_gradients(bench, model) for model in models])  # (networks, T+1, N)
    with np.errstate(invalid="ignore"):
        ratio = (logs - logs[:, -1:]) / np.log(10)
    of_step = lambda x: 10 ** (x / bench.steps)  # noqa: E731
    mean, each = bench.mean(ratio.mean(0)), of_step(ratio[:, 0].mean(1))
    first = mean[0]
    return Highway(
        title=title,
        size=np.exp(bench.mean(logs.mean(0)).value),
        ratio=mean,
        factor=Estimate(of_step(first.value), of_step(first.low), of_step(first.high), first.n),
        factor_least=float(each.min()),
        factor_most=float(each.max()),
        sha256s=sha256s,
    )


def _gradients(bench: Bench, model: Any) -> np.ndarray:
    """Natural logarithm of |dL/dh[t]|, (T+1, N) float64; -inf where there is none."""
    label = np.array([instance.label for instance in bench.instances], dtype=np.float32)
    device, out = next(model.parameters()).device, np.empty((bench.steps + 1, len(bench.instances)))
    for index in _batches(bench):
        batch = collate([bench.encodings[i] for i in index]).to(device)
        with torch.no_grad():
            context = model.prepare(batch)
        states = states_of(model, context, bench.steps)
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
    bench.tick()
    return out
