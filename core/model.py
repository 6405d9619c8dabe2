"""The depth-recurrent Transformer: one shared block, applied again and again in latent space.

    u  = h + depth_embedding[t] + W_r e        (either can be switched off)
    y  = u + g1 * Attn(LN(u));   y = y + g2 * MLP(LN(y))
    z  = sigmoid(W [y; h] + b)
    h' = LN(z * y + (1 - z) * h)               (the outer LN is `state_norm`; while training noise may follow)

Paper and house recipes are settings of `core.config.ModelConfig`. Source: arXiv 2603.21676 for the block, the gate and
LayerScale; recall and state norm are ours (recall after Bansal et al. 2022, end-to-end algorithm synthesis).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Float
from torch import Tensor, nn

from depthscope.core import tasks
from depthscope.core.attention import dense_attention, edge_attention, kept_attention
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import SOURCE, TARGET, Batch
from depthscope.core.errors import InputError
from depthscope.core.nearest_match import geometric_attention, trained_geometric_attention
from depthscope.core.protocol import Shapes, Sink

NEIGHBOURING = 2
"""Differences of bracket depth beyond this share one bias."""

NODES_AT_ONCE = 4096
"""Of a large graph, so many nodes are updated together: what lies between the layers then stays in the cache."""


@dataclass(frozen=True)
class Context:
    """What stays the same over the steps of one run.

    Attributes:
        batch: The instances.
        embedding: (B, n, d), the state before the first step.
        recalled: (B, n, d), W_r e, or None.
        bias: Additive attention bias, broadcastable to (B, heads, n, n), or (E, heads) over an edge list, or None.
        rope: cos and sin, (n, d_head / 2) each, or None.
        scale: What attention weights are multiplied by, shaped as the bias; None outside interventions.
        gate: (B, n), the update gate to use instead of the model's own, NaN for its own; None outside interventions.
    """

    batch: Batch
    embedding: Tensor
    recalled: Tensor | None
    bias: Tensor | None
    rope: tuple[Tensor, Tensor] | None
    scale: Tensor | None = None
    gate: Tensor | None = None


class Block(nn.Module):
    """One step of thinking."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, c = config.width, config
        self.config = config
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, c.mlp_width), nn.Linear(c.mlp_width, d)
        self.scale1 = nn.Parameter(torch.full((d,), c.layer_scale)) if c.layer_scale is not None else None
        self.scale2 = nn.Parameter(torch.full((d,), c.layer_scale)) if c.layer_scale is not None else None
        self.gate = nn.Linear(2 * d, d) if c.gate_bias is not None else None
        if self.gate is not None and c.gate_bias is not None:
            nn.init.constant_(self.gate.bias, c.gate_bias)
        self.state_norm = nn.LayerNorm(d) if c.state_norm else None
        self.recall = nn.Linear(d, d, bias=False) if c.recall else None
        self.depth = nn.Embedding(c.depth_embedding, d) if c.depth_embedding else None
        self.dropout = nn.Dropout(c.dropout)

    def attend(self, x: Tensor, context: Context, keep: Tensor | None) -> Tensor:
        """(B, n, d) -> (B, n, d), along edges or everywhere."""
        b, n, d = x.shape
        heads = self.config.heads
        qkv = self.qkv(x)  # (B, n, 3d)
        if context.batch.edge_index is not None:
            q, k, v = qkv.view(b * n, 3, heads, d // heads).unbind(1)  # (B n, heads, d_head)
            edges = context.batch.edge_index
            return self.out(edge_attention(q, k, v, edges, keep, context.bias, context.scale).reshape(b, n, d))
        if b == 1 and keep is not None and context.rope is context.scale is None and not self.config.geometric:
            return self.out(kept_attention(qkv, context.bias, keep))
        q, k, v = qkv.view(b, n, 3, heads, d // heads).permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, n, d_head)
        if context.rope is not None:
            q, k = rotate(q, *context.rope), rotate(k, *context.rope)
        if self.config.geometric and context.bias is not None:
            if self.training and keep is None and context.scale is None:
                y = trained_geometric_attention(q, k, v, context.bias)
            else:
                y = geometric_attention(q, k, v, context.bias, keep, context.scale)
            return self.out(y.transpose(1, 2).reshape(b, n, d))
        y = dense_attention(q, k, v, context.bias, self.dropout.p if self.training else 0.0, keep, context.scale)
        return self.out(y.transpose(1, 2).reshape(b, n, d))

    def forward(self, h: Tensor, t: int, context: Context, sink: Sink | None = None) -> Tensor:
        """The state after step t, (B, n, d)."""
        u = h
        if self.depth is not None:
            u = u + self.depth.weight[min(t, self.depth.num_embeddings - 1)]
        if context.recalled is not None:
            u = u + context.recalled
        branch = self.dropout(self.attend(self.norm1(u), context, sink.attention if sink else None))
        gate, kept, n = context.gate, sink.gate if sink else None, h.shape[1]
        if n <= NODES_AT_ONCE or torch.is_grad_enabled() or h.device.type != "cpu":
            return self.update(h, u, branch, gate, kept)
        updated = torch.empty_like(h)
        for low in range(0, n, NODES_AT_ONCE):
            part = (slice(None), slice(low, low + NODES_AT_ONCE))
            gates = [None if x is None else x[part] for x in (gate, kept)]
            updated[part] = self.update(h[part], u[part], branch[part], *gates)
        return updated

    def update(self, h: Tensor, u: Tensor, branch: Tensor, gate: Tensor | None, keep: Tensor | None) -> Tensor:
        """The state of each node after what it attended to, (B, n, d), each by itself.

        Args:
            h: The state before.
            u: What attention read.
            branch: What it brought.
            gate: (B, n), the update gate to use instead of the model's own, NaN for its own.
            keep: (B, n), room for the mean of the update gate.
        """
        y = u + (branch if self.scale1 is None else self.scale1 * branch)
        act = F.relu if self.config.activation == "relu" else F.gelu
        branch = self.dropout(self.down(self.dropout(act(self.up(self.norm2(y))))))
        y = y + (branch if self.scale2 is None else self.scale2 * branch)
        if self.gate is not None:
            z = torch.sigmoid(self.gate(torch.cat([y, h], dim=-1)))
            if gate is not None:
                z = torch.where(gate.isnan()[..., None], z, gate[..., None])
            y = torch.lerp(h, y, z.to(y.dtype))  # z * y + (1 - z) * h
            if keep is not None:
                torch.mean(z, dim=-1, out=keep)
        y = y if self.state_norm is None else self.state_norm(y)
        return y + self.config.state_noise * torch.randn_like(y) if self.training and self.config.state_noise else y


def rotate(x: Float[Tensor, "b h n k"], cos: Tensor, sin: Tensor) -> Float[Tensor, "b h n k"]:
    """Rotary position embedding, rotate-half (Su et al. 2021)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def log_odds(classes: Float[Tensor, "... c"], asked: Tensor | None, lowest: int) -> Float[Tensor, "..."]:
    """Log-odds of the asked value, from logits over all values from the lowest on."""
    if asked is None:
        raise ValueError("a readout of classes needs to be told which one is asked")
    index = (asked - lowest).expand(classes.shape[:-1])[..., None]
    own = classes.gather(-1, index)
    others = classes.scatter(-1, index, -torch.inf).logsumexp(-1, keepdim=True)
    return (own - others).squeeze(-1)


def read_out(model: Any, state: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """A model's readout with one logit a node, (..., B, n): of several classes the asked one against the rest."""
    answer, node = model.readout(state, batch)
    if node is None or node.ndim == answer.ndim + 1:
        return answer, node
    asked = None if batch.asked is None else batch.asked[:, None]
    return answer, log_odds(node, asked, tasks.get(model.config.task).lowest)


def within(said: Float[Tensor, "... b n 3"], batch: Batch) -> Float[Tensor, "... b"]:
    """Logit that the asked offset is the one meant: how far within a margin around what the nodes sum to it lies.

    Args:
        said: What each node adds to the offset; at the answer node, the margin over 1, and the logarithm of the logit
            by which the answer changes over one generation.
        batch: The instances.
    """
    if batch.asked is None:
        raise ValueError("a readout of offsets needs to be told which one is asked")
    total = (said[..., 0] * batch.valid).sum(-1)
    margin, sharp = said[..., torch.arange(len(batch), device=said.device), batch.answer, 1:].unbind(-1)
    return sharp.exp() * (1 + margin - (total - batch.asked).abs())


class DepthRecurrentTransformer(
    nn.Module, PyTorchModelHubMixin, library_name="depthscope", coders={ModelConfig: (asdict, ModelConfig.from_dict)}
):
    """Embedding, one shared block, readout. Implements `core.protocol.RecurrentModel`.

    The mixin gives `from_pretrained`, `save_pretrained` and `push_to_hub`; `core.checkpoint.load` opens the same
    folders and looks at every byte.
    """

    def __init__(self, config: ModelConfig) -> None:
        if config.attention == "none":
            raise InputError("this model attends along edges or in full; its config says attention 'none'")
        super().__init__()
        task = tasks.get(config.task)
        self.config, self.lowest = config, task.lowest
        d = config.width
        self.token = nn.Embedding(config.vocabulary, d, padding_idx=0)
        self.role = nn.Parameter(nn.init.normal_(torch.empty(2, d), std=0.02)) if task.training.marks_ends else None
        self.embedding_norm = nn.LayerNorm(d)
        self.block = Block(config)
        if config.bracket_bias:  # (heads, difference of bracket depth, left or right)
            self.bracket = nn.Parameter(torch.randn(config.heads, 2 * NEIGHBOURING + 1, 2))
        if config.distance_bias:
            steep = [2.0 ** (1 - head) for head in range(config.heads)]  # near to far, as in ALiBi (Press et al. 2022)
            self.slope = nn.Parameter(torch.tensor([[s, s] for s in steep]))  # (heads, left or right)
        if config.geometric:  # heads that see few matches see far, from the start
            reach = torch.linspace(-1, -4, config.heads // 2)
            self.match = nn.Parameter(reach.repeat(2))
        if config.equal_bias:  # some heads look for equal tokens from the start
            self.equal = nn.Parameter(torch.tensor([4.0 * (head % 2) for head in range(config.heads)]))
        if config.readout == "node" or config.tells_classes:  # a normalised state needs no second norm
            wide = len(task.classes) if config.tells_classes else 1
            self.head = nn.Sequential(nn.Identity() if config.state_norm else nn.LayerNorm(d), nn.Linear(d, wide))
        elif config.readout == "sum":
            last = nn.Linear(d, 3)
            nn.init.zeros_(last.weight)  # a sum over many nodes that begins at 0
            nn.init.zeros_(last.bias)
            self.head = nn.Sequential(nn.Identity() if config.state_norm else nn.LayerNorm(d), last)
        else:
            read = 2 * d if config.readout == "pair" else d
            self.head = nn.Sequential(
                nn.LayerNorm(read), nn.Linear(read, d), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(d, 1)
            )

    @property
    def shapes(self) -> Shapes:
        """What one step leaves."""
        has_gate = self.config.gate_bias is not None
        alone = type(self) is DepthRecurrentTransformer  # another class may do more in a step
        return Shapes(
            width=self.config.width,
            heads=self.config.heads,
            gate=has_gate,
            edits_attention=True,
            edits_gate=has_gate,
            is_local=alone and self.config.is_local,
            answers_alone=alone,
        )

    def embed(self, batch: Batch) -> Float[Tensor, "b n d"]:
        """The state before the first step."""
        e = self.token(batch.token_ids)
        if self.role is not None:
            e = e + ((batch.roles & SOURCE) > 0)[..., None] * self.role[0]
            if self.config.readout == "pair":  # a readout per node must not see which node is asked for
                e = e + ((batch.roles & TARGET) > 0)[..., None] * self.role[1]
        if self.config.identity == "random":
            if self.training:  # other names for every instance
                names = torch.randn_like(e)
            else:  # the same names at each call, however many nodes the batch is padded to
                names = torch.from_numpy(np.random.default_rng(0).standard_normal(e.shape[1:])).to(e)
            e = e + names * self.config.width**-0.5
        return self.block.dropout(self.embedding_norm(e))

    def attention_bias(self, batch: Batch) -> Tensor | None:
        """What is added to the attention logits: broadcastable to (B, heads, n, n), or (E, heads) over an edge list."""
        c, same = self.config, batch.token_ids if batch.entity is None else batch.entity
        if batch.edge_index is not None:
            query, key = same.flatten()[batch.edge_index]
            return ((query == key) & (query > 0))[:, None] * self.equal if c.equal_bias else None
        weight = self.token.weight  # for dtype and device
        n = same.shape[1]
        place = torch.arange(n, device=weight.device)
        bias = torch.zeros((), dtype=weight.dtype, device=weight.device)  # or (B or 1, heads, n, n)
        right = (place[None, :] > place[:, None]).long()  # (query, key)
        if c.bracket_bias and batch.bracket is not None:
            gap = batch.bracket[:, None, :] - batch.bracket[:, :, None]  # (B, query, key)
            gap = gap.clamp(-NEIGHBOURING, NEIGHBOURING) + NEIGHBOURING
            bias = bias + self.bracket[:, gap, right.expand_as(gap)].transpose(0, 1)  # (B, heads, n, n)
        if c.distance_bias:
            bias = bias - self.slope[None, :, right] * (place[None, :] - place[:, None]).abs().to(weight)
        if c.equal_bias:
            equal = (same[:, :, None] == same[:, None, :]) & (same > 0)[:, :, None]
            bias = bias + equal[:, None] * self.equal[:, None, None]
        if c.geometric:
            side = torch.stack([right.T, right]).bool().repeat_interleave(c.heads // 2, 0)  # (heads, query, key)
            bias = (bias + self.match[None, :, None, None]).masked_fill(~side, -torch.inf)
        if batch.allowed is not None:
            blocked = ~batch.allowed[:, None]
        elif not bool(batch.valid.all()):
            blocked = ~batch.valid[:, None, None, :]
        else:
            return bias if bias.ndim else None
        return bias.expand(np.broadcast_shapes(bias.shape, blocked.shape)).masked_fill(blocked, -torch.inf)

    def rope(self, n: int, device: torch.device) -> tuple[Tensor, Tensor] | None:
        """Cos and sin of the rotary positions, (n, d_head / 2) each."""
        if self.config.position != "rope":
            return None
        width = self.config.width // self.config.heads
        frequency = self.config.rope_base ** -(torch.arange(0, width, 2, device=device).float() / width)
        angle = torch.outer(torch.arange(n, device=device).float(), frequency)
        return angle.cos(), angle.sin()

    def prepare(self, batch: Batch) -> Context:
        """The context of a run over this batch."""
        e = self.embed(batch)
        recalled = self.block.recall(e) if self.block.recall is not None else None
        return Context(batch, e, recalled, self.attention_bias(batch), self.rope(e.shape[1], e.device))

    def initial(self, context: Context) -> Tensor:
        """The embedding, (B, n, d)."""
        return context.embedding

    def step(self, state: Tensor, t: int, context: Context, sink: Sink | None = None) -> Tensor:
        """One application of the shared block, (B, n, d) -> (B, n, d)."""
        return self.block(state, t, context, sink)

    def answer(self, state: Float[Tensor, "... b n d"], batch: Batch) -> Float[Tensor, "... b"]:
        """Logit of the answer alone, (..., B)."""
        rows = torch.arange(len(batch), device=state.device)
        read = state[..., rows, batch.answer, :]
        if self.config.readout == "pair":
            read = torch.cat([state[..., rows, batch.source, :], read], dim=-1)
        if self.config.tells_classes:
            return log_odds(self.head(read), batch.asked, self.lowest)
        if self.config.readout == "sum":
            return within(self.head(state), batch)
        return self.head(read).squeeze(-1)

    def concept(self, state: Float[Tensor, "... b n d"], batch: Batch) -> Tensor | None:
        """What the model says of every node: logits (..., B, n), or (..., B, n, K) over K classes; None without."""
        if not self.config.reads_nodes:
            return None
        if self.config.readout == "pair":
            rows = torch.arange(len(batch), device=state.device)
            source = state[..., rows, batch.source, :].unsqueeze(-2).expand_as(state)
            state = torch.cat([source, state], dim=-1)
        classes = self.head(state)
        return classes if self.config.tells_classes else classes.squeeze(-1)

    def readout(self, state: Float[Tensor, "... b n d"], batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Logit of the answer (..., B), and of every node (..., B, n) or (..., B, n, K) where the model has one.

        A pair readout is given for each node as the target.
        """
        node = self.concept(state, batch)
        if node is None:
            return self.answer(state, batch), None
        if self.config.readout == "classes":
            return self.answer(state, batch), node
        if self.config.readout == "offset":
            node = log_odds(node, None if batch.asked is None else batch.asked[:, None], self.lowest)
        return node[..., torch.arange(len(batch), device=state.device), batch.answer], node

    def forward(self, batch: Batch, steps: int, every_step: bool = False) -> tuple[Tensor, Tensor | None]:
        """Runs T steps.

        Args:
            batch: The instances.
            steps: T.
            every_step: Whether to read out after each of steps 1..T (a leading axis T) or after the last alone.

        Returns:
            Logit of the answer ([T,] B), and of every node ([T,] B, n) or None.
        """
        context = self.prepare(batch)
        h = self.initial(context)
        states = []
        for t in range(steps):
            h = self.step(h, t, context)
            if every_step:
                states.append(h)
        return self.readout(torch.stack(states) if every_step else h, batch)
