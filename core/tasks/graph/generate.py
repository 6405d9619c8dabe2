"""Generators of graphs, vectorised over a batch: the paper's, and the audited one whose negatives are twins.

The paper's positives have more edges and ancestors than its negatives, so that a degree rule scores far above chance.
An audited negative is its positive after one degree-preserving double edge swap (a->b, c->d become a->d, c->b) that
cuts every path: every rule that counts degrees or edges scores exactly one half. Such a swap exists where one edge
carries all paths, so that audited graphs lean towards bridges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from depthscope.core.encoding import NEVER, NOTHING, SOURCE, TARGET, Batch, Lesson
from depthscope.core.errors import InputError
from depthscope.core.tasks import SPLITS
from depthscope.core.tasks.graph.instance import LETTERS, GraphInstance, hop_distances

MAX_HOPS = 5000
PAPER_MAX_NODES = 20


@dataclass(frozen=True)
class GraphArrays:
    """Graphs of one batch, padded to n nodes.

    Attributes:
        adjacency: (B, n, n) bool, [b, u, v]: is there an edge u -> v.
        n_nodes: (B,) nodes of each graph; the first ones are used.
        source: (B,) index.
        target: (B,) index.
        distance: (B, n) hops from the source, -1 where there is no path.
    """

    adjacency: np.ndarray
    n_nodes: np.ndarray
    source: np.ndarray
    target: np.ndarray
    distance: np.ndarray

    def __len__(self) -> int:
        """Number of graphs, B."""
        return len(self.n_nodes)

    @property
    def label(self) -> np.ndarray:
        """1 where the target is reachable, (B,)."""
        return (self.distance[np.arange(len(self)), self.target] >= 0).astype(np.int64)

    def instances(self) -> list[GraphInstance]:
        """The graphs one by one; nodes are called A..Z, or 1, 2, 3 ... where there are more."""
        out = []
        for b, n in enumerate(self.n_nodes):
            names = LETTERS[:n] if n <= len(LETTERS) else tuple(str(i + 1) for i in range(n))
            edges = np.argwhere(self.adjacency[b, :n, :n]).astype(np.int64)
            out.append(GraphInstance(names, edges, int(self.source[b]), int(self.target[b])))
        return out


def distances(adjacency: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Hops from one start node a graph to every node, for all graphs in one pass.

    Args:
        adjacency: (B, n, n) bool.
        start: (B,) index.

    Returns:
        (B, n) int64, -1 where there is no path.
    """
    b, n, _ = adjacency.shape
    graph, u, v = np.nonzero(adjacency)
    edges = n * graph[:, None] + np.stack([u, v], axis=1)
    return hop_distances(b * n, edges, n * np.arange(b) + start).reshape(b, n)


def _draft(rng: np.random.Generator, hops: np.ndarray, n_nodes: np.ndarray) -> np.ndarray:
    """Graphs in which node h is exactly h hops from node 0, h = 0..hops: adjacency (B, n, n).

    The first hops + 1 nodes are a path. Of the others some hang behind the path at a level of their own, the rest
    cannot be reached; further edges are drawn at random among those that make nothing nearer.
    """
    b, n = len(hops), int(n_nodes.max())
    rows, node = np.arange(b), np.arange(n)[None]
    valid = node < n_nodes[:, None]
    on_path = node <= hops[:, None]
    share = rng.uniform(0.15, 0.85, (b, 1))
    level = np.where(on_path, node, 1 + (rng.random((b, n)) * (hops[:, None] + 1)).astype(np.int64))
    outside = ~on_path & (rng.random((b, n)) > share)
    level = np.where(outside | ~valid, n + 1, level)

    adjacency = np.zeros((b, n, n), dtype=bool)
    parent_level = level - 1
    for i in range(1, n):  # a parent at the level before: the path's own node, or anyone there
        candidates = (level == parent_level[:, i : i + 1]) & valid
        candidates &= ~on_path[:, i : i + 1] | (node == i - 1)
        parent = np.argmax(rng.random((b, n)) * candidates, axis=1)
        has = candidates.any(axis=1) & valid[:, i] & ~outside[:, i]
        adjacency[rows[has], parent[has], i] = True

    density = rng.uniform(0.3, 2.5, b)
    hub = rng.random(b) < 0.15  # some graphs with a node that many lead to
    tries = int(3 * n)
    tail = (rng.random((b, tries)) * n_nodes[:, None]).astype(np.int64)
    head = (rng.random((b, tries)) * n_nodes[:, None]).astype(np.int64)
    centre = (rng.random((b, 1)) * n_nodes[:, None]).astype(np.int64)
    head = np.where(hub[:, None] & (rng.random((b, tries)) < 0.6), centre, head)
    wanted = np.arange(tries)[None] < (density * n_nodes)[:, None]
    lt, lh = np.take_along_axis(level, tail, 1), np.take_along_axis(level, head, 1)
    legal = (lt > n) | (lh <= lt + 1)
    keep = wanted & legal & (tail != head)
    where = np.nonzero(keep)
    adjacency[where[0], tail[where], head[where]] = True
    return adjacency


def _cut(rng: np.random.Generator, adjacency: np.ndarray, hops: np.ndarray, tries: int = 6) -> np.ndarray:
    """Twins of graphs whose source is node 0 and target node `hops`: one double edge swap that cuts every path.

    Returns:
        (B, n, n) bool; unchanged where none of the tries cut.
    """
    twin = adjacency.copy()
    open_rows = np.arange(len(adjacency))
    for _ in range(tries):
        adj, h = adjacency[open_rows], hops[open_rows]
        k = len(open_rows)
        a = (rng.random(k) * h).astype(np.int64)
        e1 = a + 1  # the path's edge a -> a + 1
        graph, u, v = np.nonzero(adj)
        counts = np.bincount(graph, minlength=k)
        pick = np.concatenate([[0], np.cumsum(counts)[:-1]]) + (rng.random(k) * counts).astype(np.int64)
        c, d, rows = u[pick], v[pick], np.arange(k)
        fine = (c != a) & (d != e1) & (d != a) & (c != e1) & ~adj[rows, a, d] & ~adj[rows, c, e1]
        trial = adj[fine].copy()
        rows, a, e1, c, d = np.arange(len(trial)), a[fine], e1[fine], c[fine], d[fine]
        trial[rows, a, e1] = trial[rows, c, d] = False
        trial[rows, a, d] = trial[rows, c, e1] = True
        if not len(trial):
            continue
        cut = distances(trial, np.zeros(len(trial), dtype=np.int64))[rows, h[fine]] < 0
        done = open_rows[fine][cut]
        twin[done] = trial[cut]
        open_rows = np.setdiff1d(open_rows, done)
        if not len(open_rows):
            break
    return twin


def audited(rng: np.random.Generator, hops: np.ndarray, n_nodes: np.ndarray) -> GraphArrays:
    """Pairs of twins: row 2i reaches its target in hops[i] hops, row 2i + 1 has the same degrees and does not.

    Args:
        rng: Random numbers.
        hops: (P,) at least 1.
        n_nodes: (P,) at least hops + 3.

    Returns:
        2 P graphs; twins share their names.
    """
    n = int(n_nodes.max())
    adjacency = np.zeros((len(hops), n, n), dtype=bool)
    twin = np.zeros_like(adjacency)
    todo = np.arange(len(hops))
    while len(todo):
        draft = _draft(rng, hops[todo], n_nodes[todo])
        draft = np.pad(draft, ((0, 0), (0, n - draft.shape[1]), (0, n - draft.shape[1])))
        cut = _cut(rng, draft, hops[todo])
        good = (cut != draft).any(axis=(1, 2))
        adjacency[todo[good]], twin[todo[good]] = draft[good], cut[good]
        todo = todo[~good]
    both = np.stack([adjacency, twin], axis=1).reshape(-1, n, n)
    hops2, nodes2 = np.repeat(hops, 2), np.repeat(n_nodes, 2)
    keys = np.repeat(rng.random((len(hops), n)), 2, axis=0) + (np.arange(n)[None] >= nodes2[:, None])
    old = np.argsort(keys, axis=1)
    new = np.argsort(old, axis=1)
    rows = np.arange(len(both))
    both = both[rows[:, None, None], old[:, :, None], old[:, None, :]]
    source, target = new[:, 0], new[rows, hops2]
    return GraphArrays(both, nodes2, source, target, distances(both, source))


def _all_pairs(distance: np.ndarray, rows: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """All-pairs distances of some rows after the edge u -> v is added, (rows, n, n)."""
    d = distance[rows]
    i = np.arange(len(rows))
    return np.minimum(d, d[i, :, u][:, :, None] + 1 + d[i, v, :][:, None, :])


def paper(rng: np.random.Generator, hops: np.ndarray, n_nodes: np.ndarray, label: np.ndarray) -> GraphArrays:
    """The paper's graphs: a path and distractors that shorten nothing, or a random graph and a pair without a path.

    Args:
        rng: Random numbers.
        hops: (B,) distance where the label is 1.
        n_nodes: (B,) nodes, at most 26.
        label: (B,) 0 or 1.

    Source: arXiv 2603.21676 and its public code; n/2 to 2n random edges are tried in both kinds.
    """
    b, n, far = len(hops), int(n_nodes.max()), 10_000
    rows = np.arange(b)
    adjacency = np.zeros((b, n, n), dtype=bool)
    distance = np.where(np.eye(n, dtype=bool)[None], 0, far) + np.zeros((b, 1, 1), dtype=np.int64)
    path = np.argsort(rng.random((b, n)) + (np.arange(n)[None] >= n_nodes[:, None]), axis=1)
    for k in range(int(hops.max())):
        here = rows[(label == 1) & (k < hops)]
        u, v = path[here, k], path[here, k + 1]
        adjacency[here, u, v] = True
        distance[here] = _all_pairs(distance, here, u, v)
    source, target = path[:, 0], path[rows, hops]
    low = n_nodes // 2
    wanted = low + (rng.random(b) * (2 * n_nodes - low + 1)).astype(np.int64)
    for k in range(int(wanted.max())):
        u = (rng.random(b) * n_nodes).astype(np.int64)
        v = (u + 1 + (rng.random(b) * (n_nodes - 1)).astype(np.int64)) % n_nodes
        here = rows[k < wanted]
        near = _all_pairs(distance, here, u[here], v[here])
        short = (label[here] == 1) & (near[np.arange(len(here)), source[here], target[here]] < hops[here])
        distance[here[~short]] = near[~short]
        adjacency[here[~short], u[here[~short]], v[here[~short]]] = True
    valid = np.arange(n)[None] < n_nodes[:, None]
    apart = (distance >= far) & valid[:, :, None] & valid[:, None, :]
    flat = np.argmax(rng.random((b, n * n)) * apart.reshape(b, -1), axis=1)
    negative = label == 0
    source, target = np.where(negative, flat // n, source), np.where(negative, flat % n, target)
    arrays = GraphArrays(adjacency, n_nodes, source, target, distances(adjacency, source))
    again = np.flatnonzero(negative & ~apart.any(axis=(1, 2)))  # strongly connected: no pair without a path
    if len(again):
        fresh = paper(rng, hops[again], n_nodes[again], label[again])
        for name in ("adjacency", "source", "target", "distance"):
            old, new = getattr(arrays, name), getattr(fresh, name)
            old[again] = np.pad(
                new,
                [(0, 0)] + [(0, s - t) for s, t in zip(old.shape[1:], new.shape[1:], strict=True)],
                constant_values=-1 if name == "distance" else 0,
            )
    return arrays


def draw(rng: np.random.Generator, hops: np.ndarray, data: str, n_nodes: np.ndarray | None = None) -> GraphArrays:
    """As many graphs as there are entries in `hops`, half of them with a path.

    Args:
        rng: Random numbers.
        hops: (B,), B even; for audited data the twins of row 2i take hops[2i].
        data: "audited" or "paper".
        n_nodes: (B,) nodes; None draws them by difficulty.
    """
    if data == "audited":
        hops = hops[::2]
        if n_nodes is None:
            low, high = np.maximum(8, hops + np.maximum(4, (0.28 * hops).astype(np.int64))), hops + 10 + hops // 4
            n_nodes = rng.integers(low, np.maximum(high, low) + 1)
        else:
            n_nodes = np.maximum(n_nodes[::2], hops + 3)
        return audited(rng, hops, n_nodes)
    if n_nodes is None:
        high = np.maximum(np.minimum(np.maximum(hops + 6, 16), PAPER_MAX_NODES), hops + 2)
        n_nodes = rng.integers(np.minimum(np.maximum(hops + 2, 10), high), high + 1)
    label = np.arange(len(hops)) % 2 == 0
    return paper(rng, hops, np.maximum(n_nodes, hops + 2), label.astype(np.int64))


def generate(
    difficulty: int, count: int, data: str = "audited", seed: int = 0, split: str = "test"
) -> list[GraphInstance]:
    """Instances of one difficulty, positives and negatives in turn (twins follow each other in audited data).

    Args:
        difficulty: Hops from source to target of the positives.
        count: How many instances.
        data: "audited" or "paper".
        seed: Same seed, same instances; more of them begin with the same.
        split: "train", "validation" or "test".

    Raises:
        InputError: If the difficulty or the data is not to be had.
    """
    if data not in ("audited", "paper"):
        raise InputError(f"data should be 'audited' or 'paper' (got {data!r})")
    if not 1 <= difficulty <= MAX_HOPS:
        raise InputError(f"graph difficulty is hops, from 1 to {MAX_HOPS} (got {difficulty})")
    if data == "paper" and difficulty > len(LETTERS) - 2:
        raise InputError(f"the paper's graphs have at most 26 nodes, so at most 24 hops (got {difficulty})")
    chunk = min(64, 2 * (4_000_000 // (2 * (difficulty + 16) ** 2) + 1))  # bounds memory; the same for every count
    out: list[GraphInstance] = []
    while len(out) < count:
        rng = np.random.default_rng([SPLITS[split], seed, difficulty, int(data == "paper"), len(out)])
        out.extend(draw(rng, np.full(chunk, difficulty), data).instances())
    return out[:count]


def lesson(arrays: GraphArrays, *, named: bool) -> Lesson:
    """Graphs with the oracle's word on every node; nodes attend along incoming edges and to themselves.

    Args:
        arrays: The graphs.
        named: Whether nodes carry names A..Z (token 1..26), or all the same token 1.
    """
    rows, n = np.arange(len(arrays)), arrays.adjacency.shape[1]
    valid = np.arange(n)[None] < arrays.n_nodes[:, None]
    tokens = np.where(valid, np.arange(1, n + 1)[None] if named else 1, 0)
    roles = np.zeros_like(tokens)
    roles[rows, arrays.source] |= SOURCE
    roles[rows, arrays.target] |= TARGET
    batch = Batch(
        token_ids=torch.from_numpy(tokens),
        roles=torch.from_numpy(roles),
        valid=torch.from_numpy(valid),
        answer=torch.from_numpy(arrays.target),
        source=torch.from_numpy(arrays.source),
        allowed=torch.from_numpy(arrays.adjacency.transpose(0, 2, 1) | np.eye(n, dtype=bool)[None]),
    )
    return _lesson(arrays, batch, valid, arrays.distance)


def _lesson(arrays: GraphArrays, batch: Batch, valid: np.ndarray, distance: np.ndarray) -> Lesson:
    return Lesson(
        batch,
        torch.from_numpy(arrays.label),
        torch.from_numpy(np.where(valid, 1, NOTHING)),
        torch.from_numpy(np.where(distance >= 0, distance, NEVER)),
        torch.zeros(valid.shape, dtype=torch.long),
    )


ENDS, TAIL, HEAD = 1, 2, 3
"""Tokens of a graph written as its edges: the two nodes asked about, and where an edge comes from and goes to."""


def token_lesson(arrays: GraphArrays, rng: np.random.Generator) -> Lesson:
    """Graphs as tokens: source, target, then the edges in a random order, two tokens each, full attention.

    Nodes have no names of their own; equal tokens are mentions of one node.
    """
    b = len(arrays)
    graph, u, v = np.nonzero(arrays.adjacency)
    order = np.lexsort((rng.random(len(graph)), graph))
    graph, u, v = graph[order], u[order], v[order]
    count = np.bincount(graph, minlength=b)
    place = 2 + 2 * (np.arange(len(graph)) - np.repeat(np.cumsum(count) - count, count))
    node = np.full((b, 2 + 2 * int(count.max())), -1)
    node[:, 0], node[:, 1] = arrays.source, arrays.target
    node[graph, place], node[graph, place + 1] = u, v
    mention = node >= 0
    tokens = np.where(mention, np.where(np.arange(node.shape[1]) % 2 == 0, TAIL, HEAD), 0)
    tokens[:, :2] = ENDS
    roles = np.zeros_like(tokens)
    roles[:, 0], roles[:, 1] = SOURCE, TARGET
    distance = np.take_along_axis(arrays.distance, np.maximum(node, 0), axis=1)
    batch = Batch(
        token_ids=torch.from_numpy(tokens),
        roles=torch.from_numpy(roles),
        valid=torch.from_numpy(mention),
        answer=torch.ones(b, dtype=torch.long),
        source=torch.zeros(b, dtype=torch.long),
        entity=torch.from_numpy(node + 1),
    )
    return _lesson(arrays, batch, mention, distance)
