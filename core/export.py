"""A trace as a file of arrays and as a JSON object: the same names in both, and in the page's download."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from core.atomic import replacing
from core.trace import Trace

ARRAYS = ("hidden", "attention", "edge_index", "gate", "readout", "logits", "truth", "known")
"""Arrays of a trace; those it does not have are left out of the file."""


def save_npz(trace: Trace, path: Path) -> None:
    """Writes the arrays of a trace, `tokens` (n,), `concept` and the value `asked`; loads with `allow_pickle=False`."""
    arrays = {name: getattr(trace, name) for name in ARRAYS if getattr(trace, name) is not None}
    arrays["tokens"] = np.array(trace.encoding.labels, dtype=np.str_)
    arrays["concept"] = np.array(trace.instance.concept, dtype=np.str_)
    arrays["asked"] = np.array(trace.encoding.asked)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def answer_object(checkpoint: str, instance: Any, logits: np.ndarray, notes: Iterable[str] = ()) -> dict[str, Any]:
    """What `trace --json` prints for one instance.

    Args:
        checkpoint: Name of the checkpoint.
        instance: What it ran on.
        logits: (T+1,) logit of the answer, index = step.
        notes: Sentences about what was rewritten or assumed.
    """
    asked = {}
    if instance.task == "graph":
        asked = {"source": instance.names[instance.source], "target": instance.names[instance.target]}
    elif instance.task == "text":
        asked = {"question": instance.question}
    return {
        "checkpoint": checkpoint,
        "task": instance.task,
        **asked,
        "label": instance.label,
        "answer": int(logits[-1] > 0),
        "logits": [round(float(logit), 6) for logit in logits],
        "steps": len(logits) - 1,
        "notes": list(notes),
    }
