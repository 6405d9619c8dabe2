"""What can be read at every node of one trace: the model's own readout and the probes stored with its checkpoint."""

from __future__ import annotations

import numpy as np

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.trace import Trace
from depthscope.probes.reading import linear_probe, offsets


def readings(checkpoint: Checkpoint, trace: Trace) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Readings of a trace by name, (T+1, n) probabilities each, NaN where a node has none; notes on what is missing.

    The one that shows the wave whatever is asked comes first: the offset that the facts give, or the model's readout.
    """
    values, notes = offsets.readings(checkpoint, trace), ()
    if trace.node_logits is not None:
        name = "model readout as target" if checkpoint.config.readout == "pair" else "model readout"
        probability = 1 / (1 + np.exp(-np.clip(trace.node_logits.astype(np.float64), -60, 60)))
        values[name] = np.where(trace.encoding.carries, probability, np.nan)  # brackets hold no value to believe
    try:
        values |= linear_probe.readings(checkpoint, trace)
    except InputError as error:  # probes of other weights are no reason to show nothing: what is shown says so
        notes = (f"The stored probes are left out: {error}.",)
    return values, notes
