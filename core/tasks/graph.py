"""The graph task: is the target reachable from the source along directed edges?

The face of the task. The instance and its oracle are in `graph_instance`, the generators in `graph_data`, the readers
of file formats in `graph_formats`; how an instance becomes nodes for a model is here.
"""

import numpy as np

from core.config import ModelConfig
from core.encoding import NEVER, SOURCE, TARGET, Encoding
from core.errors import InputError
from core.tasks.graph_data import generate
from core.tasks.graph_formats import parse, render
from core.tasks.graph_instance import CONCEPT, TASK, GraphInstance
from core.tasks.graph_letters import letter_names

__all__ = ["CONCEPT", "TASK", "GraphInstance", "encode", "generate", "parse", "render"]


def encode(instance: GraphInstance, config: ModelConfig) -> Encoding:
    """A graph as a model reads it: nodes attend along incoming edges and to themselves.

    Args:
        instance: The graph; its nodes keep their order.
        config: Of the model; where its nodes have names, they are A..Z.

    Raises:
        InputError: If the model is of another task, or knows fewer names than there are nodes.
    """
    if config.task != TASK or config.attention != "edges":
        raise InputError(
            f"this checkpoint reads {config.task} by {config.attention} attention, not a graph by its edges"
        )
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
        subformula=np.arange(n),
        notes=tuple(notes),
    )
