"""Geometric attention: the nearest match wins. Once as it is defined, and once more for training, by hand."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

WEIGHTS_AT_ONCE = 1 << 18
"""Weights of the instances that are trained on together: so many stay in the cache."""


def geometric_attention(
    q: Float[Tensor, "b h n k"],
    k: Float[Tensor, "b h n k"],
    v: Float[Tensor, "b h n k"],
    bias: Float[Tensor, "#b #h n n"],
    keep: Float[Tensor, "b h n n"] | None = None,
    scale: Float[Tensor, "#b #h n n"] | None = None,
) -> Float[Tensor, "b h n k"]:
    """The nearest match wins, however far it is: the first half of the heads look to the left, the others to the right.

    Each key is a match with probability sigmoid(q k / sqrt(d) + bias), by itself, and is attended to when no nearer key
    on that side is one; where none matches, a query attends to itself. The bias has to be minus infinity at the query
    itself and on the side a head does not look to.

    Source: geometric attention of Csordás et al. 2022, The Neural Data Router, one side a head.
    """
    with torch.autocast(q.device.type, enabled=False):
        kind, (q, k, v) = v.dtype, _at_least_float32(q, k, v)
        logit = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5 + bias
        passed = F.logsigmoid(-logit)  # log-probability that a key is no match
        left, right = passed.chunk(2, dim=1)
        reached = torch.cat([left.flip(-1).cumsum(-1).flip(-1), right.cumsum(-1)], dim=1)  # from key to query, both in
        weights = torch.exp(logit + reached)
        weights = weights + torch.diag_embed(passed.sum(-1).exp())
        if scale is not None:
            weights = weights * scale
        if keep is not None:
            keep.copy_(weights)
        return (weights @ v).to(kind)


def trained_geometric_attention(
    q: Float[Tensor, "b h n k"],
    k: Float[Tensor, "b h n k"],
    v: Float[Tensor, "b h n k"],
    bias: Float[Tensor, "#b #h n n"],
) -> Float[Tensor, "b h n k"]:
    """`geometric_attention` with a derivative by hand, for training alone: it has no second one and no transforms.

    Its weights and those of the derivative are gone through a few times in the cache, where autograd goes through all
    of them thirty times. Both agree to rounding.
    """
    with torch.autocast(q.device.type, enabled=False):
        kind, (q, k, v) = v.dtype, _at_least_float32(q, k, v)
        bias = bias.to(q.dtype).expand(len(q), q.shape[1], q.shape[2], q.shape[2])
        return _NearestMatch.apply(q, k, v, bias).to(kind)


def _at_least_float32(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(x.to(torch.promote_types(x.dtype, torch.float32)) for x in tensors)


class _NearestMatch(torch.autograd.Function):
    """Weights p[j] * product of (1 - p) nearer by, with p = sigmoid(logit); keys in order away from the query."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor
    ) -> Tensor:
        (b, h, n, width), y, alone = q.shape, torch.empty_like(v), v.new_empty(*v.shape[:3], 1)
        weights, match = q.new_empty(b, h, n, n), q.new_empty(b, h, n, n)
        for at in _parts(b, h * n * n):
            keys, values = _away(k[at], 2), _away(v[at], 2)
            w, p = weights[at].flatten(0, 1), match[at].flatten(0, 1)
            torch.baddbmm(_away(bias[at], 3), q[at].flatten(0, 1), keys.mT, alpha=width**-0.5, out=w)
            torch.sigmoid(w, out=p)
            free = torch.sub(1, p, out=w).cumprod(-1)  # that no key up to this one is a match
            alone[at] = free[..., -1:].view(-1, h, n, 1)
            w[..., 0] = p[..., 0]
            torch.mul(p[..., 1:], free[..., :-1], out=w[..., 1:])
            y[at] = torch.bmm(w, values).view(-1, h, n, width)
        ctx.save_for_backward(q, k, v, weights, match, alone)
        return y.addcmul_(alone, v)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        q, k, v, weights, match, alone = ctx.saved_tensors
        b, h, n, width = q.shape
        of_q, of_k, of_v = torch.empty_like(q), torch.empty_like(k), grad * alone
        of_bias = torch.empty_like(weights) if ctx.needs_input_grad[3] else None
        of_alone = (grad * v).sum(-1, keepdim=True) * alone  # by the logarithm of each weight, here and below
        for at in _parts(b, h * n * n):
            keys, values, out = _away(k[at], 2), _away(v[at], 2), grad[at].flatten(0, 1)
            w, p = weights[at].flatten(0, 1), match[at].flatten(0, 1)
            of_v[at] += _away(torch.bmm(w.mT, out).view(-1, h, n, width), 2).view(-1, h, n, width)
            g = torch.bmm(out, values.mT).mul_(w)
            nearer = g.cumsum(-1)
            beyond = nearer[..., -1:] + of_alone[at].flatten(0, 1)
            g.addcmul_(p, nearer.sub_(g).sub_(beyond))  # a match takes from all that lie behind it
            of_q[at] = torch.bmm(g, keys).mul_(width**-0.5).view(-1, h, n, width)
            of_keys = torch.bmm(g.mT, q[at].flatten(0, 1)).mul_(width**-0.5)
            of_k[at] = _away(of_keys.view(-1, h, n, width), 2).view(-1, h, n, width)
            if of_bias is not None:
                of_bias[at] = _away(g.view(-1, h, n, n), 3).view(-1, h, n, n)
        return of_q, of_k, of_v, of_bias


def _away(x: Float[Tensor, "b h n k"], dim: int) -> Float[Tensor, "m n k"]:
    """Turns the keys round for the first half of the heads, which look to the left; (b h) = m."""
    left, right = x.chunk(2, dim=1)
    return torch.cat([left.flip(dim), right], dim=1).flatten(0, 1)


def _parts(instances: int, weights: int) -> list[slice]:
    """Instances of so many weights each, in parts that stay in the cache."""
    size = max(1, WEIGHTS_AT_ONCE // weights)
    return [slice(low, low + size) for low in range(0, instances, size)]
