"""Progress from within long work: what is done of a total."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from depthscope.core.answers import batches
from depthscope.core.encoding import Encoding
from depthscope.probes.measuring.results import Progress


class Count:
    """How much of some work is done; what `progress` raises stops the work.

    Attributes:
        progress: Called with the work done and in all, once the total is known; None for nobody.
        done: So much.
        total: In all; 0 while it is not known.
    """

    def __init__(self, progress: Progress | None, total: int = 0) -> None:
        self.progress, self.done, self.total = progress, 0, total

    def more(self, count: int = 1) -> None:
        """Some more is done; it never goes beyond the total."""
        self.upto(self.done + count)

    def upto(self, done: int) -> None:
        """So much is done, or more already."""
        self.done = min(self.total, max(self.done, done))
        if self.progress is not None and self.total:
            self.progress(self.done, self.total)


def steps_of_runs(model: Any, encodings: Sequence[Encoding], steps: int) -> int:
    """Steps that a model makes to run instances for T steps, a batch at a time as `core.answers.batches` has them."""
    return steps * sum(1 for _ in batches(encodings, model.shapes.width, model.shapes.heads))
