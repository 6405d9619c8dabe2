"""Attention of one step: dense under a bias, or over an edge list in O(edges)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from torch import Tensor

EDGES_AT_ONCE = 8192
"""Edges whose keys and values are gathered together: so many stay in the cache, which makes a large graph five times
faster than gathering all of them at once."""


def dense_attention(
    q: Float[Tensor, "b h n k"],
    k: Float[Tensor, "b h n k"],
    v: Float[Tensor, "b h n k"],
    bias: Float[Tensor, "#b #h #n n"] | None,
    dropout: float = 0.0,
    keep: Float[Tensor, "b h n n"] | None = None,
    scale: Float[Tensor, "#b #h n n"] | None = None,
) -> Float[Tensor, "b h n k"]:
    """Softmax attention; with `keep`, the weights are written there in the same pass.

    With `scale` the weights are multiplied by it after the softmax, as an intervention: 0 silences a pair without
    giving its weight to others.

    The fused kernel does not give its weights, so that with `keep` the same arithmetic is done in three matrix
    operations that write into preallocated memory. Both agree to rounding.
    """
    if keep is None and scale is None:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)
    b, h, n, width = q.shape

    def flat(x: Tensor) -> Tensor:
        return x.reshape(b * h, n, x.shape[-1])

    weights = flat(q.new_empty(b, h, n, n) if keep is None else keep)
    if bias is None:
        torch.bmm(flat(q) * width**-0.5, flat(k).transpose(1, 2), out=weights)
    else:
        bias = flat(bias.expand(b, h, n, n))
        torch.baddbmm(bias, flat(q), flat(k).transpose(1, 2), alpha=width**-0.5, out=weights)
    torch.softmax(weights, dim=-1, out=weights)
    if scale is not None:
        weights.mul_(flat(scale.expand(b, h, n, n)))
    return torch.bmm(weights, flat(v)).view(b, h, n, width)


def kept_attention(
    qkv: Float[Tensor, "b n p"], bias: Float[Tensor, "#b #h n n"] | None, keep: Float[Tensor, "b h n n"]
) -> Float[Tensor, "b n d"]:
    """`dense_attention` of one instance with its weights kept, in as few operations as it takes.

    On a small instance what each operation costs before it does anything is most of what keeping the weights costs.

    Args:
        qkv: Queries, keys and values, the heads of each side by side: p = 3 d; b is 1.
        bias: Added to the logits.
        keep: Room for the weights.

    Returns:
        What was attended to, the heads side by side.
    """
    weights = keep[0]
    heads, n, _ = weights.shape
    width = qkv.shape[2] // (3 * heads)
    q, k, v = qkv.view(n, 3, heads, width).permute(1, 2, 0, 3).unbind(0)  # (heads, n, d_head)
    if bias is None:
        torch.bmm(q * width**-0.5, k.mT, out=weights)
    else:
        torch.baddbmm(bias[0], q, k.mT, alpha=width**-0.5, out=weights)
    torch.softmax(weights, dim=-1, out=weights)
    return torch.bmm(weights, v).transpose(0, 1).reshape(1, n, heads * width)


def edge_attention(
    q: Float[Tensor, "m h k"],
    k: Float[Tensor, "m h k"],
    v: Float[Tensor, "m h k"],
    edge_index: Int[Tensor, "2 e"],
    keep: Float[Tensor, "h e"] | None = None,
    bias: Float[Tensor, "e h"] | None = None,
    scale: Float[Tensor, "e h"] | None = None,
) -> Float[Tensor, "m h k"]:
    """Softmax over each query's incoming edges, in O(edges) time and memory.

    Args:
        q: Queries of all nodes.
        k: Keys.
        v: Values.
        edge_index: Pairs (query, key); every query has at least one. Sorted by query, many of them are faster.
        keep: Room for the weights.
        bias: Added to the logits of each pair.
        scale: What the weights are multiplied by after the softmax.

    Returns:
        The attended values.
    """
    query, key = edge_index
    m = len(q)
    in_parts = len(query) > 2 * EDGES_AT_ONCE and not torch.is_grad_enabled() and q.device.type == "cpu"
    if not in_parts or bool((query[1:] < query[:-1]).any()):
        return _attend(q, k, v, query, key, keep, bias, scale)
    attended, (k, v) = torch.empty_like(v), (k.contiguous(), v.contiguous())
    starts = torch.searchsorted(query, torch.arange(m + 1))  # the first edge of each query
    low = 0
    while low < m:
        high = int(torch.searchsorted(starts, starts[low] + EDGES_AT_ONCE, right=True)) - 1
        high = min(m, max(low + 1, high))
        part = slice(int(starts[low]), int(starts[high]))
        attended[low:high] = _attend(
            q[low:high],
            k,
            v,
            query[part] - low,
            key[part],
            None if keep is None else keep[:, part],
            None if bias is None else bias[part],
            None if scale is None else scale[part],
        )
        low = high
    return attended


def _attend(
    q: Float[Tensor, "r h k"],
    k: Float[Tensor, "m h k"],
    v: Float[Tensor, "m h k"],
    query: Int[Tensor, " e"],
    key: Int[Tensor, " e"],
    keep: Float[Tensor, "h e"] | None,
    bias: Float[Tensor, "e h"] | None,
    scale: Float[Tensor, "e h"] | None,
) -> Float[Tensor, "r h k"]:
    """`edge_attention` of some of the queries."""
    r, h, width = q.shape
    gathered = [x.flatten(1).index_select(0, index).view(-1, h, width) for x, index in ((q, query), (k, key), (v, key))]
    scores = (gathered[0] * gathered[1]).sum(-1) * width**-0.5  # (e, h)
    if bias is not None:
        scores = scores + bias
    index = query[:, None].expand(-1, h)
    highest = torch.full((r, h), -torch.inf, dtype=scores.dtype, device=q.device)
    highest = highest.scatter_reduce(0, index, scores.detach(), "amax")
    weight = torch.exp(scores - highest.index_select(0, query))
    total = torch.zeros((r, h), dtype=scores.dtype, device=q.device).index_add(0, query, weight)
    weight = weight / total.index_select(0, query)
    if scale is not None:
        weight = weight * scale
    if keep is not None:
        keep.copy_(weight.T)
    sent = (weight[..., None] * gathered[2]).flatten(1)
    return torch.zeros((r, h * width), dtype=v.dtype, device=v.device).index_add(0, query, sent).view(r, h, width)
