"""What is read at every node after every step, beside what the oracle says: shared by instruments of waves and sets.

A margin is the log-odds that a node's concept has the value that the oracle gives it once it is true: "reached" for
every node of a graph, the subformula's value, the person's offset. It is read by the model's own readout of nodes, or
by the probes stored with the checkpoint. Where a node carries no concept it is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NOTHING, Batch, Encoding
from depthscope.core.errors import InputError
from depthscope.core.model import read_out
from depthscope.core.tasks import concepts
from depthscope.probes.instrument import Bench, option
from depthscope.probes.maths.movement import stays_from
from depthscope.probes.reading import linear_probe, nodes as sample
from depthscope.probes.reading.linear_probe import LinearProbe
from depthscope.probes.reading.nodes import FIT

READOUT, PROBE = "readout", "probe"
READERS = (READOUT, PROBE)


def unfit(checkpoint: Checkpoint) -> str | None:
    """Why nothing can be read at the nodes of a checkpoint; None if something can."""
    if checkpoint.config.reads_nodes or linear_probe.load(checkpoint) is not None:
        return None
    return "it reads out one answer and no node, and no probes are stored with it"


def reader_of(checkpoint: Checkpoint, wanted: str | None) -> str:
    """Who reads: whom somebody wants, or else the readout where the model has one at every node.

    Raises:
        InputError: If the checkpoint has no such reader.
    """
    reader = wanted or (READOUT if checkpoint.config.reads_nodes else PROBE)
    if reader not in READERS:
        raise InputError(f"a reader is one of {', '.join(READERS)} (got {reader!r:.40})")
    if reader == READOUT and not checkpoint.config.reads_nodes:
        raise InputError(f"{checkpoint.name} reads out one answer and no node; take --reader probe")
    if reader == PROBE and linear_probe.load(checkpoint) is None:
        raise InputError(
            f"no probes are stored with {checkpoint.name}; fit them with: depthscope probe fit, where it can"
        )
    return reader


@dataclass(frozen=True)
class ByReader:
    """The option of instruments that read the nodes."""

    reader: str | None = option(None, "who reads (default: the readout, if any)", choices=READERS)


@dataclass(frozen=True)
class Reader:
    """Who reads the nodes of a network.

    Attributes:
        name: READOUT or PROBE.
        model: The network that runs.
        probe: Reads its states; None where the model has a readout of nodes.
    """

    name: str
    model: Any
    probe: LinearProbe | None

    @classmethod
    def of(cls, bench: Bench, wanted: str | None) -> Reader:
        """Who reads the checkpoint's own network.

        Raises:
            InputError: If it has no such reader.
        """
        name = reader_of(bench.checkpoint, wanted)
        return cls(name, bench.model, linear_probe.load(bench.checkpoint) if name == PROBE else None)

    def untrained(self, bench: Bench) -> Reader:
        """Who reads the untrained network in the same way: probes are fitted to that one's states."""
        fitted = None if self.probe is None else probe_of(bench.checkpoint, bench.untrained, bench.seed)
        return Reader(self.name, bench.untrained, fitted)


@torch.inference_mode()
def margins(bench: Bench, reader: Reader, against: Sequence[Encoding] | None = None) -> list[np.ndarray]:
    """The margins of all instances after 0..T steps, N arrays (T+1, n).

    Args:
        bench: What runs.
        reader: Who reads.
        against: The encodings whose oracle is asked, (N,); None: the bench's own.
    """
    truth = bench.encodings if against is None else against
    margins = [np.empty((bench.steps + 1, e.n_nodes)) for e in bench.encodings]
    value = torch.empty(0)
    for now in bench.rollout(reader.model):
        if now.t == 0:
            value = torch.full((len(now.index), now.batch.n_nodes), NOTHING, dtype=torch.int64)
            for row, i in enumerate(now.index):
                value[row, : truth[i].n_nodes] = torch.from_numpy(np.asarray(truth[i].value, dtype=np.int64))
            value = value.to(now.state.device)
        margin = _margin(reader.model, now.state, now.batch, value, reader.probe, now.t).double().cpu().numpy()
        for row, i in enumerate(now.index):
            margins[i][now.t] = margin[row, : bench.encodings[i].n_nodes]
    return margins


def bytes_of_margins(encodings: Sequence[Encoding], steps: int) -> float:
    """What the margins of some runs take."""
    return 8.0 * (steps + 1) * sum(e.n_nodes for e in encodings)


def bytes_of_fit(checkpoint: Checkpoint) -> float:
    """What fitting probes to another model takes: the states of all steps, and one step's in float64 thrice."""
    return (4.0 * (linear_probe.STEPS + 1) + 24) * sample.MAX_NODES * checkpoint.model.shapes.width


def probe_of(checkpoint: Checkpoint, model: Any, seed: int) -> LinearProbe:
    """Probes of another model, fitted on the nodes that the checkpoint's own would be fitted on; not scored."""
    subject = concepts.concept_for(checkpoint.config)
    nodes = sample.draw(checkpoint, subject, linear_probe.STEPS, linear_probe.default_instances(checkpoint), seed)
    nodes = nodes.take(nodes.purpose == FIT)
    hidden = sample.states(model, nodes, linear_probe.STEPS)
    return linear_probe.fit_steps(hidden, nodes.truth, subject.name, values=subject.values)


def _margin(model: Any, state: Tensor, batch: Batch, value: Tensor, probe: LinearProbe | None, t: int) -> Tensor:
    """Log-odds of the oracle's value at every node after step t, (B, n, d) -> (B, n)."""
    if probe is None:
        if getattr(model.config, "tells_classes", False):
            task = tasks.get(model.config.task)
            return log_odds(model.concept(state, batch), value - task.lowest, task.has_class(value))
        logit = read_out(model, state, batch)[1]
        assert logit is not None
    else:
        weight, bias = (torch.from_numpy(np.asarray(x)).to(state.device) for x in probe.at(t))
        logit = state.double() @ weight.t() + bias  # (B, n) or (B, n, K): t() leaves a vector as it is
        if probe.values:
            same = value[..., None] == torch.tensor(probe.values, device=value.device)
            return log_odds(logit, same.long().argmax(-1), same.any(-1))
    return torch.where(value == NOTHING, torch.nan, torch.where(value == 1, logit, -logit).double())


def log_odds(classes: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Log-odds of one class of each node against all others, (B, n, K) -> (B, n); NaN where it is not known."""
    share = classes.double().log_softmax(-1)
    own = share.gather(-1, wanted.clamp(0, classes.shape[-1] - 1)[..., None])[..., 0]
    others = torch.log((-torch.expm1(own)).clamp(min=1e-300))
    return torch.where(known, own - others, torch.nan)


def arrival(margin: np.ndarray, threshold: float = 0.9) -> np.ndarray:
    """First step from which a node is read right with a probability that stays at a threshold or above.

    Args:
        margin: (T+1, n) log-odds; NaN is below.
        threshold: In (0, 1).

    Returns:
        (n,) int64, 0..T; -1 where it does not.

    Raises:
        InputError: If the threshold is outside (0, 1).
    """
    if not 0 < threshold < 1:
        raise InputError(f"the threshold should lie between 0 and 1 (got {threshold})")
    first = stays_from(margin >= np.log(threshold / (1 - threshold)))
    return np.where(first == len(margin), -1, first)


def orders(bench: Bench) -> list[dict[str, np.ndarray]]:
    """In which order a wave could reach each instance's nodes: name to how far each is, (n,) int64, -1 where not."""
    config = bench.checkpoint.config
    order = tasks.get(config.task).reading.orders
    return [order(x, encoding, config) for x, encoding in zip(bench.instances, bench.encodings, strict=True)]
