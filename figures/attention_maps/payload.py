"""Attention as maps, query by key: small ones for steps and heads, and a large one of the cursor's step and head.

Owns the packing of a trace's attention for the browser (`payload`), the component that draws it under the cursor of the
linked views (`HTML`, `CSS`, `JS`), and the same numbers as a table (`as_csv`). The drawing is plain JavaScript in
`attention_maps/`, joined with what it shares with the linked views.

A payload is JSON all through; arrays are base64 text of their little-endian bytes, shapes are in "meta". K is the
number of steps that are held, m the number of rows (nodes, or groups of nodes where there are many).

    query, key    uint32 (P,)           rows of the pairs; left out where attention is full
    root          uint8 (K, H, P)       square root of the weight, 0..255 = 0..1; P = m * m where attention is full
    path          uint32 (3, L)         query, key, and the step from which the link can carry what the answer needs
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depthscope.core.encoding import NEVER
from depthscope.core.tasks.paths import Routes
from depthscope.core.tasks.wording import clipped
from depthscope.core.trace import Trace
from depthscope.figures.instruments.edits import rows_by_time
from depthscope.figures.linked_views import payload as linked_views
from depthscope.figures.linked_views.labels import names
from depthscope.figures.style.csv_text import csv_text

MAX_BYTES = 6_000_000
"""Weights that are sent to the browser; of more steps than fit every second or third is held."""

MAX_SIDE = 160
"""Rows of a full map; of more nodes each cell is the largest of several weights."""

MAX_ROWS = 1_000_000
"""Lines of a table; beyond them it holds every second or third step."""

MAX_LABEL = 40

_FOLDER = Path(__file__).parent
_SHARED = Path(linked_views.__file__).parent

HTML: str = (_FOLDER / "attention_maps.html").read_text(encoding="utf-8")
CSS: str = linked_views.CSS + (_FOLDER / "attention_maps.css").read_text(encoding="utf-8")
JS: str = linked_views.palette() + "\n".join(
    path.read_text(encoding="utf-8")
    for path in (
        *(_SHARED / f"{name}.js" for name in ("address", "cursor", "payload", "vector", "canvas")),
        *(_FOLDER / f"{name}.js" for name in ("thumbnails", "enlarged", "attention_maps")),
    )
)


@dataclass(frozen=True)
class Maps:
    """Attention of one run as it is drawn.

    Attributes:
        steps: Steps that are held, (K,), the first and the last of the run among them.
        query: Row of each pair, (P,).
        key: Column of each pair, (P,).
        weight: (K, H, P) float32.
        side: Rows, m.
        block: Nodes in a row; 1 unless there are many.
        full: Whether every node attends to every other.
    """

    steps: np.ndarray
    query: np.ndarray
    key: np.ndarray
    weight: np.ndarray
    side: int
    block: int
    full: bool

    def __post_init__(self) -> None:
        expected = (len(self.steps), self.weight.shape[1], len(self.query))
        if self.weight.shape != expected or len(self.key) != len(self.query):
            raise ValueError(f"weight has shape {self.weight.shape}, but steps and pairs make it {expected}")


def pairs_of(trace: Trace) -> tuple[np.ndarray, bool]:
    """Pairs (query, key) that the mask allows, (2, P), and whether those are all there are."""
    n, edges = trace.n_nodes, trace.encoding.edge_index
    if trace.edge_index is not None:
        return trace.edge_index, False
    if edges is not None:
        return edges, False
    return np.stack(np.divmod(np.arange(n * n), n)), True


def weights_at(trace: Trace, step: int, pairs: np.ndarray) -> np.ndarray:
    """Attention into one step, 1..T, over pairs, (H, P)."""
    assert trace.attention is not None
    at = trace.attention[step - 1]
    return at if trace.edge_index is not None else at[:, pairs[0], pairs[1]]


def evenly(n_steps: int, most: int) -> np.ndarray:
    """At most so many of the steps 1..T, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(1, n_steps, min(n_steps, max(2, most))).round().astype(int))


def maps(trace: Trace) -> Maps:
    """Attention of a run, bounded: large full maps are pooled, of many steps only some are held."""
    pairs, full = pairs_of(trace)
    n = trace.n_nodes
    block = -(-n // MAX_SIDE) if full else 1
    side = -(-n // block)
    cells = side * side if full else pairs.shape[1]
    assert trace.attention is not None
    heads = trace.attention.shape[1]
    steps = evenly(trace.steps, MAX_BYTES // max(1, heads * cells))
    if block == 1:
        weight = np.stack([weights_at(trace, int(t), pairs) for t in steps])
        return Maps(steps, pairs[0], pairs[1], weight, n, 1, full)
    starts = np.arange(0, n, block)
    pooled = [
        np.maximum.reduceat(np.maximum.reduceat(trace.attention[t - 1], starts, axis=1), starts, axis=2) for t in steps
    ]
    query, key = np.divmod(np.arange(side * side), side)
    return Maps(steps, query, key, np.stack(pooled).reshape(len(steps), heads, -1), side, block, full)


def payload(trace: Trace, route: Routes | None, *, title: str) -> dict[str, object]:
    """Packs the attention of a trace for the browser; see the module's docstring for the arrays.

    Args:
        trace: A run with attention.
        route: The links on the path, None where nothing is known of them.
        title: Heading for readers, any text.
    """
    drawn, n = maps(trace), trace.n_nodes
    time = trace.encoding.has_from
    as_read = trace.encoding.interface == "tokens"
    orders = [{"name": "as read", "rows": list(range(drawn.side))}] if as_read or drawn.block > 1 else []
    if drawn.block == 1:
        orders.append({"name": "by the oracle's time", "rows": rows_by_time(time).tolist()})
    labels = [clipped(label, MAX_LABEL) for label in trace.encoding.labels]
    whole = [
        clipped(name, MAX_LABEL) if name else labels[i] for i, name in enumerate(names(trace, np.arange(n)) or labels)
    ]
    shown = labels if as_read else whole
    if drawn.block > 1:
        whole = shown = [f"{labels[i]} … {labels[min(i + drawn.block, n) - 1]}" for i in range(0, n, drawn.block)]
    often = Counter(whole)
    largest = float(drawn.weight.max(initial=0))
    meta = {
        "title": clipped(title, MAX_LABEL),
        "steps": trace.steps,
        "held": drawn.steps.tolist(),
        "n_heads": int(drawn.weight.shape[1]),
        "side": drawn.side,
        "full": drawn.full,
        "pairs": len(drawn.query),
        "labels": shown,
        "names": [name if often[name] == 1 else f"{name} #{i}" for i, name in enumerate(whole)],
        "node": list(range(0, n, drawn.block)),
        "block": drawn.block,
        "orders": orders,
        "top": next(top for top in (0.1, 0.2, 0.5, 1.0) if largest <= top + 1e-6 or top == 1.0),
        "links": 0,
        "notice": notice(drawn, trace),
    }
    arrays: dict[str, np.ndarray] = {"root": np.round(255 * np.sqrt(np.clip(drawn.weight, 0, 1))).astype(np.uint8)}
    if not drawn.full:
        arrays |= {"query": drawn.query.astype(np.uint32), "key": drawn.key.astype(np.uint32)}
    if route is not None and drawn.block == 1:
        path = on_path(route, drawn, n)
        meta["links"], arrays["path"] = path.shape[1], path.astype(np.uint32)
    packed = {name: linked_views.as_text(array) for name, array in arrays.items()}
    meta["id"] = hashlib.blake2b("".join(packed.values()).encode(), digest_size=12).hexdigest()
    return {"meta": meta, **packed}


def on_path(route: Routes, drawn: Maps, n: int) -> np.ndarray:
    """Links on the path that the mask lets through, (3, L): query, key, step from which they count."""
    allowed = np.isin(route.pairs[0] * n + route.pairs[1], drawn.query * n + drawn.key)
    on = allowed & (route.from_step != NEVER)
    return np.stack([route.pairs[0][on], route.pairs[1][on], np.maximum(route.from_step[on], 1)])


def notice(drawn: Maps, trace: Trace) -> str | None:
    """What was left out, None if nothing was."""
    sentences = []
    if drawn.block > 1:
        sentences.append(
            f"Of {trace.n_nodes:,} nodes, {drawn.block} share a row; a cell is the largest of their weights."
        )
    if len(drawn.steps) < trace.steps:
        sentences.append(f"{len(drawn.steps):,} of {trace.steps:,} steps are held, evenly spaced.")
    return " ".join(sentences) or None


def as_csv(trace: Trace, route: Routes | None) -> str:
    """Attention of every pair, step and head, a line each, as the maps show it; long runs with every n-th step.

    Args:
        trace: A run with attention.
        route: The links on the path, None where nothing is known of them.
    """
    columns = ["step", "head", "query", "key", "query label", "key label", "weight", "on path from step"]
    return csv_text(columns, _lines(trace, route))


def _lines(trace: Trace, route: Routes | None) -> Iterator[list[object]]:
    pairs, _ = pairs_of(trace)
    assert trace.attention is not None
    heads, n, labels = trace.attention.shape[1], trace.n_nodes, trace.encoding.labels
    since: dict[int, int] = {}
    if route is not None:
        on = route.from_step != NEVER
        code = route.pairs[0][on] * n + route.pairs[1][on]
        since = dict(zip(code.tolist(), route.from_step[on].tolist(), strict=True))
    ends = [(q, k, labels[q], labels[k], since.get(q * n + k, "")) for q, k in pairs.T.tolist()]
    for t in evenly(trace.steps, MAX_ROWS // max(1, heads * pairs.shape[1])).tolist():
        weight = weights_at(trace, t, pairs)
        for h in range(heads):
            for (q, k, asks, gives, from_step), w in zip(ends, weight[h].tolist(), strict=True):
                yield [t, h, q, k, asks, gives, f"{w:.6g}", from_step]
