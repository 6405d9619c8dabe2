"""Time of a recording that keeps everything, against the bare forward pass and against hooks.

    python -m benchmarks.speed.capture [--rounds 200] [--json]

The bare pass uses the fused attention kernel and keeps nothing. Hooks are PyTorch's own, and nnsight's where it is
installed (`pip install -e '.[compare]'`); they keep the same: the state, the attention weights and the mean gate of
every step, and all steps read out. All run on the same batch in turn, one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.figure import Figure, in_turn, main, ratio
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Batch
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.tasks.graph import generate as graph_data
from depthscope.core.trace import Record, run

STEPS, NODES, WIDTH, HEADS = 32, 32, 128, 4


def subject(instances: int) -> tuple[DepthRecurrentTransformer, Batch]:
    """A model and a batch of audited graphs with 12 hops."""
    count = instances + instances % 2
    drawn = graph_data.draw(np.random.default_rng(0), np.full(count, 12), "audited", np.full(count, NODES))
    model = DepthRecurrentTransformer(ModelConfig("graph", 2, WIDTH, HEADS, 2 * WIDTH)).eval()
    return model, graph_data.lesson(drawn, named=False).take(torch.arange(instances)).batch


@torch.inference_mode()
def bare(model: DepthRecurrentTransformer, batch: Batch) -> None:
    """The answer after the last step, and nothing kept."""
    model(batch, STEPS)


def weights_of(qkv: Tensor, bias: Tensor | None) -> Tensor:
    """Attention weights (B, heads, n, n) from what the block's projection gave, (B, n, 3d): hooks do not see them."""
    b, n, _ = qkv.shape
    q, k, _ = qkv.view(b, n, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
    scores = q @ k.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5
    return torch.softmax(scores if bias is None else scores + bias, dim=-1)


def _assembled(
    model: DepthRecurrentTransformer, batch: Batch, states: list[Tensor], qkvs: list[Tensor], gates: list[Tensor]
) -> Record:
    """A recording made of what hooks caught, step by step."""
    bias = model.attention_bias(batch)
    hidden = torch.stack([model.embed(batch), *states])
    logits, readout = model.readout(hidden, batch)
    attention = torch.stack([weights_of(qkv, bias) for qkv in qkvs])
    return Record(hidden, attention, torch.stack([torch.sigmoid(z).mean(-1) for z in gates]), readout, logits)


@torch.inference_mode()
def by_hooks(model: DepthRecurrentTransformer, batch: Batch) -> Record:
    """The same recording by forward hooks on the block, its projection and its gate."""
    caught: dict[str, list[Tensor]] = {"block": [], "qkv": [], "gate": []}
    block = model.block
    if block.gate is None:
        raise ValueError("the benchmark's model has a gate")
    modules: dict[str, torch.nn.Module] = {"block": block, "qkv": block.qkv, "gate": block.gate}

    def catch(name: str) -> Callable[[torch.nn.Module, Any, Tensor], None]:
        return lambda _module, _inputs, output: caught[name].append(output)

    handles = [module.register_forward_hook(catch(name)) for name, module in modules.items()]
    try:
        model(batch, STEPS)
    finally:
        for handle in handles:
            handle.remove()
    return _assembled(model, batch, caught["block"], caught["qkv"], caught["gate"])


def nnsight_way(model: DepthRecurrentTransformer) -> Callable[[Batch], Record] | None:
    """The same recording by nnsight; None where it is not installed."""
    if find_spec("nnsight") is None:
        return None
    from nnsight import NNsight  # pyright: ignore[reportMissingImports]

    wrapped = NNsight(model)

    @torch.inference_mode()
    def record(batch: Batch) -> Record:
        states, qkvs, gates = [], [], []
        with wrapped.trace(batch, STEPS) as tracer:
            for _ in tracer.iter[0:STEPS]:
                qkvs.append(wrapped.block.qkv.output.save())
                gates.append(wrapped.block.gate.output.save())
                states.append(wrapped.block.output.save())
        return _assembled(model, batch, states, qkvs, gates)

    return record


def differs(one: Record, other: Record) -> float:
    """Greatest difference between two recordings, over all that they hold."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in vars(one)]
    return max(float((a - b).abs().max()) for a, b in pairs if a is not None)


def measure(rounds: int) -> Sequence[Figure]:
    """Three ratios for one instance and for 64."""
    figures = []
    for instances in (1, 64):
        model, batch = subject(instances)
        ways: dict[str, Callable[[], Any]] = {
            "bare": lambda m=model, b=batch: bare(m, b),
            "capture": lambda m=model, b=batch: run(m, b, STEPS),
            "hooks": lambda m=model, b=batch: by_hooks(m, b),
        }
        other = nnsight_way(model)
        if other is not None:
            ways["nnsight"] = lambda w=other, b=batch: w(b)
        ours = run(model, batch, STEPS)
        gap = {name: differs(ours, ways[name]()) for name in ways if name not in ("bare", "capture")}
        took = in_turn(ways, rounds if instances == 1 else max(12, rounds // 5), warm=3)
        size = f"B={instances}"
        figures.append(ratio(f"capture over the bare pass, {size}", took, "capture", "bare", "less", 1.07))
        for name, title in {"hooks": "PyTorch hooks", "nnsight": "nnsight"}.items():
            if name in ways:
                same = f"equal to {gap[name]:.0e}"
                figures.append(ratio(f"{title} over capture, {size}", took, name, "capture", "more", 1.0, same))
    return figures


if __name__ == "__main__":
    main(measure, __doc__, 200)
