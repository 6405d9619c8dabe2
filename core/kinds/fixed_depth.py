"""Fixed depth: as many blocks as steps, each with weights of its own; nothing is shared and nothing goes on."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Batch, Encoding
from depthscope.core.errors import InputError
from depthscope.core.model import Block, Context, DepthRecurrentTransformer
from depthscope.core.protocol import Sink

MAX_BLOCKS = 256


class FixedDepth(DepthRecurrentTransformer):
    """L blocks, one a step; L is the config's `depth_embedding`, which says how many steps have weights of their own.

    Steps past L change nothing.
    """

    def __init__(self, config: ModelConfig) -> None:
        if not 1 <= config.depth_embedding <= MAX_BLOCKS:
            raise InputError(
                f"a model of fixed depth has as many blocks as depth_embedding says, from 1 to {MAX_BLOCKS} "
                f"(got {config.depth_embedding})"
            )
        each = replace(config, depth_embedding=0)  # a block of its own needs no embedding of the step
        super().__init__(each)
        self.config = config
        self.later = nn.ModuleList(Block(each) for _ in range(config.depth_embedding - 1))

    def step(self, state: Tensor, t: int, context: Context, sink: Sink | None = None) -> Tensor:
        """Block t, (B, n, d) -> (B, n, d)."""
        if t > len(self.later):
            for room in (sink.attention, sink.gate) if sink is not None else ():
                if room is not None:
                    room.zero_()
            return state
        if t == 0:
            return self.block(state, t, context, sink)
        block: Block = self.later[t - 1]  # pyright: ignore[reportAssignmentType]
        if block.recall is not None:
            context = replace(context, recalled=block.recall(context.embedding))
        return block(state, t, context, sink)

    def steps_for(self, read: Encoding | Batch) -> int:
        """All blocks, whatever is read."""
        return len(self.later) + 1

    def notes(self, steps: int) -> tuple[str, ...]:
        """What a reader of a run of T steps should know."""
        blocks = len(self.later) + 1
        return (f"This checkpoint has {blocks} blocks; later steps change nothing.",) if steps > blocks else ()
