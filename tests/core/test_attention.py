"""Attention along edges against dense attention under the same mask, and against a softmax written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from depthscope.core import nearest_match as geometric
from depthscope.core.attention import dense_attention, edge_attention, kept_attention
from depthscope.core.nearest_match import geometric_attention, trained_geometric_attention

Triple = tuple[Tensor, Tensor, Tensor]


def setting(n: int = 9, heads: int = 3, width: int = 4, seed: int = 0) -> tuple[Triple, Tensor, Tensor]:
    """q, k, v as (n, heads, width); a mask with loops (n, n); its edge list, in no particular order."""
    generator = torch.Generator().manual_seed(seed)
    q, k, v = torch.randn(3, n, heads, width, generator=generator, dtype=torch.float64)
    allowed = (torch.rand(n, n, generator=generator) < 0.3) | torch.eye(n, dtype=torch.bool)
    edges = allowed.nonzero().T
    return (q, k, v), allowed, edges[:, torch.randperm(edges.shape[1], generator=generator)]


def dense(qkv: Triple, allowed: Tensor, keep: Tensor | None = None) -> Tensor:
    q, k, v = (x.transpose(0, 1)[None] for x in qkv)  # (1, heads, n, width)
    bias = torch.zeros(allowed.shape, dtype=q.dtype).masked_fill(~allowed, -torch.inf)[None, None]
    return dense_attention(q, k, v, bias, keep=keep)[0].transpose(0, 1)


@pytest.mark.parametrize("seed", range(3))
def test_along_edges_is_dense_under_the_mask(seed: int) -> None:
    qkv, allowed, edges = setting(seed=seed)
    torch.testing.assert_close(edge_attention(*qkv, edges), dense(qkv, allowed))


def test_gradients_agree() -> None:
    qkv, allowed, edges = setting()
    gradients = []
    for along_edges in (True, False):
        q, k, v = leaves = tuple(x.clone().requires_grad_() for x in qkv)
        y = edge_attention(q, k, v, edges) if along_edges else dense((q, k, v), allowed)
        (y * torch.arange(y.numel(), dtype=y.dtype).view(y.shape)).sum().backward()
        gradients.append([x.grad for x in leaves])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_gradient_is_right_in_itself() -> None:
    qkv, _, edges = setting(n=4, heads=2, width=2)
    leaves = [x.clone().requires_grad_() for x in qkv]
    assert torch.autograd.gradcheck(lambda q, k, v: edge_attention(q, k, v, edges), leaves)


def test_weights_that_are_kept() -> None:
    qkv, allowed, edges = setting()
    n, heads, _ = qkv[0].shape
    along, full = torch.empty(heads, edges.shape[1]).double(), torch.empty(1, heads, n, n).double()
    y = edge_attention(*qkv, edges, keep=along)
    torch.testing.assert_close(y, edge_attention(*qkv, edges))
    torch.testing.assert_close(dense(qkv, allowed, keep=full), dense(qkv, allowed))
    torch.testing.assert_close(full[0][:, edges[0], edges[1]], along)
    assert torch.all(full[0][:, ~allowed] == 0)
    torch.testing.assert_close(full.sum(-1), torch.ones_like(full[..., 0]))


@pytest.mark.parametrize("heads_of_bias", [None, 1, 2])
def test_the_weights_of_one_instance_are_those_of_any(heads_of_bias: int | None) -> None:
    """Kept in few operations they are the same to the bit as those of `dense_attention`."""
    qkv = torch.randn(1, 7, 3 * 2 * 4)
    bias = None if heads_of_bias is None else torch.randn(1, heads_of_bias, 7, 7)
    found, due = torch.empty(2, 1, 2, 7, 7)
    with torch.inference_mode():
        attended = kept_attention(qkv, bias, found)
        q, k, v = qkv.view(1, 7, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        same = dense_attention(q, k, v, bias, keep=due)
    assert torch.equal(found, due)
    assert torch.equal(attended, same.transpose(1, 2).reshape(1, 7, 8))


def test_large_scores_do_not_overflow() -> None:
    (q, k, v), _, edges = setting()
    assert torch.isfinite(edge_attention(1e4 * q, k, v, edges)).all()


def test_a_node_with_only_itself_keeps_its_value() -> None:
    qkv, _, _ = setting()
    loops = torch.arange(len(qkv[0])).repeat(2, 1)
    torch.testing.assert_close(edge_attention(*qkv, loops), qkv[2])


def test_softmax_written_out() -> None:
    (q, k, v), allowed, edges = setting(n=5, heads=1)
    due = np.zeros((5, 4))
    for i in range(5):
        keys = allowed[i].nonzero()[:, 0]
        weight = np.exp([float(q[i, 0] @ k[j, 0]) / 2 for j in keys])
        due[i] = weight @ v[keys, 0].numpy() / weight.sum()
    np.testing.assert_allclose(edge_attention(q, k, v, edges)[:, 0].numpy(), due, rtol=1e-12)


def nearest_match(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, left: bool) -> tuple[Tensor, Tensor]:
    """What one head of geometric attention is by its definition: values (n, width) and weights (n, n)."""
    n = len(q)
    weights = torch.zeros(n, n, dtype=q.dtype)
    for i in range(n):
        free = torch.ones((), dtype=q.dtype)
        for j in range(i - 1, -1, -1) if left else range(i + 1, n):
            match = torch.sigmoid(q[i] @ k[j] * q.shape[-1] ** -0.5 + bias[i, j])
            weights[i, j], free = free * match, free * (1 - match)
        weights[i, i] = free
    return weights @ v, weights


def test_the_nearest_match_wins_on_either_side() -> None:
    (q, k, v), _, _ = setting(n=7, heads=4)
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    place = torch.arange(7)
    right = place[None] > place[:, None]
    side = torch.stack([right.T, right]).repeat_interleave(2, 0)
    bias = torch.linspace(-2, 2, 49, dtype=q.dtype).view(7, 7).expand(1, 4, 7, 7).masked_fill(~side, -torch.inf)
    bias[..., 3] = -torch.inf  # one that is padded
    keep = torch.empty_like(bias)
    y = geometric_attention(q, k, v, bias, keep)
    assert (keep >= 0).all()
    torch.testing.assert_close(keep.sum(-1), torch.ones(1, 4, 7, dtype=q.dtype))
    for head in range(4):
        values, weights = nearest_match(q[0, head], k[0, head], v[0, head], bias[0, head], head < 2)
        torch.testing.assert_close(keep[0, head], weights)
        torch.testing.assert_close(y[0, head], values)


@pytest.mark.parametrize("at_once", [1, 1 << 18])
def test_the_derivative_by_hand_is_that_of_autograd(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometric, "WEIGHTS_AT_ONCE", at_once)
    generator = torch.Generator().manual_seed(0)
    place = torch.arange(6)
    right = place[None] > place[:, None]
    bias = torch.randn(3, 4, 6, 6, generator=generator, dtype=torch.float64)
    bias = bias.masked_fill(~torch.stack([right.T, right]).repeat_interleave(2, 0), -torch.inf)
    bias[1, ..., 4:] = -torch.inf  # padded
    parts = [torch.randn(3, 4, 6, 5, generator=generator, dtype=torch.float64) for _ in range(3)]
    parts[0][2] *= 100  # certain of matches and of none
    found = []
    for attend in (geometric_attention, trained_geometric_attention):
        leaves = [x.clone().requires_grad_() for x in (*parts, bias)]
        y = attend(*leaves)
        (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
        found.append([y.detach(), *(x.grad for x in leaves)])
    for ours, due in zip(found[1], found[0], strict=True):
        assert bool(due.isfinite().all())
        torch.testing.assert_close(ours, due, rtol=1e-9, atol=1e-12)
