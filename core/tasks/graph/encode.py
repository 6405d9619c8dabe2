"""How a graph becomes nodes for a model: its nodes along their incoming edges, or its edges as tokens."""

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, SOURCE, TARGET, Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.generate import ENDS, HEAD, TAIL
from depthscope.core.tasks.graph.instance import LETTERS, NAME, GraphInstance

MAX_LISTED, MAX_LABEL = 3, 24
"""Nodes named in a note, and characters of a name."""


def encode(instance: GraphInstance, config: ModelConfig) -> Encoding:
    """A graph as a model reads it: its nodes along their incoming edges, or its edges as tokens.

    Args:
        instance: The graph; its nodes keep their order.
        config: Of the model; where its nodes have names, they are A..Z.

    Raises:
        InputError: If the model is of another task, or knows fewer names than there are nodes.
    """
    if config.task != NAME:
        raise InputError(f"this checkpoint reads {config.task}, not a graph")
    return _nodes(instance, config) if config.attention == "edges" else _tokens(instance)


def _nodes(instance: GraphInstance, config: ModelConfig) -> Encoding:
    """Nodes attend along incoming edges and to themselves."""
    n, notes = instance.n_nodes, ()
    tokens = np.ones(n, dtype=np.int64)
    if config.identity == "vocabulary":
        letters, notes = letter_names(instance)
        tokens = np.array(letters, dtype=np.int64)
    roles = np.zeros(n, dtype=np.int64)
    roles[instance.source] |= SOURCE
    roles[instance.target] |= TARGET
    loops = np.arange(n)
    query = np.concatenate([instance.edges[:, 1], loops])
    key = np.concatenate([instance.edges[:, 0], loops])
    order = np.lexsort((key, query))
    return Encoding(
        interface="edges",
        labels=instance.names,
        token_ids=tokens,
        roles=roles,
        edge_index=np.stack([query[order], key[order]]),
        answer=instance.target,
        source=instance.source,
        value=np.ones(n, dtype=np.int8),
        true_from=np.where(instance.distance >= 0, instance.distance, NEVER),
        known_from=np.zeros(n, dtype=np.int64),
        instance_node=np.arange(n),
        notes=tuple(notes),
    )


def _tokens(instance: GraphInstance) -> Encoding:
    """Source, target, and the edges in an order that tells nothing, two tokens each."""
    order = np.random.default_rng(len(instance.edges)).permutation(len(instance.edges))
    node = np.concatenate([[instance.source, instance.target], instance.edges[order].ravel()])
    tokens = np.where(np.arange(len(node)) % 2 == 0, TAIL, HEAD)
    tokens[:2] = ENDS
    roles = np.zeros(len(node), dtype=np.int64)
    roles[:2] = SOURCE, TARGET
    distance = instance.distance[node]
    return Encoding(
        interface="tokens",
        labels=tuple(instance.names[i] for i in node.tolist()),
        token_ids=tokens,
        roles=roles,
        edge_index=None,
        answer=1,
        source=0,
        value=np.ones(len(node), dtype=np.int8),
        true_from=np.where(distance >= 0, distance, NEVER),
        known_from=np.zeros(len(node), dtype=np.int64),
        instance_node=node,
        entity=node + 1,
        notes=_unnamed(instance, node),
    )


def _unnamed(instance: GraphInstance, node: np.ndarray) -> tuple[str, ...]:
    """A sentence about the nodes that no token names, none if there are none."""
    missing = np.setdiff1d(np.arange(instance.n_nodes), node)
    if not len(missing):
        return ()
    names = [instance.names[i] for i in missing[:MAX_LISTED].tolist()]
    listed = ", ".join(name if len(name) <= MAX_LABEL else f"{name[: MAX_LABEL - 1]}…" for name in names)
    more = f" and {len(missing) - MAX_LISTED:,} more" if len(missing) > MAX_LISTED else ""
    have, are = ("has", "is") if len(missing) == 1 else ("have", "are")
    why = "this model reads edges, and no token names a node without one"
    return (f"{listed}{more} {have} no edge and {are} not drawn: {why}.",)


def letter_names(instance: GraphInstance) -> tuple[list[int], tuple[str, ...]]:
    """A letter for every node: single letters A..Z keep their own, other names get free ones in order.

    Returns:
        The token id of each node's letter, 1 (A) to 26 (Z), and a sentence that shows who was renamed, if any was.

    Raises:
        InputError: If there are more nodes than letters.
    """
    if instance.n_nodes > len(LETTERS):
        raise InputError(
            f"the graph has {instance.n_nodes:,} nodes but this checkpoint knows only {len(LETTERS)} names (A to Z); "
            "take a smaller graph or a checkpoint without names"
        )
    free = iter([letter for letter in LETTERS if letter not in instance.names])
    letters = [name if name in LETTERS else next(free) for name in instance.names]
    renamed = [f"{name[:40]!r} is {new}" for name, new in zip(instance.names, letters, strict=True) if name != new]
    notes = (f"This checkpoint knows only the names A to Z: {', '.join(renamed)}.",) if renamed else ()
    return [LETTERS.index(letter) + 1 for letter in letters], notes
