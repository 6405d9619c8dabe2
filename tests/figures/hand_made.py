"""Traces made by hand, not by a model: a perfect breadth-first wave and a perfect evaluation, for tests of drawing."""

from __future__ import annotations

import numpy as np

from depthscope.core.encoding import NEVER, NOTHING, SOURCE, TARGET, Encoding
from depthscope.core.tasks.graph.encode import encode as encode_graph
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.tasks.logic.instance import AND, CLOSE, CLS, NOT, OPEN, OR, VOCABULARY, F, LogicInstance, T
from depthscope.core.tasks.text.encode import encode as encode_text
from depthscope.core.tasks.text.grammar import parse
from depthscope.core.tasks.text.instance import TextInstance
from depthscope.core.trace import Trace
from depthscope.core.training import recipes


def letters(n: int) -> tuple[str, ...]:
    return tuple(chr(65 + i) if n <= 26 else f"n{i}" for i in range(n))


def layered_graph(
    sizes: tuple[int, ...], stranded: int = 0, seed: int = 0, names: tuple[str, ...] = ()
) -> GraphInstance:
    """Layers of given sizes, each node fed from the layer before, some edges back; then nodes without a path."""
    rng = np.random.default_rng(seed)
    start = np.cumsum([0, *sizes])
    edges = set()
    for k in range(1, len(sizes)):
        for j in range(start[k], start[k + 1]):
            n_in = min(sizes[k - 1], 1 + int(rng.integers(0, 2)))
            for i in rng.choice(np.arange(start[k - 1], start[k]), n_in, replace=False):
                edges.add((int(i), j))
    total = int(start[-1])
    for _ in range(total // 4):
        i, j = rng.integers(0, total, 2)
        if i > j:
            edges.add((int(i), int(j)))
    for j in range(total, total + stranded):
        edges.add((j, int(rng.integers(1, total))))
        if j > total:
            edges.add((j, j - 1))
    pairs = np.array(sorted(edges), dtype=np.int64).reshape(-1, 2)
    n = total + stranded
    return GraphInstance(names or letters(n), pairs, 0, total - 1)


def chain(hops: int) -> GraphInstance:
    i = np.arange(hops)
    return GraphInstance(letters(hops + 1), np.stack([i, i + 1], axis=1), 0, hops)


def _wave_states(rng: np.random.Generator, level: np.ndarray, rows: int, d: int = 32) -> np.ndarray:
    """States that move along a direction of their own when the wave passes and then settle."""
    n = len(level)
    start, end = rng.normal(size=(n, d)) * 0.35, rng.normal(size=(2, d)) + 0
    when = np.where(level == NEVER, 10 * rows, level)[None, :, None]
    t = np.arange(rows)[:, None, None]
    near = 1 / (1 + np.exp(np.clip(-(t - when + 0.3) * 1.6, -60, 60)))
    drift = 0.04 * np.cumsum(rng.normal(size=(rows, n, d)) * 0.7 ** np.arange(rows)[:, None, None], axis=0)
    turn = np.sin(np.minimum(t, when) / 5.0) * rng.normal(size=(1, 1, d)) * 0.5
    return (start + (1 - near) * end[0] + near * end[1] * 2 + drift + turn).astype(np.float32)


def graph_trace(
    instance: GraphInstance,
    steps: int,
    *,
    n_heads: int = 4,
    dense: bool = False,
    answer: int | None = None,
    seed: int = 0,
) -> Trace:
    """A breadth-first wave: readout +6 from the step of each node's distance on, attention over incoming edges."""
    rng = np.random.default_rng(seed)
    n = instance.n_nodes
    loops = np.arange(n)
    query = np.concatenate([instance.edges[:, 1], loops])
    key = np.concatenate([instance.edges[:, 0], loops])
    order = np.lexsort((key, query))
    edge_index = np.stack([query[order], key[order]])
    distance = instance.distance
    when = np.where(distance >= 0, distance, NEVER).astype(np.int32)
    roles = np.zeros(n, dtype=np.int64)
    roles[instance.source] |= SOURCE
    roles[instance.target] |= TARGET
    encoding = Encoding(
        interface="edges",
        labels=instance.names,
        token_ids=loops,
        roles=roles,
        edge_index=edge_index,
        answer=instance.target,
        source=instance.source,
        value=np.ones(n, dtype=np.int8),
        true_from=when,
        known_from=np.zeros(n, dtype=np.int32),
        instance_node=loops,
    )
    t = np.arange(steps + 1)[:, None]
    readout = np.where(t >= when[None], 6.0, -6.0) + 1.5 * rng.normal(size=(steps + 1, n))
    readout = np.where((t < when[None]) & (t >= when[None] - 1), -1.2, readout)
    logits = readout[:, instance.target].copy()
    if answer is not None:
        logits = np.where(np.arange(steps + 1) > steps // 2, 5.0, -5.0) * (1 if answer else -1)
    score = rng.normal(size=(steps, n_heads, edge_index.shape[1])) * 0.7
    sender = when[edge_index[1]]
    score += 2.5 * (np.arange(steps)[:, None, None] == sender[None, None])
    weight = np.exp(score)
    total = np.zeros((steps, n_heads, n))
    for a in range(steps):
        for h in range(n_heads):
            total[a, h] = np.bincount(edge_index[0], weight[a, h], minlength=n)
    attention = (weight / total[:, :, edge_index[0]]).astype(np.float32)
    if dense:
        full = np.zeros((steps, n_heads, n, n), dtype=np.float32)
        full[:, :, edge_index[0], edge_index[1]] = attention
        attention = full
    truth, is_known = encoding.truth(steps)
    return Trace(
        checkpoint="hand-made",
        instance=instance,
        encoding=encoding,
        hidden=_wave_states(rng, when, steps + 1),
        attention=attention,
        edge_index=None if dense else edge_index,
        gate=None,
        readout=readout.astype(np.float32),
        logits=logits.astype(np.float32),
        truth=truth,
        known=is_known,
    )


def formula() -> LogicInstance:
    """((T&F)|!((F|T)&(T&(T|F))))."""
    tree = (OR, (AND, T, F), (NOT, (AND, (OR, F, T), (AND, T, (OR, T, F)))))
    kind: list[int] = []
    left: list[int] = []
    right: list[int] = []

    def add(node: object) -> int:
        if isinstance(node, int):
            kind.append(node)
            left.append(-1)
            right.append(-1)
            return len(kind) - 1
        op, *children = node  # type: ignore[misc]
        if op == NOT:
            at = len(kind)
            kind.append(op)
            left.append(-1)
            right.append(-1)
            left[at] = add(children[0])
            return at
        a = add(children[0])
        at = len(kind)
        kind.append(op)
        left.append(a)
        right.append(-1)
        right[at] = add(children[1])
        return at

    root = add(tree)
    return LogicInstance(np.array(kind, np.int8), np.array(left, np.int32), np.array(right, np.int32), root)


def formula_trace(instance: LogicInstance, steps: int, interface: str, *, n_heads: int = 4, seed: int = 0) -> Trace:
    """Each subformula's readout turns to its value at the step from which it is decidable."""
    rng = np.random.default_rng(seed)
    m = instance.n_subformulas
    if interface == "edges":
        sub, labels = np.arange(m), tuple(VOCABULARY[k] for k in instance.kind)
        pairs = [(i, i) for i in range(m)]
        for i in range(m):
            pairs += [(i, int(c)) for c in (instance.left[i], instance.right[i]) if c >= 0]
        edge_index = np.array(sorted(pairs)).T
        answer = instance.root
    else:
        ids = np.concatenate([[CLS], instance.token_ids])
        labels = tuple(VOCABULARY[i] for i in ids)
        sub = np.full(len(ids), -1)
        sub[instance.position + 1] = np.arange(m)
        edge_index, answer = None, 0
        assert OPEN in ids
        assert CLOSE in ids
    n = len(labels)
    has = sub >= 0
    value = np.where(has, instance.value[sub], NOTHING).astype(np.int16)
    when = np.where(has, instance.decided_from[sub], NEVER).astype(np.int32)
    if interface == "tokens":
        value[0], when[0] = instance.label, instance.first_decidable_step()
    encoding = Encoding(
        interface=interface,
        labels=labels,
        token_ids=np.zeros(n, dtype=np.int64),
        roles=np.zeros(n, dtype=np.int64),
        edge_index=edge_index,
        answer=answer,
        source=0,
        value=value,
        true_from=np.zeros(n, dtype=np.int32),
        known_from=when,
        instance_node=sub,
    )
    t = np.arange(steps + 1)[:, None]
    sign = np.where(value == 1, 1.0, -1.0)
    readout = np.where(t >= when[None], 5 * sign, 0.4 * sign) + 0.8 * rng.normal(size=(steps + 1, n))
    first = instance.first_decidable_step()
    logits = np.where(np.arange(steps + 1) > first, 5.0, -1.0) * (1 if instance.label else -1)
    if edge_index is None:
        attention = rng.dirichlet(np.full(n, 0.12), size=(steps, n_heads, n)).astype(np.float32)
    else:
        attention = rng.uniform(0.05, 0.6, size=(steps, n_heads, edge_index.shape[1])).astype(np.float32)
    truth, known = encoding.truth(steps)
    return Trace(
        checkpoint="hand-made",
        instance=instance,
        encoding=encoding,
        hidden=_wave_states(rng, when, steps + 1),
        attention=attention,
        edge_index=edge_index,
        gate=None,
        readout=readout.astype(np.float32),
        logits=logits.astype(np.float32),
        truth=truth,
        known=known,
    )


def readings(trace: Trace) -> dict[str, np.ndarray]:
    assert trace.readout is not None
    p = 1 / (1 + np.exp(-trace.readout.astype(np.float64)))
    probe = np.where(~trace.encoding.carries[None], np.nan, np.clip(p * 0.8 + 0.1, 0, 1))
    p = np.where(trace.encoding.carries | (trace.instance.task == "logic"), p, np.nan)
    return {"model readout": p, "probe: " + trace.instance.concept: probe}


def text_trace(text: str, steps: int, interface: str = "tokens", *, n_heads: int = 4, seed: int = 0) -> Trace:
    """A wave along the facts: each mention's readout turns to what its offset is once the oracle knows it."""
    recipe = recipes.get("text", "house-tokens") if interface == "tokens" else recipes.get("text", "house-facts")
    instance = parse(text)
    encoding = encode_text(instance, recipe.model)
    return _read(instance, encoding, steps, n_heads, seed)


def graph_as_tokens(instance: GraphInstance, steps: int, *, n_heads: int = 4, seed: int = 0) -> Trace:
    """A graph read as tokens, several for each node, each with a readout of its own."""
    return _read(instance, encode_graph(instance, recipes.get("graph", "house-tokens").model), steps, n_heads, seed)


def _read(instance: GraphInstance | TextInstance, encoding: Encoding, steps: int, n_heads: int, seed: int) -> Trace:
    rng = np.random.default_rng(seed)
    n, when = encoding.n_nodes, encoding.true_from
    t = np.arange(steps + 1)[:, None]
    right = (t >= when[None]) & (encoding.value == encoding.asked)[None]
    readout = np.where(right, 5.0, -5.0) + 1.5 * rng.normal(size=(steps + 1, n))
    if encoding.edge_index is None:
        same = encoding.entity[:, None] == encoding.entity[None] if encoding.entity is not None else np.eye(n)
        near = np.abs(np.arange(n)[:, None] - np.arange(n)[None]) <= 4
        score = 2.5 * rng.normal(size=(steps, n_heads, n, n)) + 3.0 * same + 2.0 * near
        attention = np.exp(score - score.max(-1, keepdims=True))
        attention = (attention / attention.sum(-1, keepdims=True)).astype(np.float32)
    else:
        attention = rng.uniform(0.05, 0.6, (steps, n_heads, encoding.edge_index.shape[1])).astype(np.float32)
    truth, known = encoding.truth(steps)
    return Trace(
        checkpoint="hand-made",
        instance=instance,
        encoding=encoding,
        hidden=_wave_states(rng, when, steps + 1),
        attention=attention,
        edge_index=encoding.edge_index,
        gate=None,
        readout=readout.astype(np.float32),
        logits=readout[:, encoding.answer].astype(np.float32),
        truth=truth,
        known=known,
    )
