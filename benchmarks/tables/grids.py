"""Table 1: the paper's grids beside ours, on the paper's data and on audited data."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.table import Share, Table, about
from core import checkpoint, frontier
from core.checkpoint import Checkpoint
from core.errors import InputError
from figures.published import BEST, GRAPH

PUBLISHED = {"graph": dict(zip(GRAPH.difficulty.tolist(), GRAPH.accuracy.max(1).tolist(), strict=True))}
PUBLISHED |= {task: dict(zip(b.difficulty.tolist(), b.accuracy.tolist(), strict=True)) for task, b in BEST.items()}
"""The author's accuracies at the best number of steps, by difficulty."""

OURS = ("paper", "paper-perstep", "house-on-paper", "house-on-paper-equal")
DATA = ("paper", "audited")


def make(instances: int, seed: int, task: str | None = None) -> Table:
    """Measures every checkpoint that was trained on the paper's data.

    Args:
        instances: For each difficulty.
        seed: Of the instances.
        task: One task alone; None for all three.
    """
    rows: list[dict[str, Any]] = []
    for name, published in PUBLISHED.items():
        if task not in (None, name):
            continue
        told = {"checkpoint": f"the author's, {name}", "hints": "edges" if name == "graph" else "none"}
        told |= {"supervision": "answer only", "parameters": None, "trained on": None, "data": "paper"}
        rows.append(told | {str(d): f"{x:.3f}" for d, x in published.items()})
        for recipe in OURS:
            try:
                opened = checkpoint.load(f"{name}-{recipe}")
            except InputError:
                continue  # not shipped
            rows += [_row(opened, data, tuple(published), instances, seed) for data in DATA]
    span = "" if task is None else f" --task {task}"
    return Table(
        name="grids",
        title="Table 1. The paper's grids and ours",
        command=f"python -m benchmarks.tables grids{span} --instances {instances} --seed {seed}",
        notes=(
            "Columns are hops, depths or facts on the chain. The author's figures are at the best number of steps, "
            "ours at T fixed beforehand: hops + 8, 3 * depth + 12, 2 * chain + 8, and no more than a paper checkpoint "
            "has step embeddings.",
        ),
        rows=tuple(rows),
    )


def steps_for(opened: Checkpoint, difficulty: int, data: str) -> int:
    """T fixed beforehand, no more than the step embeddings of the checkpoint."""
    due = frontier.default_steps(opened, difficulty, data=data)
    return min(due, opened.config.depth_embedding or due)


def measured(opened: Checkpoint, difficulty: int, instances: int, data: str, seed: int) -> Share:
    """Accuracy at T fixed beforehand."""
    steps = steps_for(opened, difficulty, data)
    found = frontier.run(opened, [difficulty], steps, instances, data, seed)
    accuracy, low, high = (float(x[0, -1]) for x in (found.accuracy, found.low, found.high))
    return Share(accuracy, low, high, int(found.n[0]), steps)


def _row(opened: Checkpoint, data: str, difficulties: tuple[int, ...], instances: int, seed: int) -> dict[str, Any]:
    row: dict[str, Any] = {**about(opened), "data": data}
    if data == "audited" and opened.config.task == "logic" and opened.config.vocabulary <= 9:
        return row  # it does not know ^, and without it audited formulas grow to thousands of tokens
    for difficulty in difficulties:
        if difficulty >= (opened.training.get("difficulty") or (1,))[0] or data == "paper":
            row[str(difficulty)] = measured(opened, difficulty, instances, data, seed)
    return row
