"""Nodes to fit and to score probes on: drawn from instances the model was not trained on, split by instance."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from depthscope.core import tasks
from depthscope.core.answers import batches
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding, collate
from depthscope.core.tasks import concepts, twins
from depthscope.core.tasks.concepts import Concept

HELD_OUT = 0.4
"""Share of the groups of instances that no probe is fitted on."""

MAX_NODES = 4000
"""Nodes taken from the instances to fit on, from those held out and from the harder ones, each."""

FIT, HELD, HARDER = "fit", "held_out", "harder"


@dataclass(frozen=True)
class Rows:
    """N nodes of many instances.

    Attributes:
        encodings: The instances.
        instance: (N,) index of the node's instance.
        node: (N,) index of the node in it.
    """

    encodings: list[Encoding]
    instance: np.ndarray
    node: np.ndarray

    @classmethod
    def where(cls, encodings: list[Encoding], masks: Iterable[np.ndarray]) -> Rows:
        """The nodes of a mask of each instance, (n,) bool."""
        nodes = [np.flatnonzero(mask) for mask in masks]
        return cls(encodings, np.repeat(np.arange(len(nodes)), [len(x) for x in nodes]), np.concatenate(nodes))

    @classmethod
    def every(cls, encodings: list[Encoding]) -> Rows:
        """All nodes, instance by instance."""
        return cls.where(encodings, (np.ones(e.n_nodes, dtype=bool) for e in encodings))


@dataclass(frozen=True)
class Sample(Rows):
    """Nodes with what is known of them without any model.

    Attributes:
        group: Group of each instance, (len(encodings),); twins share one, so do equal formulas.
        purpose: (N,) FIT, HELD or HARDER.
        truth: (T+1, N), what a probe is asked to say of the node after step t: bool, or one of the concept's values.
        features: (N, f) plain input features.
        identities: (N, k) int64, what tells nodes apart before the first step.
        parts: Name to (N,) bool, nodes on which scores are reported apart.
    """

    group: np.ndarray
    purpose: np.ndarray
    truth: np.ndarray
    features: np.ndarray
    identities: np.ndarray
    parts: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        n = len(self.node)
        for name, axis in (("instance", 0), ("purpose", 0), ("truth", 1), ("features", 0), ("identities", 0)):
            shape = getattr(self, name).shape
            if shape[axis] != n:
                raise ValueError(f"{name} has shape {shape}, but there are {n} nodes")

    def take(self, mask: np.ndarray) -> Sample:
        """The nodes of a mask, (N,) bool; all instances stay."""
        rows = ("instance", "node", "purpose", "features", "identities")
        parts = {name: values[mask] for name, values in self.parts.items()}
        part = {name: getattr(self, name)[mask] for name in rows}
        return replace(self, **part, truth=self.truth[:, mask], parts=parts)


def groups_of(instances: Sequence[Any]) -> np.ndarray:
    """Group of each instance, (n,), from 0: what shares a group must not be on both sides of a split.

    Equal instances share one (short formulas come up again and again), and so do twins, wherever they stand. Any other
    instance, a line of a user's file as well, is a group of its own.
    """
    group_of: dict[Any, int] = {}
    alike: dict[Hashable, list[Any]] = {}
    groups = 0
    for instance in instances:
        if instance in group_of:
            continue
        earlier = alike.setdefault(twins.shared(instance), [])
        twin = next((one for one in reversed(earlier) if twins.together(one, instance)), None)
        if twin is not None:
            group_of[instance] = group_of[twin]
        else:
            group_of[instance], groups = groups, groups + 1
        earlier.append(instance)
    return np.array([group_of[instance] for instance in instances], dtype=np.int64)


def split(rng: np.random.Generator, group: np.ndarray, share: float = HELD_OUT) -> np.ndarray:
    """Whether each instance is held out, whole groups at a time, (n,) bool; at least one group is on each side."""
    names = rng.permutation(np.unique(group))
    held = min(max(1, round(share * len(names))), len(names) - 1)
    return np.isin(group, names[:held])


def draw(checkpoint: Checkpoint, concept: Concept, steps: int, instances: int, seed: int) -> Sample:
    """Draws instances and takes nodes from them.

    Args:
        checkpoint: Reads the instances.
        concept: What is looked for; says how difficult the instances are.
        steps: T.
        instances: How many to draw of the fitted difficulties together; a share of them is held out, and as many of
            the harder ones are added.
        seed: Same seed, same nodes.
    """
    task, rng = tasks.get(concept.task), np.random.default_rng([seed, 1])
    count = -(-instances // len(concept.fitted))
    count += count % 2  # whole pairs of twins
    data = concepts.data_for(checkpoint.config)
    drawn = [x for difficulty in concept.fitted for x in task.generate(difficulty, count, data, seed)]
    group = groups_of(drawn)
    held = split(rng, group)
    harder = task.generate(concept.harder, 2 * -(-int(held.sum()) // 2), data, seed)
    group = np.concatenate([group, groups_of(harder) + group.max() + 1])
    purposes = np.concatenate([np.where(held, HELD, FIT), np.full(len(harder), HARDER)])
    encodings = [task.encode(instance, checkpoint.config) for instance in (*drawn, *harder)]
    return gather(rng, checkpoint, concept, encodings, group, purposes, steps)


def gather(
    rng: np.random.Generator,
    checkpoint: Checkpoint,
    concept: Concept,
    encodings: list[Encoding],
    group: np.ndarray,
    purposes: np.ndarray,
    steps: int,
) -> Sample:
    """Takes at most MAX_NODES nodes for each purpose, and writes down what is known of them."""
    every = Rows.every(encodings)
    fitted = np.concatenate([concepts.in_fitted_range(concept, e) for e in encodings])
    has = np.concatenate([e.carries for e in encodings])
    purpose = purposes[every.instance]
    taken = []
    for name in (FIT, HELD, HARDER):
        there = np.flatnonzero((purpose == name) & (has if name == HARDER else fitted))
        taken.append(np.sort(rng.permutation(there)[:MAX_NODES]))
    keep = np.concatenate(taken)

    def joined(rows: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(rows)[keep]

    apart = [concepts.parts(concept, e) for e in encodings]
    return Sample(
        encodings=encodings,
        group=group,
        instance=every.instance[keep],
        node=every.node[keep],
        purpose=purpose[keep],
        truth=joined([concepts.labels(concept, e, steps).T for e in encodings]).T,
        features=joined([concepts.features(concept, e, checkpoint.config) for e in encodings]),
        identities=joined([concepts.identities(concept, e, checkpoint.config) for e in encodings]),
        parts={name: joined([x[name] for x in apart]) for name in apart[0]},
    )


def tests(concept: Concept, nodes: Sample) -> dict[str, tuple[str, np.ndarray]]:
    """The sets of nodes that scores are given for: name to a title and a mask, (N,) bool."""
    held, harder = nodes.purpose == HELD, nodes.purpose == HARDER
    span, beyond = f"{concept.fitted[0]}-{concept.fitted[-1]}", concept.harder
    kind = tasks.get(concept.task).words.nouns
    near, far = f"held-out {kind} of {concept.span.format(span)}", f"{kind} of {concept.span.format(beyond)}"
    if "unseen" in nodes.parts:
        unseen, both = harder & nodes.parts["unseen"], {HELD: (near, held), HARDER: (far, harder)}
        return {**both, "unseen": (f"{far}, distances not fitted on", unseen)} if unseen.any() else both
    result = {}
    for name, title, mask in ((HELD, near, held), (HARDER, far, harder)):
        result[name] = title, mask
        result |= {f"{name}_{part}": (f"{title}, {part}", mask & on) for part, on in nodes.parts.items()}
    return result


def crossed(concept: Concept, nodes: Sample) -> tuple[str, np.ndarray]:
    """The nodes on which each step's probe reads the states of every step: a title and a mask, (N,) bool."""
    among = tests(concept, nodes)
    return next((among[name] for name in among if name.startswith(f"{HARDER}_")), among[HARDER])


@torch.inference_mode()
def states(model: Any, sample: Rows, steps: int, each: Callable[[], None] = lambda: None) -> np.ndarray:
    """States of N nodes after 0..T steps, (T+1, N, d) float32; nothing else of the runs is kept.

    `each` is called after every step of a batch; those without a node of the N are not run.
    """
    shapes = model.shapes
    kept = np.empty((steps + 1, len(sample.node), shapes.width), dtype=np.float32)
    for index in batches(sample.encodings, shapes.width, shapes.heads):
        row = np.full(len(sample.encodings), -1)
        row[index] = np.arange(len(index))
        mine = np.flatnonzero(row[sample.instance] >= 0)
        if not len(mine):
            continue
        batch = collate([sample.encodings[i] for i in index]).to(next(model.parameters()).device)
        where = (torch.from_numpy(row[sample.instance[mine]]), torch.from_numpy(sample.node[mine]))
        context = model.prepare(batch)
        h = model.initial(context)
        for t in range(steps + 1):
            kept[t, mine] = h[where].float().cpu().numpy()
            if t < steps:
                h = model.step(h, t, context)
                each()
    return kept
