"""Progress from within long work: what is done of a total, and a model that counts its own steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from depthscope.core.answers import batches
from depthscope.core.encoding import Encoding
from depthscope.probes.measuring.results import Progress


class Count:
    """How much of some work is done, told to whoever asked; what that raises stops the work."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self.done, self.total = progress, 0, max(1, total)

    def more(self, count: int = 1) -> None:
        """Some more is done; it never goes beyond the total."""
        self.upto(self.done + count)

    def upto(self, done: int) -> None:
        """So much is done, or more already."""
        self.done = min(self.total, max(self.done, done))
        if self._progress is not None:
            self._progress(self.done, self.total)


def counted(model: Any, each: Callable[[], None]) -> Any:
    """A model that does all that another does, and calls `each` after every step; for code that runs models itself."""
    return _Counted(model, each)


class _Counted:
    """Hands everything on but the step."""

    def __init__(self, model: Any, each: Callable[[], None]) -> None:
        self._model, self._each = model, each

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def step(self, *arguments: Any, **named: Any) -> Any:
        """A step of the model."""
        following = self._model.step(*arguments, **named)
        self._each()
        return following


def steps_of_runs(model: Any, encodings: Sequence[Encoding], steps: int) -> int:
    """Steps that a model makes to run instances for T steps, a batch at a time as `core.answers.batches` has them."""
    return steps * sum(1 for _ in batches(encodings, model.shapes.width, model.shapes.heads))
