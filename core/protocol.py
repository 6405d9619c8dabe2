"""What tracing, probing and the pages ask of a recurrent model, ours or not.

A model is a start state, a step and a readout, in a torch.nn.Module. `core.model.DepthRecurrentTransformer` implements
it; a recurrent model of another kind needs the methods of `RecurrentModel` and a `core.config.ModelConfig` as its
`config`. Three more are used where a model has them:

    steps_for(read)            the default T, for an Encoding or a Batch; without it the instance's own default
    notes(steps)               sentences that a reader of a run of T steps should know
    penalty(state, batch)      a cost that training adds, weighted by the recipe (`ponder`)

docs/guides/add-a-kind.md has an example; `depthscope check MODULE:CLASS` says what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from depthscope.core.encoding import Batch, Encoding


@dataclass(frozen=True)
class Shapes:
    """What a model leaves at one step, so that a recorder can allocate it all before the run.

    Attributes:
        width: d, the width of a state.
        heads: Attention heads; 0 if the model has no attention.
        gate: Whether the model has an update gate.
        units: Unused; earlier adapters may set it.
        edits_attention: Whether its context is a `core.model.Context`, in which attention can be cut and scaled.
        edits_gate: Whether the update gate can be set there as well.
        is_local: Whether a step along edges depends on a node's neighbours alone, and can be computed for some nodes.
        answers_alone: Whether the answer alone is read faster by `answer(state, batch)` than by `readout`.
    """

    width: int
    heads: int
    gate: bool
    units: bool = False
    edits_attention: bool = False
    edits_gate: bool = False
    is_local: bool = False
    answers_alone: bool = False


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
        """(..., B, n, d) -> logit of the answer (..., B), and of every node where the model has them.

        Of a node it is one logit, (..., B, n), or one for each class of the task, (..., B, n, K); `core.model.read_out`
        makes one of them.
        """
        ...


def steps_of(model: Any, read: Encoding | Batch, default: int) -> int:
    """The default T: what the model itself needs (one step a token, one a block) where it says so."""
    asks = getattr(model, "steps_for", None)
    return default if asks is None else int(asks(read))
