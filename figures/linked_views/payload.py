"""The linked views: what they are given (`payload`) and the component that draws them (`HTML`, `CSS`, `JS`).

Owns the packing of a Trace for the browser and nothing of the drawing, which is plain JavaScript on canvases in
`linked_views/`, joined here in the order of `MODULES` into one ES module with a default export. The same text serves a
Streamlit component and an offline page.

A payload is JSON all through. Arrays are base64 text of their little-endian bytes under the top-level names below
(Streamlit carries no bytes inside a dictionary); shapes are in "meta". Probabilities of nodes and attention are
quantised to a byte, the answer never is. n is the number of drawn nodes, T the steps.

    xy            float32 (n, 2)        positions, y down
    readings      uint8 (R, T+1, n)     0..254 = 0..1, 255 = this node has none
    oracle        uint8 (T+1, n)        bit 1 has the asked value, bit 2 known by this step, bit 4 has a concept
    states        float32 (T+1, n, 3)   principal components, one basis for all steps
    bars          float32 (T+1,)        change of the whole state, |h[t]-h[t-1]| / |h[t-1]|; 0 at step 0
    probability   float32 (T+1,)        of the answer 1
    logits        float32 (T+1,)
    edges         uint16 (2, E)         (from, to): drawn nodes, in the direction information flows (key to query); from
                                        n on they are ghosts, nodes of the instance that the model has no node for
    ghost_xy      float32 (g, 2)        positions of ghosts; meta.ghosts says what they stand for
    edge_kind     uint8 (E,)            bit 1 on a decisive path, bit 2 part of the instance, bit 4 stands for a chain
    attention     uint8 (T, H, E)       0..255 = 0..1, where attention runs along the edges
    flow_from, flow_to uint16 (F,), flow_head, flow_weight uint8 (F,), flow_start uint32 (T+1,)
                                        the strongest keys of each query, step by step, where attention is full
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from depthscope.core import tasks
from depthscope.core.encoding import NEVER, SOURCE, TARGET, Encoding
from depthscope.core.tasks.wording import clipped
from depthscope.core.trace import Trace
from depthscope.figures.linked_views.drawn import Drawn, choose, drawing_of, pairs
from depthscope.figures.linked_views.labels import MAX_LABEL, ghosts, labels, meanings, names
from depthscope.figures.style.palette import ACCENT, HEADS, WRONG, sequential
from depthscope.figures.summary import first_decidable, right_from, sentence, words
from depthscope.probes.maths.movement import changes
from depthscope.probes.maths.pca import state_components

MAX_ATTENTION_BYTES = 8_000_000
KEYS_A_QUERY = 3
FLOWS_A_STEP = 2000
MIN_FLOW, MIN_OF_UNIFORM = 0.08, 1.5
"""Full attention: at most this many keys of each query and head are drawn, at most this many edges a step in all, and
none with less weight than MIN_FLOW, or, among many nodes, than this many times an even share."""

MODULES = (
    "address",
    "cursor",
    "payload",
    "vector",
    "canvas",
    "lines",
    "structure",
    "editor",
    "trajectories",
    "wavefront",
    "answer",
    "scrubber",
    "mount",
)
_FOLDER = Path(__file__).parent


def palette() -> str:
    """The colours of both schemes, as a line of JavaScript."""
    schemes = {
        scheme: {
            "ramp": sequential(scheme).tolist(),
            "accent": ACCENT[scheme],
            "wrong": WRONG[scheme],
            "heads": HEADS[scheme],
        }
        for scheme in ("light", "dark")
    }
    return f"const PALETTE = {json.dumps(schemes, separators=(',', ':'))};\n"


HTML: str = (_FOLDER / "linked_views.html").read_text(encoding="utf-8")
CSS: str = (_FOLDER / "linked_views.css").read_text(encoding="utf-8")
JS: str = palette() + "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in MODULES)


TYPES: dict[str, type] = {
    **dict.fromkeys(("xy", "ghost_xy", "states", "bars", "probability", "logits", "size"), np.float32),
    **dict.fromkeys(("readings", "oracle", "edge_kind", "flow_head"), np.uint8),
    **dict.fromkeys(("edges", "flow_from", "flow_to"), np.uint16),
    "flow_start": np.uint32,
}
"""Of the arrays; those that are not here are shares in [0, 1], quantised to 0..255."""


def as_text(array: np.ndarray) -> str:
    """The little-endian bytes of an array as base64 text."""
    return base64.b64encode(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def _typed(name: str, array: np.ndarray) -> np.ndarray:
    return array.astype(TYPES[name]) if name in TYPES else np.round(255 * np.clip(array, 0, 1)).astype(np.uint8)


def as_bytes(share: np.ndarray) -> np.ndarray:
    """Shares in [0, 1] as 0..254, NaN as 255, uint8."""
    return np.where(np.isnan(share), 255, np.round(254 * np.clip(share, 0, 1))).astype(np.uint8)


def _along_edges(trace: Trace, drawn: Drawn) -> np.ndarray | None:
    """Attention on the drawn edges, (T, heads, E) float32; None where attention is full or there is none."""
    if trace.attention is None or (trace.edge_index is None and trace.encoding.edge_index is None):
        return None
    key, query = drawn.nodes[drawn.edges]
    if trace.edge_index is None:
        return trace.attention[:, :, query, key]
    n = trace.n_nodes
    have = pairs(trace.edge_index, n)
    order = np.argsort(have)
    want = query * n + key
    at = np.minimum(np.searchsorted(have, want, sorter=order), len(have) - 1)
    present = have[order[at]] == want
    return np.where(present, trace.attention[:, :, order[at]], np.float32(0))


def _strongest(trace: Trace, drawn: Drawn) -> dict[str, np.ndarray]:
    """Full attention as the strongest keys of each query, head and step, bounded; a node's own key is left out."""
    assert trace.attention is not None
    steps, heads = trace.attention.shape[:2]
    n = len(drawn.nodes)
    k = max(1, min(KEYS_A_QUERY, n - 1, FLOWS_A_STEP // max(1, heads * n) + 1))
    parts: list[tuple[np.ndarray, ...]] = []
    for t in range(steps):
        weight = trace.attention[t][:, drawn.nodes[:, None], drawn.nodes[None]].copy()
        weight[:, np.arange(n), np.arange(n)] = 0
        key = np.argpartition(-weight, k - 1, axis=-1)[..., :k]
        top = np.take_along_axis(weight, key, axis=-1)
        head, query, place = np.nonzero(top >= min(MIN_FLOW, MIN_OF_UNIFORM / n))
        weights = top[head, query, place]
        best = np.argsort(-weights, kind="stable")[:FLOWS_A_STEP]
        parts.append((key[head, query, place][best], query[best], head[best], weights[best]))
    start = np.cumsum([0] + [len(p[0]) for p in parts])
    joined = [np.concatenate([p[i] for p in parts]) for i in range(4)]
    return dict(zip(("flow_from", "flow_to", "flow_head", "flow_weight"), joined, strict=True)) | {"flow_start": start}


def is_belief(name: str) -> bool | str:
    """Whether a reading is a probability of the asked value, or of "the truth", so that it can be right or wrong."""
    if name.removeprefix("probe: ").startswith("true "):
        return "the truth"
    return name.startswith(("model readout", "probe"))


def payload(
    trace: Trace,
    readings: dict[str, np.ndarray],
    *,
    title: str,
    trained_steps: tuple[int, int] | None,
    beside: Sequence[np.ndarray] = (),
    max_edges: int = 2000,
) -> dict[str, object]:
    """Packs a trace for the linked views; see the module's docstring for the arrays.

    Args:
        trace: The trace.
        readings: Name to (T+1, n) values in [0, 1], NaN where a node has none. Names that start with "model readout"
            or "probe" are beliefs about the task's concept and are compared with the oracle, and so are "true ...", the
            model's own or a probe's, which is wrong while it is small. "change of state" is added here.
        title: Heading of the views, any text.
        trained_steps: Fewest and most steps the checkpoint was trained with, or None.
        beside: States (T'+1, n', d) of the runs of one model whose trajectories are drawn in one basis, this one's
            among them; none for a basis of its own.
        max_edges: Most edges drawn.

    Returns:
        "meta" and the arrays, all JSON.

    Raises:
        ValueError: If a reading has another shape than (T+1, n).
    """
    encoding = trace.encoding
    check_shapes(trace, readings)
    n_heads = trace.attention.shape[1] if trace.attention is not None else 0
    drawn = choose(trace, max(1, min(max_edges, MAX_ATTENTION_BYTES // max(1, trace.steps * n_heads))))
    nodes = drawn.nodes
    per_node, bars = changes(trace.hidden, nodes)
    shown = {name: np.asarray(values[:, nodes], dtype=np.float64) for name, values in readings.items()}
    states, explained, extent = state_components(trace.hidden, nodes, beside)
    arrays: dict[str, np.ndarray] = {
        "xy": drawn.xy,
        "oracle": (trace.truth[:, nodes] == encoding.asked)
        + 2 * trace.known[:, nodes]
        + 4 * encoding.carries[nodes][None],
        "states": states,
        "bars": bars,
        "edges": drawn.edges,
        "edge_kind": drawn.kind,
    }
    if drawn.ghosts is not None:
        arrays["ghost_xy"] = drawn.ghosts.xy
    weights = _along_edges(trace, drawn)
    if weights is not None:
        arrays["attention"] = weights
    elif trace.attention is not None:
        arrays |= _strongest(trace, drawn)
    meta = _about_nodes(trace, drawn) | {"explained": explained.tolist(), "extent": extent.tolist()}
    return packed(trace, arrays, meta, shown, per_node, title, trained_steps)


def _about_nodes(trace: Trace, drawn: Drawn) -> dict[str, object]:
    """What "meta" says of the drawn nodes, their order and roles."""
    encoding, instance, drawing, nodes = trace.encoding, trace.instance, drawing_of(trace), drawn.nodes
    fronts = front(encoding)[nodes]
    # By the oracle's step; after those the answer's token, where it carries no concept, and the brackets.
    group = np.where(encoding.carries[nodes], 0, np.where(nodes == encoding.answer, 1, 2))
    place = (nodes, encoding.instance_node[nodes]) if drawn.lines else drawn.xy.T
    return {
        "labels": labels(trace, nodes),
        "names": names(trace, nodes),
        "node": nodes.tolist(),
        "instance_node": encoding.instance_node[nodes].tolist(),
        "source": np.flatnonzero(encoding.roles[nodes] & SOURCE).tolist(),
        "target": np.flatnonzero(encoding.roles[nodes] & TARGET).tolist(),
        "answer_node": int(np.searchsorted(nodes, encoding.answer)),
        "layered": drawing.is_layered(encoding),
        "hops": instance.distance[encoding.instance_node[nodes]].tolist() if drawing.layout == "layered" else None,
        "lines": drawn.lines,
        "ghosts": None if drawn.ghosts is None else ghosts(trace, nodes, drawn.ghosts.instance_node),
        "meanings": meanings(trace, nodes),
        "order": np.lexsort((*place, fronts, group)).tolist(),
        "front": np.where(fronts == NEVER, -1, fronts).tolist(),
        "always_known": bool(trace.known[:, encoding.carries].all()),
        "notice": drawn.notice,
    }


def check_shapes(trace: Trace, readings: dict[str, np.ndarray]) -> None:
    """Refuses readings of another shape than (T+1, n).

    Raises:
        ValueError: With both shapes.
    """
    expected = (trace.steps + 1, trace.n_nodes)
    for name, values in readings.items():
        if values.shape != expected:
            raise ValueError(f"reading {name!r} has shape {values.shape}, expected {expected}")


def packed(
    trace: Trace,
    arrays: dict[str, np.ndarray],
    drawn: dict[str, object],
    readings: dict[str, np.ndarray],
    change: np.ndarray,
    title: str,
    trained_steps: tuple[int, int] | None,
) -> dict[str, object]:
    """The payload: arrays as text, and what is said of the drawn nodes with what is said of the whole trace.

    Args:
        trace: The trace.
        arrays: Those of the drawn nodes, but for their readings.
        drawn: What "meta" says of them.
        readings: Name to values at the drawn nodes, (T+1, n).
        change: How far their states move, (T+1, n): the last reading, as a share of the largest.
        title: Heading of the views, any text.
        trained_steps: Fewest and most steps the checkpoint was trained with, or None.
    """
    largest_change = float(change.max()) or 1.0
    shown = {**readings, "change of state": change / largest_change}
    encoding, instance, task = trace.encoding, trace.instance, tasks.get(trace.instance.task)
    label, drawing = instance.label, task.drawing
    meta: dict[str, object] = {
        "title": clipped(title, MAX_LABEL),
        "task": task.name,
        "layout": task.layout,
        "spreads": task.concept.spreads,
        "legend": list(task.legend(encoding)),
        "asked": task.classes.get(encoding.asked) if len(task.classes) > 2 else None,
        "path": drawing.path(instance)[0],
        "checkpoint": trace.checkpoint,
        "interface": encoding.interface,
        "sentence": sentence(trace),
        "steps": trace.steps,
        "n_nodes": len(arrays["xy"]),
        "n_edges": arrays["edges"].shape[1],
        "n_nodes_total": trace.n_nodes,
        "n_heads": trace.attention.shape[1] if trace.attention is not None else 0,
        "ends": [int(instance.source), int(instance.target)] if "source" in task.questions else None,
        "lines": (),
        "ghosts": None,
        "meanings": None,
        "roles": list(task.words.roles),
        "front_words": task.words.front,
        "edits": {
            "tools": [[tool.name, tool.text, tool.key, tool.title] for tool in drawing.tools],
            "hint": drawing.tools_hint,
            "of_lines": drawing.edits_lines,
        },
        "readings": [{"name": name, "belief": is_belief(name)} for name in shown],
        "largest_change": largest_change,
        "first_decidable": first_decidable(trace),
        "commitment": trace.commitment_step,
        "right_from": None if label is None else right_from(trace, label),
        "label": label,
        "words": list(words(instance)),
        "trained": None if trained_steps is None else [int(trained_steps[0]), int(trained_steps[1])],
        "notes": [note[:400] for note in (*encoding.notes, *trace.notes)],
        **drawn,
    }
    arrays = {
        **arrays,
        "readings": np.stack([as_bytes(values) for values in shown.values()]),
        "probability": 1 / (1 + np.exp(-trace.logits.astype(np.float64))),
        "logits": trace.logits,
    }
    text = {name: as_text(_typed(name, array)) for name, array in arrays.items()}
    meta["id"] = _identity(trace.checkpoint, json.dumps([meta["labels"], meta["ends"]]), text["states"], text["logits"])
    return {"meta": meta, **text}


def _identity(*parts: str) -> str:
    """The same for a run whatever readings and title it is shown with: the cursor stays where it is."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def front(encoding: Encoding) -> np.ndarray:
    """Step at which the oracle has its last word on each node, (n,): a value known, a node reached; NEVER if never.

    A node that is 0 to the end has its last word once that is known, unless it still waits to become true.
    """
    changes_at = np.where(encoding.value > 0, encoding.true_from, 0)
    return np.where(~encoding.carries, NEVER, np.maximum(encoding.known_from, changes_at))
