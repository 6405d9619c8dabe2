"""What tracing, probing and the pages ask of a recurrent model, ours or not.

A model is a start state, a step and a readout. `core.model.DepthRecurrentTransformer` implements it; a recurrent model
of another kind needs these three methods and a `config` with the fields of `core.config.ModelConfig` that tasks read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from core.encoding import Batch


@dataclass(frozen=True)
class Shapes:
    """What a model leaves at one step, so that a recorder can allocate it all before the run.

    Attributes:
        width: d, the width of a state.
        heads: Attention heads; 0 if the model has no attention.
        gate: Whether the model has an update gate.
    """

    width: int
    heads: int
    gate: bool


@dataclass
class Sink:
    """Preallocated room for what one step leaves beside its state.

    Attributes:
        attention: (B, heads, n, n), or (heads, E) for attention over an edge list; None if it is not kept.
        gate: (B, n) mean of the update gate; None if it is not kept.
    """

    attention: Tensor | None = None
    gate: Tensor | None = None


class RecurrentModel(Protocol):
    """A start state, a step and a readout."""

    config: Any

    @property
    def shapes(self) -> Shapes:
        """What one step leaves."""
        ...

    def prepare(self, batch: Batch) -> Any:
        """Everything that is the same at each step (input embedding, mask, positions): the context."""
        ...

    def initial(self, context: Any) -> Tensor:
        """The state before the first step, (B, n, d)."""
        ...

    def step(self, state: Tensor, t: int, context: Any, sink: Sink | None = None) -> Tensor:
        """Step t (the first has t = 0): (B, n, d) -> (B, n, d); fills the sink if there is one."""
        ...

    def readout(self, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """(..., B, n, d) -> logit of the answer (..., B), and of every node (..., B, n) where the model has them."""
        ...
