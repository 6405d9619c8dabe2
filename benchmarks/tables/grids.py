"""Table 1: the paper's grids beside ours, on the paper's data and on audited data."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.table import Share, Table, about
from depthscope.core import checkpoint, frontier
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.tasks import concepts
from depthscope.figures.frontier.published import BEST, GRAPH

PUBLISHED = {GRAPH.task: dict(zip(GRAPH.difficulty.tolist(), GRAPH.accuracy.max(1).tolist(), strict=True))}
PUBLISHED |= {b.task: dict(zip(b.difficulty.tolist(), b.accuracy.tolist(), strict=True)) for b in BEST}
"""The author's accuracies at the best number of steps, by difficulty."""

OURS = (
    "paper",
    "paper-perstep",
    "house-on-paper",
    "house-on-paper-equal",
    "house-sum-on-paper",
    "house-sum-on-paper-equal",
)
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
        author = {"checkpoint": f"the author's, {name}", "hints": "edges" if name == GRAPH.task else "none"}
        author |= {"supervision": "answer only", "parameters": None, "trained on": None, "data": "paper", "T": "best"}
        rows.append(author | {str(d): f"{x:.3f}" for d, x in published.items()})
        for recipe in OURS:
            try:
                opened = checkpoint.load(f"{name}-{recipe}")
            except InputError:
                continue  # not shipped
            for data in DATA:
                rows += _rows(opened, data, tuple(published), instances, seed)
    span = "" if task is None else f" --task {task}"
    return Table(
        name="grids",
        title="Table 1. The paper's grids and ours",
        command=f"python -m benchmarks.tables grids{span} --instances {instances} --seed {seed}",
        notes=(
            'Columns are hops, depths or facts on the chain. T "best" is the best number of steps for each column, as '
            "in the author's figures, chosen on the instances that are scored; "
            'T "fixed" is set beforehand: hops + 8, 3 * depth + 12 or 2 * chain + 8, limited for paper checkpoints to '
            "the number of step embeddings. A cell is empty where a checkpoint cannot read the instances: too many "
            "names, or unknown operators.",
        ),
        rows=tuple(rows),
    )


def steps_for(opened: Checkpoint, difficulty: int, data: str) -> int:
    """T fixed beforehand, no more than the step embeddings of the checkpoint."""
    steps = frontier.default_steps(opened, difficulty, data=data)
    return min(steps, opened.config.depth_embedding or steps)


def measured(opened: Checkpoint, difficulty: int, instances: int, data: str, seed: int) -> Share:
    """Accuracy at T fixed beforehand."""
    return both(opened, difficulty, instances, data, seed)[0]


def both(opened: Checkpoint, difficulty: int, instances: int, data: str, seed: int) -> tuple[Share, Share]:
    """Accuracy at T fixed beforehand, and at the best number of steps up to it, of one run."""
    steps = steps_for(opened, difficulty, data)
    result = frontier.run(opened, [difficulty], steps, instances, data, seed)
    shares = []
    for at in (len(result.steps) - 1, int(result.accuracy[0].argmax())):
        accuracy, low, high = (float(x[0, at]) for x in (result.accuracy, result.low, result.high))
        shares.append(Share(accuracy, low, high, int(result.n[0]), int(result.steps[at])))
    return shares[0], shares[1]


def _rows(
    opened: Checkpoint, data: str, difficulties: tuple[int, ...], instances: int, seed: int
) -> list[dict[str, Any]]:
    """A row at T fixed beforehand and, on the paper's data, one at the best number of steps."""
    rows = [{**about(opened), "data": data, "T": "fixed"}, {**about(opened), "data": data, "T": "best"}]
    kinds = 2 if data == "paper" else 1
    if data == "audited" and concepts.data_for(opened.config) != data:
        return rows[:1]  # it does not know ^, and without it audited formulas grow to thousands of tokens
    for difficulty in difficulties:
        if difficulty >= (opened.training.get("difficulty") or (1,))[0] or data == "paper":
            try:
                result = both(opened, difficulty, instances, data, seed)
            except InputError:  # more names than it knows
                continue
            for row, share in zip(rows, result, strict=True):
                row[str(difficulty)] = share
    return rows[:kinds]
