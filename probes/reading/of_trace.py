"""What can be read at every node of one trace: the model's own readout and the probes stored with its checkpoint."""

from __future__ import annotations

import numpy as np
import torch

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, collate
from depthscope.core.errors import InputError
from depthscope.core.trace import Trace
from depthscope.probes.reading import linear_probe


def readings(checkpoint: Checkpoint, trace: Trace) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Readings of a trace by name, (T+1, n) probabilities each, NaN where a node has none; notes on what is missing.

    The one that shows the wave whatever is asked comes first: the offset that the facts give, or the model's readout.
    """
    values, notes = readout_of_classes(checkpoint, trace), ()
    if trace.node_logits is not None:
        name = "model readout as target" if checkpoint.config.readout == "pair" else "model readout"
        probability = 1 / (1 + np.exp(-np.clip(trace.node_logits.astype(np.float64), -60, 60)))
        values[name] = np.where(trace.encoding.carries, probability, np.nan)  # brackets hold no value to believe
    try:
        values |= linear_probe.readings(checkpoint, trace)
    except InputError as error:  # probes of other weights are no reason to show nothing: what is shown says so
        notes = (f"The stored probes are left out: {error}.",)
    return values, notes


@torch.inference_mode()
def readout_of_classes(checkpoint: Checkpoint, trace: Trace) -> dict[str, np.ndarray]:
    """Name to (T+1, n) values in [0, 1]; none if the checkpoint reads out neither classes nor a sum.

    Of classes, NaN where a node carries no concept: the meaning of the concept ("true offset") is the probability of
    the class that the oracle gives the node in the end; where one class means that nothing is true (of a text, "not
    joined"), its opposite is the probability of all others. Of a sum: "counted" is how many generations the token adds
    or takes away, one at most.
    """
    readout = getattr(checkpoint.config, "readout", None)
    if readout not in ("classes", "offset", "sum"):
        return {}
    encoding, model, task = trace.encoding, checkpoint.model, tasks.get(checkpoint.config.task)
    like = next(model.parameters())
    hidden = torch.tensor(trace.hidden).to(like)[:, None]  # (T+1, 1, n, d)
    if readout == "sum":
        return {"counted": np.clip(np.abs(model.head(hidden)[:, 0, :, 0].double().cpu().numpy()), 0, 1)}
    classes = model.concept(hidden, collate([encoding]).to(like.device))
    assert classes is not None
    share = classes[:, 0].softmax(-1).double().cpu().numpy()
    kind = task.class_of(encoding.value, encoding.true_from != NEVER)
    true = np.take_along_axis(share, np.broadcast_to(kind[None, :, None], (len(share), len(kind), 1)), axis=-1)[..., 0]
    result = {task.concept.meaning: true}
    if task.highest is not None:
        result[task.classes[task.before].removeprefix("not ")] = 1 - share[..., task.before - task.lowest]
    return {name: np.where(encoding.carries, values, np.nan) for name, values in result.items()}
