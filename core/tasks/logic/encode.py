"""How a formula becomes nodes for a model: its tree, or [CLS] and its tokens."""

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, NOTHING, Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks.logic.build import Builder, rebuilt
from depthscope.core.tasks.logic.generate import bracket_depth
from depthscope.core.tasks.logic.instance import AND, CLS, NAME, NOT, OR, VOCABULARY, XOR, LogicInstance
from depthscope.core.tasks.logic.left_to_right import as_read

MAX_REWRITTEN = 20_000


def without_xor(instance: LogicInstance) -> LogicInstance:
    """The same formula over & | ! alone: a ^ b becomes ((a & !b) | (!a & b)).

    Raises:
        InputError: If nested ^ would make it longer than MAX_REWRITTEN subformulas.
    """

    def make(builder: Builder, i: int, a: int, b: int) -> int:
        if instance.kind[i] == XOR:
            one = builder.add(AND, a, builder.add(NOT, b))
            part = builder.add(OR, one, builder.add(AND, builder.add(NOT, a), b))
        else:
            part = builder.add(int(instance.kind[i]), a, b)
        if builder.size[part] > MAX_REWRITTEN:
            raise InputError(
                f"without ^ this formula has more than {MAX_REWRITTEN} parts; use a checkpoint that knows ^"
            )
        return part

    return rebuilt(instance, make, instance.notes)


def as_given(instance: LogicInstance, config: ModelConfig) -> LogicInstance:
    """The formula that a model is in fact given: without ^ where it does not know it."""
    return without_xor(instance) if config.vocabulary <= XOR and (instance.kind == XOR).any() else instance


def encoded(instance: LogicInstance, encoding: Encoding) -> LogicInstance:
    """The formula that an encoding's nodes speak of: the instance, or what its ^ was rewritten into."""
    count = len(np.unique(encoding.instance_node[encoding.instance_node >= 0]))
    return instance if count == instance.n_subformulas else without_xor(instance)


def encode(instance: LogicInstance, config: ModelConfig) -> Encoding:
    """A formula as a model reads it: its tree, or [CLS] and its tokens.

    Args:
        instance: The formula.
        config: Of the model; one whose vocabulary ends before `^` gets the formula rewritten without it.

    Raises:
        InputError: If the model is of another task.
    """
    if config.task != NAME:
        raise InputError(f"this checkpoint reads {config.task}, not a formula")
    notes, rewritten = (), as_given(instance, config)
    if rewritten is not instance:
        notes = (f"This checkpoint does not know ^; the formula was rewritten as {rewritten.text[:400]}",)
        instance = rewritten
    if config.attention == "edges":
        return _tree(instance, notes)
    tokens = _tokens(instance, notes)
    return as_read(instance, tokens) if config.attention == "none" else tokens


def _tree(instance: LogicInstance, notes: tuple[str, ...]) -> Encoding:
    """Nodes are subformulas; each attends to its children, and an atom, which has none, to itself.

    Operators do not attend to themselves: with a loop the learned states drift with height and depth 16 falls from 1.00
    to .70, since a node's own past is kept by the gate already.
    """
    m = instance.n_subformulas
    atoms, below = np.flatnonzero(instance.left < 0), np.flatnonzero(instance.parent >= 0)
    edges = np.concatenate([[atoms, atoms], [instance.parent[below], below]], axis=1)
    return Encoding(
        interface="edges",
        labels=tuple(VOCABULARY[k] for k in instance.kind),
        token_ids=instance.kind.astype(np.int64),
        roles=np.zeros(m, dtype=np.int64),
        edge_index=edges[:, np.lexsort((edges[1], edges[0]))],
        answer=instance.root,
        source=0,
        value=instance.value,
        true_from=np.zeros(m, dtype=np.int64),
        known_from=instance.decided_from.astype(np.int64),
        instance_node=np.arange(m),
        notes=notes,
    )


def _tokens(instance: LogicInstance, notes: tuple[str, ...]) -> Encoding:
    """Nodes are [CLS] and the canonical tokens; the value stands at operators and atoms, and at [CLS]."""
    ids = np.concatenate([[CLS], instance.token_ids])
    n, place = len(ids), instance.position + 1
    value = np.full(n, NOTHING, dtype=np.int8)
    known = np.full(n, NEVER, dtype=np.int64)
    instance_node = np.full(n, -1, dtype=np.int64)
    value[place], known[place] = instance.value, instance.decided_from
    instance_node[place] = np.arange(instance.n_subformulas)
    value[0], known[0] = instance.label, instance.first_decidable_step()
    return Encoding(
        interface="tokens",
        labels=tuple(VOCABULARY[i] for i in ids),
        token_ids=ids,
        roles=np.zeros(n, dtype=np.int64),
        edge_index=None,
        answer=0,
        source=0,
        value=value,
        true_from=np.zeros(n, dtype=np.int64),
        known_from=known,
        instance_node=instance_node,
        bracket=np.concatenate([[0], bracket_depth(instance.token_ids)]),
        notes=notes,
    )
