"""What readouts of several classes say at every token beside the answer, and what a sum counts."""

from __future__ import annotations

import numpy as np
import torch

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, collate
from depthscope.core.trace import Trace


@torch.inference_mode()
def readings(checkpoint: Checkpoint, trace: Trace) -> dict[str, np.ndarray]:
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
    found = {task.concept.meaning: true}
    if task.highest is not None:
        found[task.classes[task.before].removeprefix("not ")] = 1 - share[..., task.before - task.lowest]
    return {name: np.where(encoding.carries, values, np.nan) for name, values in found.items()}
