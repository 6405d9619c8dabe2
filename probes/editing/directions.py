"""What is steered and what should follow: places, expected changes and directions, for each task.

Graph: a node that the source never reaches is made "reached"; those of its descendants that are unreached should
follow, each after as many steps as it is hops away. Logic: a subformula's value is turned; the operators above should
turn as far as the value decides theirs. Text: a person is moved one generation; those whom the chain joins through that
person should follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import MAX_OFFSET, NEVER, NOTHING, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.instance import GraphInstance, hop_distances
from depthscope.core.tasks.logic.instance import AND, XOR, F, LogicInstance, T
from depthscope.core.tasks.text.instance import TextInstance
from depthscope.probes.editing import language as edits
from depthscope.probes.measuring import results
from depthscope.probes.reading import linear_probe, margins as reading, nodes as sample

MEANS, READOUT, PROBE = "means", "readout", "probe"
DIRECTIONS = (MEANS, READOUT, PROBE)
"""What a state can be moved along."""

SAID_CELLS = 1 << 24
"""States read at once, counted in numbers."""

GRAPH_STEP = 3
"""Step at which a graph's node is steered; others are steered once the oracle has the whole."""


@dataclass(frozen=True)
class Place:
    """One thing to steer, and what should follow.

    Attributes:
        nodes: The nodes that stand for it.
        step: t.
        lasting: Whether it is steered at every step from t on; a value that is computed anew each step has to be.
        before: Value that the nodes have.
        after: Value that they are given.
        distance: (n,) hops, levels or facts from it to each node that should follow; NEVER for all others.
        value: (n,) value that each should have then.
    """

    nodes: tuple[int, ...]
    step: int
    lasting: bool
    before: int
    after: int
    distance: np.ndarray
    value: np.ndarray

    @property
    def steps(self) -> int:
        """T: long enough for all that should follow, at two steps a hop."""
        far = self.distance[self.distance != NEVER]
        return self.step + 2 * int(far.max(initial=0)) + 4


def places(
    checkpoint: Checkpoint,
    instance: Any,
    rng: np.random.Generator,
    count: int,
    node: str | None = None,
    at: int | None = None,
) -> list[Place]:
    """Some places of an instance from which something should follow, at random; fewer where there are fewer.

    Args:
        checkpoint: Reads the instance.
        instance: Of its task.
        rng: Draws them.
        count: How many at most.
        node: Name or number of the one node to steer; None draws them.
        at: Step at which they are steered; None takes the task's own.

    Raises:
        InputError: If there is no such node.
    """
    encoding = tasks.get(instance.task).encode(instance, checkpoint.config)
    instance = reading.as_given(instance, checkpoint)
    find = {"graph": _graph, "logic": _logic, "text": _text}[instance.task]
    units = rng.permutation(encoding.subformula.max(initial=-1) + 1).tolist()
    found = []
    for unit in units if node is None else [_unit(encoding, node)]:
        place = find(instance, encoding, unit)
        if place is not None and (place.distance != NEVER).any():
            found.append(place if at is None else replace(place, step=at))
        if len(found) == count:
            break
    return found


def _unit(encoding: Encoding, node: str) -> int:
    """What a node stands for, by its name or number; a person by a name, however often it is mentioned."""
    named = [i for i, label in enumerate(encoding.labels) if label == node]
    units = set(encoding.subformula[named].tolist())
    i = named[0] if len(units) == 1 else edits.node_of(node, encoding.labels)
    if i >= encoding.n_nodes or encoding.subformula[i] < 0:
        raise InputError(f"{node!r:.40} is no node that carries the concept, so that there is nothing to steer")
    return int(encoding.subformula[i])


def _graph(instance: GraphInstance, encoding: Encoding, node: int) -> Place | None:
    if instance.distance[node] >= 0:
        return None
    hops = hop_distances(instance.n_nodes, instance.edges, node)
    follows = (hops > 0) & (instance.distance < 0)
    far = np.where(encoding.carries, np.where(follows, hops, NEVER)[encoding.subformula], NEVER)
    mine = _nodes(encoding, node)
    return Place(mine, GRAPH_STEP, False, 0, 1, far, np.ones(encoding.n_nodes, dtype=np.int64)) if mine else None


def _logic(instance: LogicInstance, encoding: Encoding, node: int) -> Place | None:
    m = instance.n_subformulas
    parent = np.full(m, -1)
    for child in (instance.left, instance.right):
        parent[child[child >= 0]] = np.flatnonzero(child >= 0)
    mine = _nodes(encoding, node)
    if instance.left[node] < 0 or not mine:  # an atom shows its value
        return None
    far, child, above = np.full(m, NEVER), node, int(parent[node])
    while above >= 0 and _turns(instance, above, child):
        far[above] = instance.level[node] - instance.level[above]
        child, above = above, int(parent[above])
    has = encoding.subformula >= 0
    by_node = np.where(has, far[np.maximum(encoding.subformula, 0)], NEVER)
    if not has[encoding.answer] and far[instance.root] != NEVER:
        by_node[encoding.answer] = far[instance.root] + 1  # [CLS]
    by_node = np.where(encoding.carries, by_node, NEVER)
    value = int(instance.value[node])
    step = instance.first_decidable_step() + 4 if encoding.edge_index is not None else 3 * instance.depth + 6
    return Place(mine, step, True, value, 1 - value, by_node, 1 - encoding.value.astype(np.int64))


def _turns(instance: LogicInstance, above: int, child: int) -> bool:
    """Whether an operator's value turns with that of one child."""
    a, b, kind = int(instance.left[above]), int(instance.right[above]), int(instance.kind[above])
    if b < 0 or kind == XOR:
        return True
    sibling = int(instance.value[b if child == a else a])
    return sibling == (1 if kind == AND else 0)  # & with a true one, | with a false one


def _text(instance: TextInstance, encoding: Encoding, person: int) -> Place | None:
    distance = instance.distance
    if distance[person] <= 0 or abs(int(instance.offset[person])) + 1 > MAX_OFFSET:
        return None
    through = np.full(instance.n_names, -1)
    through[person] = 0
    for _ in range(instance.n_names):
        for a, _, b in instance.facts.tolist():
            for x, y in ((a, b), (b, a)):
                if through[x] >= 0 and distance[y] == distance[x] + 1:
                    through[y] = through[x] + 1
    names = np.maximum(encoding.subformula, 0)
    follows = (encoding.subformula >= 0) & (through[names] > 0)
    value = (instance.offset[names] + 1).astype(np.int64)
    own = int(instance.offset[person])
    step = 2 * int(distance.max()) + 4
    return Place(_nodes(encoding, person), step, True, own, own + 1, np.where(follows, through[names], NEVER), value)


def _nodes(encoding: Encoding, unit: int) -> tuple[int, ...]:
    return tuple(np.flatnonzero(encoding.subformula == unit).tolist())


@torch.inference_mode()
def said(checkpoint: Checkpoint, encoding: Encoding, hidden: np.ndarray) -> np.ndarray:
    """The value read at every node, (..., n) for states (..., n, d); in texts the most likely offset."""
    model = checkpoint.model
    like = next(model.parameters())
    batch = collate([encoding]).to(like.device)
    flat = torch.from_numpy(hidden.reshape(-1, 1, *hidden.shape[-2:]))  # (S, 1, n, d)
    values = []
    for part in flat.split(max(1, SAID_CELLS // max(1, flat[0].numel()))):
        if checkpoint.config.readout == "offset":
            values.append(model.concept(part.to(like), batch)[:, 0].argmax(-1) - MAX_OFFSET)
        else:
            values.append((model.readout(part.to(like), batch)[1][:, 0] > 0).long())
    return torch.cat(values).cpu().numpy().reshape(hidden.shape[:-1])


@dataclass(frozen=True)
class Means:
    """Mean states by value of the concept, after one step count.

    Attributes:
        mean: Value to a vector (d,).
        count: Value to the nodes it is the mean of.
    """

    mean: dict[int, np.ndarray]
    count: dict[int, int]

    def towards(self, before: int, after: int) -> np.ndarray | None:
        """From the mean state of one value to that of another, (d,); None where one was not seen."""
        if before not in self.mean or after not in self.mean:
            return None
        return self.mean[after] - self.mean[before]


def means(checkpoint: Checkpoint, instances: Sequence[Any], step: int) -> Means:
    """Mean states after some steps of the nodes with each value; operators alone in formulas."""
    task = tasks.get(checkpoint.config.task)
    encodings = [task.encode(x, checkpoint.config) for x in instances]
    truth = [e.truth(step)[0][step] for e in encodings]
    wanted = [e.carries & (t != NOTHING) & ~_atoms(checkpoint, e) for e, t in zip(encodings, truth, strict=True)]
    instance = np.repeat(np.arange(len(encodings)), [int(w.sum()) for w in wanted])
    node = np.concatenate([np.flatnonzero(w) for w in wanted])
    value = np.concatenate([t[w] for t, w in zip(truth, wanted, strict=True)]).astype(int)
    results.refuse_over(
        (4.0 * (step + 1) + 8) * len(node) * checkpoint.model.shapes.width,
        f"the states of {len(node)} nodes over {step} steps, whose mean is taken,",
        "steer at an earlier step",
    )
    nothing = np.zeros((len(node), 0))
    nodes = sample.Sample(
        encodings, np.arange(len(encodings)), instance, node, np.full(len(node), sample.FIT),
        np.zeros((step + 1, len(node)), dtype=bool), nothing, nothing.astype(np.int64), {},
    )  # fmt: skip
    states = sample.states(checkpoint.model, nodes, step)[step].astype(np.float64)
    values = np.unique(value).tolist()
    return Means({v: states[value == v].mean(0) for v in values}, {v: int((value == v).sum()) for v in values})


def directions(checkpoint: Checkpoint, place: Place, mean: Means) -> dict[str, np.ndarray]:
    """What moves a place towards its new value, name to (d,), all as long as the mean states are apart.

    Empty where one of the two values was not seen; without a direction that reads nothing at this step.
    """
    towards = mean.towards(place.before, place.after)
    if towards is None:
        return {}
    sign = 1.0 if place.after > place.before else -1.0
    along = {name: sign * weight for name, weight in weights(checkpoint, place.step).items()}
    probe = linear_probe.load(checkpoint)
    if probe is not None and {place.before, place.after} <= set(probe.values):
        rows = probe.at(place.step)[0]
        along[PROBE] = rows[probe.values.index(place.after)] - rows[probe.values.index(place.before)]
    length = np.linalg.norm(towards)
    scaled = {name: v * (length / np.linalg.norm(v)) for name, v in along.items() if np.linalg.norm(v) > 0}
    return {MEANS: towards} | scaled


def refuse_unknown(checkpoint: Checkpoint, direction: str) -> None:
    """Refuses a direction that a checkpoint does not have.

    Raises:
        InputError: If it does not.
    """
    if direction not in DIRECTIONS:
        raise InputError(f"a direction is one of {', '.join(DIRECTIONS)} (got {direction!r:.40})")
    if direction == READOUT and READOUT not in weights(checkpoint, 0):
        raise InputError(f"the readout of {checkpoint.name} is no single direction; take --direction {MEANS}")
    if direction == PROBE and linear_probe.load(checkpoint) is None:
        raise InputError(
            f"no probes are stored with {checkpoint.name}; fit them with: depthscope probe fit, where it can"
        )


def _atoms(checkpoint: Checkpoint, encoding: Encoding) -> np.ndarray:
    atoms = np.isin(encoding.token_ids, (T, F))
    return atoms if checkpoint.config.task == "logic" else np.zeros_like(atoms)


def weights(checkpoint: Checkpoint, step: int) -> dict[str, np.ndarray]:
    """Directions that read the concept, (d,) each: the readout's where it is linear, the stored probe's."""
    found: dict[str, np.ndarray] = {}
    head = getattr(checkpoint.model, "head", None)
    width = checkpoint.model.shapes.width
    if checkpoint.config.readout == "node" and isinstance(head, torch.nn.Sequential) and len(head) == 2:
        weight = getattr(head[1], "weight", torch.zeros(0))
        if tuple(weight.shape) == (1, width):
            found[READOUT] = weight.detach().cpu().numpy()[0].astype(np.float64)
    probe = linear_probe.load(checkpoint) if checkpoint.config.task != "text" else None
    if probe is not None:
        found[PROBE] = probe.weight[min(step, probe.steps)]
    return {name: w for name, w in found.items() if np.linalg.norm(w) > 0}
