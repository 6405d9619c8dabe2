"""What is steered and what should follow: places, expected changes and directions. What follows each task says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import NEVER, NOTHING, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.tasks.spec import Task
from depthscope.core.tasks.steering import Place
from depthscope.probes.editing import language as edits
from depthscope.probes.measuring import results
from depthscope.probes.reading import linear_probe, nodes as sample
from depthscope.probes.reading.nodes import Rows

MEANS, READOUT, PROBE = "means", "readout", "probe"
DIRECTIONS = (MEANS, READOUT, PROBE)
"""What a state can be moved along."""

SAID_CELLS = 1 << 24
"""States read at once, counted in numbers."""


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
    task = tasks.get(instance.task)
    if task.steering is None:
        raise InputError(f"nothing says what should follow where {task.words.nouns} are steered")
    instance = task.as_given(instance, checkpoint.config)
    units = rng.permutation(encoding.instance_node.max(initial=-1) + 1).tolist()
    result = []
    for unit in units if node is None else [_unit(encoding, node)]:
        place = task.steering(instance, encoding, unit)
        if place is not None and (place.distance != NEVER).any():
            result.append(place if at is None else replace(place, step=at))
        if len(result) == count:
            break
    return result


def _unit(encoding: Encoding, node: str) -> int:
    """What a node stands for, by its name or number; a person by a name, however often it is mentioned."""
    named = [i for i, label in enumerate(encoding.labels) if label == node]
    units = set(encoding.instance_node[named].tolist())
    i = named[0] if len(units) == 1 else edits.node_of(node, encoding.labels)
    if i >= encoding.n_nodes or encoding.instance_node[i] < 0:
        raise InputError(f"{node!r:.40} is no node that carries the concept, so that there is nothing to steer")
    return int(encoding.instance_node[i])


@torch.inference_mode()
def said(checkpoint: Checkpoint, encoding: Encoding, hidden: np.ndarray) -> np.ndarray:
    """The value read at every node, (..., n) for states (..., n, d); in texts the most likely offset."""
    model = checkpoint.model
    like = next(model.parameters())
    batch = collate([encoding]).to(like.device)
    flat = torch.from_numpy(hidden.reshape(-1, 1, *hidden.shape[-2:]))  # (S, 1, n, d)
    values = []
    for part in flat.split(max(1, SAID_CELLS // max(1, flat[0].numel()))):
        if checkpoint.config.tells_classes:
            lowest = tasks.get(checkpoint.config.task).lowest
            values.append(model.concept(part.to(like), batch)[:, 0].argmax(-1) + lowest)
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
    """Mean states after some steps of the nodes with each value; of those alone that show no value, where some do."""
    task = tasks.get(checkpoint.config.task)
    encodings = [task.encode(x, checkpoint.config) for x in instances]
    truth = [e.truth(step)[0][step] for e in encodings]
    wanted = [_worked_out(task, e) & (t != NOTHING) for e, t in zip(encodings, truth, strict=True)]
    rows = Rows.where(encodings, wanted)
    value = np.concatenate([t[w] for t, w in zip(truth, wanted, strict=True)]).astype(int)
    results.refuse_over(
        (4.0 * (step + 1) + 8) * len(rows.node) * checkpoint.model.shapes.width,
        f"the states of {len(rows.node)} nodes over {step} steps, whose mean is taken,",
        "steer at an earlier step",
    )
    states = sample.states(checkpoint.model, rows, step)[step].astype(np.float64)
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


def _worked_out(task: Task, encoding: Encoding) -> np.ndarray:
    """Nodes that carry the concept, but for those that show its value, (n,) bool."""
    computed = task.reading.computed(encoding)
    return encoding.carries if computed is None else computed


def weights(checkpoint: Checkpoint, step: int) -> dict[str, np.ndarray]:
    """Directions that read the concept, (d,) each: the readout's where it is linear, the stored probe's."""
    result: dict[str, np.ndarray] = {}
    head = getattr(checkpoint.model, "head", None)
    width = checkpoint.model.shapes.width
    if checkpoint.config.readout == "node" and isinstance(head, torch.nn.Sequential) and len(head) == 2:
        weight = getattr(head[1], "weight", torch.zeros(0))
        if tuple(weight.shape) == (1, width):
            result[READOUT] = weight.detach().cpu().numpy()[0].astype(np.float64)
    probe = linear_probe.load(checkpoint) if not tasks.get(checkpoint.config.task).concept.values else None
    if probe is not None:
        result[PROBE] = probe.weight[min(step, probe.steps)]
    return {name: w for name, w in result.items() if np.linalg.norm(w) > 0}
