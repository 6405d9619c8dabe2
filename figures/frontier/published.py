"""Numbers that the author of the architecture published, to draw beside ours.

Source: Hung-Hsuan Chen, Thinking Deeper, Not Longer (arXiv 2603.21676), and its public repository
hhchen1105/Depth-Recurrent-Transformer: graph at d = 128, accuracy on the author's own test instances, which are not
our audited ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SOURCE = "arXiv 2603.21676"


@dataclass(frozen=True)
class Grid:
    """Accuracy at some difficulties and some steps.

    Attributes:
        task: Name of the task.
        difficulty: (D,).
        steps: (S,).
        accuracy: (D, S).
        trained: Lowest and highest difficulty in training.
        trained_steps: Fewest and most steps in training.
    """

    task: str
    difficulty: np.ndarray
    steps: np.ndarray
    accuracy: np.ndarray
    trained: tuple[int, int]
    trained_steps: tuple[int, int]

    def __post_init__(self) -> None:
        due = (len(self.difficulty), len(self.steps))
        if self.accuracy.shape != due:
            raise ValueError(f"accuracy has shape {self.accuracy.shape}, but the axes make it {due}")


@dataclass(frozen=True)
class Best:
    """Accuracy at the best of all steps, by difficulty.

    Attributes:
        task: Name of the task.
        difficulty: (D,).
        accuracy: (D,).
        trained: Lowest and highest difficulty in training.
    """

    task: str
    difficulty: np.ndarray
    accuracy: np.ndarray
    trained: tuple[int, int]

    def __post_init__(self) -> None:
        if self.accuracy.shape != self.difficulty.shape:
            raise ValueError(f"accuracy has shape {self.accuracy.shape}, but difficulty {self.difficulty.shape}")


GRAPH = Grid(
    task="graph",
    difficulty=np.array([1, 2, 3, 4, 6, 8, 10, 12]),
    steps=np.array([1, 2, 3, 5, 8, 12, 15, 20]),
    accuracy=np.array(
        [
            [0.97, 0.97, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00],
            [0.51, 0.98, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00],
            [0.51, 0.54, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00],
            [0.52, 0.54, 0.50, 1.00, 1.00, 1.00, 1.00, 1.00],
            [0.50, 0.52, 0.50, 0.50, 1.00, 1.00, 1.00, 1.00],
            [0.51, 0.54, 0.50, 0.50, 0.50, 0.97, 1.00, 1.00],
            [0.51, 0.52, 0.50, 0.50, 0.50, 0.50, 0.50, 0.50],
            [0.51, 0.53, 0.50, 0.50, 0.50, 0.50, 0.50, 0.50],
        ]
    ),
    trained=(1, 5),
    trained_steps=(5, 8),
)

BEST = (
    Best("logic", np.array([2, 4, 6, 8, 10, 12, 14]), np.array([1, 1, 1, 0.99, 0.97, 0.96, 0.94]), trained=(1, 8)),
    Best(
        "text",
        np.array([2, 3, 4, 5, 6, 7, 8, 9]),
        np.array([0.859, 0.838, 0.830, 0.818, 0.680, 0.667, 0.572, 0.540]),
        trained=(2, 5),
    ),
)


def published(task: str) -> Grid | Best | None:
    """What the author published of a task, None for nothing."""
    return next((numbers for numbers in (GRAPH, *BEST) if numbers.task == task), None)
