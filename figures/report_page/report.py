"""The linked views of a trace as one offline page: no network, no server, everything in the file."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NOTHING
from depthscope.core.tasks.wording import clipped
from depthscope.core.trace import Trace
from depthscope.figures.linked_views import grouped_payload, groups, payload as linked_views
from depthscope.figures.summary import first_decidable, sentence, words

_FOLDER = Path(__file__).parent
PAGE, STYLE = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.html", "page.css"))

FACE = "export default function mount"
"""What Streamlit calls at the end of the script; a page of its own calls `show`."""

MAX_ABOUT = 400


def facts(trace: Trace, checkpoint: Checkpoint) -> dict[str, str]:
    """What was run, on what, and what came out, in words."""
    instance, answers = trace.instance, words(trace.instance)
    span, decidable = checkpoint.training.get("steps"), first_decidable(trace)
    label = getattr(instance, "label", None)
    known = trace.truth[:, trace.encoding.carries] != NOTHING
    rows = {
        "Checkpoint": f"{checkpoint.name}, {checkpoint.recipe or 'no'} recipe, {checkpoint.n_parameters:,} weights",
        "sha256": checkpoint.sha256,
        "Trained with": f"{span[0]}–{span[1]} steps" if span else "not said",
        "Read as": f"{trace.n_nodes:,} nodes, {int(known.any(axis=0).sum()):,} of which carry what is asked about",
        "Label": answers[1 - label] if label is not None else "unknown",
        "Answer": f"{answers[1 - trace.answer]} (logit {trace.logits[-1]:+.2f} after {trace.steps} steps)",
        "Answer stays from": f"step {trace.commitment_step}",
        "First decidable": "never" if decidable is None else f"step {decidable}",
    }
    notes = dict.fromkeys((*getattr(instance, "notes", ()), *trace.encoding.notes, *trace.notes))
    return rows | ({"Notes": " ".join(notes)} if notes else {})


def page(trace: Trace, checkpoint: Checkpoint, readings: Mapping[str, np.ndarray], about: str = "") -> str:
    """One HTML file with the linked views of a trace, playing.

    Args:
        trace: The trace.
        checkpoint: What made it.
        readings: Name to (T+1, n) values, as `figures.linked_views.payload.payload` takes them.
        about: A line under the headline, any text.
    """
    span = checkpoint.training.get("steps")
    trained = (int(span[0]), int(span[1])) if span else None
    about_it = {"title": checkpoint.name, "trained_steps": trained}
    if groups.applies(trace):
        drawing = grouped_payload.payload(trace, dict(readings), groups.grouping(trace, "layers"), **about_it)
    else:
        drawing = linked_views.payload(trace, dict(readings), **about_it)
    drawing |= {"initial": {"playing": True}, "channel": "main", "role": "full", "pick_ends": False, "address": False}
    line = " · ".join(x for x in (checkpoint.name, about) if x)
    rows = (f"<tr><td>{_text(k)}</td><td>{_text(v)}</td></tr>" for k, v in facts(trace, checkpoint).items())
    content = {
        "title": _text(f"{checkpoint.name}: {sentence(trace)}"),
        "sentence": _text(sentence(trace)),
        "about": _text(clipped(line, MAX_ABOUT)),
        "facts": "".join(rows),
        "css": STYLE + linked_views.CSS,
        "views": linked_views.HTML,
        "js": linked_views.JS.partition(FACE)[0],
        "drawing": json.dumps(drawing).replace("<", "\\u003c"),  # no name may end the script it stands in
    }
    parts = PAGE.split("{{")  # put in one by one: nothing that is put in is looked through again
    return parts[0] + "".join(content[name] + rest for name, _, rest in (part.partition("}}") for part in parts[1:]))


def _text(value: str) -> str:
    """Any text as text of a page."""
    printable = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in value)
    return html.escape(printable.encode("utf-8", "replace").decode("utf-8"))
