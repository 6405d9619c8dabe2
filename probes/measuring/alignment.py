"""The same things in several checkpoints: a node of a graph, a subformula, a person (by the first mention)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from depthscope.core import checkpoint as checkpoints, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.probes.reading.nodes import Rows

MAX_ROWS, FEWEST_ROWS = 300, 12


def rows(sides: Sequence[Checkpoint], instances: Sequence[Any], rng: np.random.Generator) -> dict[str, Rows]:
    """The same rows for every checkpoint: name to places.

    Raises:
        InputError: If there are too few, or two checkpoints do not read the same formula.
    """
    task = tasks.get(sides[0].config.task)
    encoded = {side.name: [task.encode(instance, side.config) for instance in instances] for side in sides}
    first: dict[str, list[dict[int, int]]] = {}
    for name, encodings in encoded.items():
        first[name] = []
        for encoding in encodings:
            at: dict[int, int] = {}
            for node in np.flatnonzero(encoding.carries & (encoding.instance_node >= 0)).tolist():
                at.setdefault(int(encoding.instance_node[node]), node)
            first[name].append(at)
    mine = first[sides[0].name]
    for name, theirs in first.items():
        if task.layout == "tree" and any(a.keys() != b.keys() for a, b in zip(mine, theirs, strict=True)):
            raise InputError(f"{sides[0].name} and {name} are given different formulas: one of them does not know ^")
    shared = [set.intersection(*(set(at[i]) for at in first.values())) for i in range(len(instances))]
    things = [(i, thing) for i, both in enumerate(shared) for thing in sorted(both)]
    if len(things) < FEWEST_ROWS:
        raise InputError(f"there are {len(things)} nodes to compare, {FEWEST_ROWS} are due; give more instances")
    keep = [things[k] for k in np.sort(rng.permutation(len(things))[:MAX_ROWS])]
    return {
        name: Rows(encodings, np.array([i for i, _ in keep]), np.array([first[name][i][thing] for i, thing in keep]))
        for name, encodings in encoded.items()
    }


def beside(checkpoint: Checkpoint, other: str | None) -> Checkpoint | None:
    """The second checkpoint of a comparison by name or path; None where none is named.

    Raises:
        InputError: If it cannot be opened, or reads another task than the first.
    """
    second = None if other is None else checkpoints.load(other)
    if second is not None and second.config.task != checkpoint.config.task:
        raise InputError(
            f"{checkpoint.name} reads {checkpoint.config.task} and {second.name} {second.config.task}; "
            "give --other a checkpoint of the same task"
        )
    return second


def other_seed(checkpoint: Checkpoint, name: str) -> Checkpoint:
    """The checkpoint that a user names as the same recipe trained from another seed.

    Raises:
        InputError: If it cannot be opened, or is none.
    """
    result = checkpoints.load(name)
    if not checkpoint.recipe or (result.recipe, result.kind, result.config) != (
        checkpoint.recipe,
        checkpoint.kind,
        checkpoint.config,
    ):
        raise InputError(
            f"{result.name} is no ceiling for {checkpoint.name}: its recipe or its architecture is another"
        )
    seeds = [side.training.get("seed") for side in (checkpoint, result)]
    if seeds[0] == seeds[1] or result.sha256 == checkpoint.sha256:
        raise InputError(f"{result.name} is no ceiling for {checkpoint.name}: both were trained from seed {seeds[0]}")
    return result


def second_seed(checkpoint: Checkpoint) -> Checkpoint | None:
    """A shipped checkpoint of the same recipe and architecture trained from another seed, if there is one."""
    for entry in checkpoints.available():
        if (entry["task"], entry["recipe"]) != (checkpoint.config.task, checkpoint.recipe) or not checkpoint.recipe:
            continue
        if entry["sha256"] != checkpoint.sha256:
            result = checkpoints.load(checkpoints.folder_of(Path(entry["name"]).name))
            if result.config == checkpoint.config and result.training.get("seed") != checkpoint.training.get("seed"):
                return result
    return None
