"""A graph too large to draw, as groups of nodes for the linked views; one group may be opened.

Owns what is drawn in place of what: units, each a group or a single node. Source and target always stand by
themselves. Opening a group draws its nodes one by one, those on a shortest path first, then those with most edges, as
far as there is room, and the rest of it as a group. A unit shows the mean of its nodes, the share of them that the
oracle has reached, and, on the lines between units, the mean attention along the edges that a line stands for.

The payload is that of `figures.linked_views.payload` with u units in place of nodes, and with

    reached       uint8 (T+1, u)        0..255 = share of the nodes that the oracle has reached by this step
    wrong         uint8 (R, T+1, u)     share of the nodes at which a belief contradicts what the oracle knows
    size          float32 (u,)          0..1, the square root of the share of the largest group
    edge_size     uint8 (E,)            logarithm of how many edges a line stands for
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from depthscope.core.encoding import NEVER
from depthscope.core.trace import Trace
from depthscope.figures.linked_views import drawn as drawing, payload as linked_views
from depthscope.figures.linked_views.groups import Grouping
from depthscope.figures.linked_views.labels import MAX_LABEL
from depthscope.figures.linked_views.layout import layered_layout
from depthscope.probes.maths.movement import changes
from depthscope.probes.maths.pca import COMPONENTS, FIT_ROWS, basis

MAX_OPEN = 160
"""Nodes of an open group that are drawn one by one."""

MAX_LINES = 1000


@dataclass(frozen=True)
class Units:
    """What is drawn, u units.

    Attributes:
        of: (n,) unit of each node.
        node: (u,) the node that a unit is; -1 for a group.
        group: (u,) the group it is or belongs to.
        count: (u,) how many nodes it holds.
    """

    of: np.ndarray
    node: np.ndarray
    group: np.ndarray
    count: np.ndarray

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over the nodes of each unit, (n, k) -> (u, k); NaN is left out, and is the mean of nothing."""
        n = len(self.of)
        members = csr_array((np.ones(n), (self.of, np.arange(n))), shape=(len(self.node), n))
        has = ~np.isnan(values)
        if has.all():
            return (members @ values) / self.count[:, None]
        counted = members @ has.astype(np.float64)
        return np.where(counted > 0, (members @ np.where(has, values, 0)) / np.maximum(counted, 1), np.nan)


def units(trace: Trace, groups: Grouping, opened: int | None = None) -> Units:
    """What is drawn of a trace in groups.

    Args:
        trace: The trace.
        groups: Its groups.
        opened: The group that is opened, None for none.
    """
    own, decisive = drawing.drawing_of(trace).links(trace.instance, trace.encoding)
    single = np.zeros(trace.n_nodes, dtype=bool)
    single[[trace.encoding.source, trace.encoding.answer]] = True
    if opened is not None:
        members = np.flatnonzero(groups.of == opened)
        on_path = np.zeros(trace.n_nodes, dtype=bool)
        on_path[own[:, decisive]] = True
        degree = np.bincount(own.ravel(), minlength=trace.n_nodes)
        first = np.lexsort((members, -degree[members], ~on_path[members]))
        single[members[first[:MAX_OPEN]]] = True
    alone = np.flatnonzero(single)
    held, of = np.unique(groups.of[~single], return_inverse=True)
    unit = np.empty(trace.n_nodes, dtype=np.int64)
    unit[alone] = np.arange(len(alone))
    unit[~single] = len(alone) + of
    node = np.concatenate([alone, np.full(len(held), -1)])
    group = np.concatenate([groups.of[alone], held])
    return Units(unit, node, group, np.bincount(unit, minlength=len(node)))


@dataclass(frozen=True)
class Lines:
    """What joins units; (from, to) among units.

    Attributes:
        ends: (2, E).
        count: (E,) edges of the graph that each stands for.
        decisive: (E,) whether one of them is on a shortest path from source to target.
        attention: (T, heads, E) mean weight along them, None without attention.
    """

    ends: np.ndarray
    count: np.ndarray
    decisive: np.ndarray
    attention: np.ndarray | None


def lines(trace: Trace, drawn: Units) -> Lines:
    """The edges between units, the MAX_LINES that stand for most or decide."""
    own, decisive = drawing.drawing_of(trace).links(trace.instance, trace.encoding)
    u = len(drawn.node)
    code = drawing.pairs(drawn.of[own], u)
    between = drawn.of[own[0]] != drawn.of[own[1]]
    found, which, count = np.unique(code[between], return_inverse=True, return_counts=True)
    on = np.bincount(which, decisive[between], minlength=len(found)) > 0
    keep = np.sort(np.lexsort((-count, ~on))[:MAX_LINES])
    found, count, on = found[keep], count[keep], on[keep]
    return Lines(np.stack(np.divmod(found, u)), count, on, _attention(trace, drawn, found))


def _attention(trace: Trace, drawn: Units, wanted: np.ndarray) -> np.ndarray | None:
    """Mean attention along the edges of each line, step by step, (T, heads, E)."""
    if trace.attention is None or trace.edge_index is None:
        return None
    query, key = trace.edge_index
    code = drawing.pairs(drawn.of[np.stack([key, query])], len(drawn.node))
    at = np.minimum(np.searchsorted(wanted, code), max(0, len(wanted) - 1))
    has = np.flatnonzero(wanted[at] == code) if len(wanted) else np.zeros(0, dtype=np.int64)
    line = at[has]
    member = csr_array((np.ones(len(has)), (line, np.arange(len(has)))), shape=(len(wanted), len(has)))
    counted = np.maximum(np.bincount(line, minlength=len(wanted)), 1)
    steps, heads = trace.attention.shape[:2]
    found = np.empty((steps, heads, len(wanted)), dtype=np.float32)
    for t in range(steps):
        found[t] = (member @ trace.attention[t][:, has].T).T / counted
    return found


def payload(
    trace: Trace,
    readings: dict[str, np.ndarray],
    groups: Grouping,
    opened: int | None = None,
    *,
    title: str,
    trained_steps: tuple[int, int] | None,
    beside: Sequence[np.ndarray] = (),
) -> dict[str, object]:
    """Packs a trace in groups for the linked views.

    Args:
        trace: One to which groups apply.
        readings: Name to (T+1, n) values in [0, 1], as `linked_views.payload` takes them.
        groups: Its groups.
        opened: The group whose nodes are drawn one by one, None for none.
        title: Heading of the views, any text.
        trained_steps: Fewest and most steps the checkpoint was trained with, or None.
        beside: States of the runs of one model whose trajectories are drawn in one basis, as `linked_views.payload`
            takes them.

    Raises:
        ValueError: If a reading has another shape than (T+1, n).
    """
    linked_views.check_shapes(trace, readings)
    encoding, drawn = trace.encoding, units(trace, groups, opened)
    joined = lines(trace, drawn)
    per_node, bars = changes(trace.hidden, np.arange(trace.n_nodes))
    reached, known = (drawn.mean(x.T.astype(np.float64)).T for x in (trace.truth == encoding.asked, trace.known))
    change = drawn.mean(per_node.T).T
    wrong = [*(_wrong(trace, drawn, name, values) for name, values in readings.items()), 0 * change]
    states, spread = _states(trace, drawn, beside)
    is_group = drawn.node < 0
    largest = max(1, int(drawn.count[is_group].max(initial=1)))
    arrays: dict[str, np.ndarray] = {
        "xy": layered_layout(groups.place[drawn.group], joined.ends.T, groups.stranded),
        "oracle": (reached >= 0.5) + 2 * (known >= 0.5) + 4,
        "reached": reached,
        "wrong": np.stack(wrong),
        "states": states,
        "bars": bars,
        "size": np.where(is_group, np.sqrt(drawn.count / largest), 0),
        "edges": joined.ends,
        "edge_kind": joined.decisive.astype(np.uint8) | np.uint8(2),
        "edge_size": np.log1p(joined.count) / np.log1p(joined.count.max(initial=1)),
    }
    if joined.attention is not None:
        arrays["attention"] = joined.attention
    meta = _about_units(trace, groups, drawn) | spread
    meta |= {"notice": notice(trace, groups, drawn, opened), "edge_count": joined.count.tolist(), "opened": opened}
    shown = {name: drawn.mean(values.T).T for name, values in readings.items()}
    return linked_views.packed(trace, arrays, meta, shown, change, title, trained_steps)


def _wrong(trace: Trace, drawn: Units, name: str, values: np.ndarray) -> np.ndarray:
    """Share of each unit's nodes at which a belief contradicts what the oracle knows, (T+1, u); 0 for no belief."""
    off = (values > 0.5) != (trace.truth == trace.encoding.asked)
    wrong = off & trace.known & ~np.isnan(values) & bool(linked_views.is_belief(name))
    return drawn.mean(wrong.T.astype(float)).T


def _states(trace: Trace, drawn: Units, beside: Sequence[np.ndarray]) -> tuple[np.ndarray, dict[str, object]]:
    """Principal components of the mean state of each unit, (T+1, u, 3), and what "meta" says of their basis."""
    runs = [_evenly(run.reshape(-1, run.shape[-1])) for run in beside or (trace.hidden,)]
    shared = basis(np.concatenate(runs))
    states = np.stack([shared.place(drawn.mean(step)) for step in trace.hidden])
    spread = np.concatenate([shared.place(run) for run in runs]) if beside else states.reshape(-1, COMPONENTS)
    explained = np.pad(shared.share[:COMPONENTS], (0, max(0, COMPONENTS - len(shared.share))))
    return states, {"explained": explained.tolist(), "extent": [spread.min(0).tolist(), spread.max(0).tolist()]}


def _about_units(trace: Trace, groups: Grouping, drawn: Units) -> dict[str, object]:
    """What "meta" says of the units, their order and roles."""
    encoding, is_group = trace.encoding, drawn.node < 0
    hops = trace.instance.distance[encoding.instance_node]
    front, first = (
        np.where(least == NEVER, -1, least)
        for least in (_least(drawn, linked_views.front(encoding)), _least(drawn, np.where(hops < 0, NEVER, hops)))
    )
    order = (drawn.node, drawn.group, groups.place[drawn.group], np.where(front < 0, NEVER, front))
    target = int(drawn.of[encoding.answer])
    return {
        "labels": [
            groups.labels[g] if i < 0 else encoding.labels[i][:MAX_LABEL]
            for i, g in zip(drawn.node.tolist(), drawn.group.tolist(), strict=True)
        ],
        "names": [
            f"{groups.names[g]} ({drawn.count[k]:,} nodes)" if is_group[k] else None for k, g in enumerate(drawn.group)
        ],
        "node": np.where(is_group, trace.n_nodes + drawn.group, drawn.node).tolist(),  # groups come after all nodes
        "instance_node": np.where(is_group, -1, encoding.instance_node[drawn.node]).tolist(),
        "source": [int(drawn.of[encoding.source])],
        "target": [target],
        "answer_node": target,
        "layered": groups.by == "layers",
        "hops": first.tolist(),
        "order": np.lexsort(order).tolist(),
        "front": front.tolist(),
        "always_known": bool(trace.known.all()),
        "group": drawn.group.tolist(),
        "count": drawn.count.tolist(),
    }


def _least(drawn: Units, values: np.ndarray) -> np.ndarray:
    """The least value among the nodes of each unit, (u,)."""
    least = np.full(len(drawn.node), NEVER)
    np.minimum.at(least, drawn.of, values)
    return least


def _evenly(states: np.ndarray) -> np.ndarray:
    """At most FIT_ROWS of some states, (N, d); a large trace is not read as a whole."""
    rows = np.linspace(0, len(states) - 1, min(len(states), FIT_ROWS))
    return states[np.unique(rows.round().astype(np.int64))]


def notice(trace: Trace, groups: Grouping, drawn: Units, opened: int | None) -> str:
    """What was put together, in a sentence or two."""
    how = "hops from the source" if groups.by == "layers" else "communities (label propagation)"
    n_groups = int((drawn.node < 0).sum())
    said = (
        f"{trace.n_nodes:,} nodes in {n_groups} group{'' if n_groups == 1 else 's'} by {how}; source and target apart."
    )
    if opened is None:
        return said
    members = groups.of == opened
    alone = int((drawn.node[drawn.of[members]] >= 0).sum())
    which = "all" if alone == members.sum() else f"{alone:,} of {int(members.sum()):,}"
    first = "" if which == "all" else ", those on a shortest path first, then those with most edges"
    return f"{said} Of “{groups.names[opened]}”, {which} are drawn{first}."
