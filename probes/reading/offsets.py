"""What readouts of texts say at every token beside the answer: who stands where, and what is counted."""

from __future__ import annotations

import numpy as np
import torch

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import MAX_OFFSET, NEVER, collate
from depthscope.core.trace import Trace


@torch.inference_mode()
def readings(checkpoint: Checkpoint, trace: Trace) -> dict[str, np.ndarray]:
    """Name to (T+1, n) values in [0, 1]; none if the checkpoint reads out neither offsets nor a sum of them.

    Of offsets, NaN where a token names nobody: "true offset" is the probability of the one that the facts give in the
    end, or of "not joined" where they give none; "joined" that of any offset at all. Of a sum: "counted" is how many
    generations the token adds or takes away, one at most.
    """
    readout = getattr(checkpoint.config, "readout", None)
    if readout not in ("offset", "sum"):
        return {}
    encoding, model = trace.encoding, checkpoint.model
    like = next(model.parameters())
    hidden = torch.tensor(trace.hidden).to(like)[:, None]  # (T+1, 1, n, d)
    if readout == "sum":
        return {"counted": np.clip(np.abs(model.head(hidden)[:, 0, :, 0].double().cpu().numpy()), 0, 1)}
    classes = model.concept(hidden, collate([encoding]).to(like.device))
    assert classes is not None
    share = classes[:, 0].softmax(-1).double().cpu().numpy()
    joined = encoding.true_from != NEVER
    kind = np.where(joined, encoding.value + MAX_OFFSET, 2 * MAX_OFFSET + 1)
    kind = np.where(encoding.carries & (np.abs(encoding.value) <= MAX_OFFSET), kind, 2 * MAX_OFFSET + 1)
    true = np.take_along_axis(share, np.broadcast_to(kind[None, :, None], (len(share), len(kind), 1)), axis=-1)[..., 0]
    found = {"true offset": true, "joined": 1 - share[..., -1]}
    return {name: np.where(encoding.carries, values, np.nan) for name, values in found.items()}
