"""Attention along edges against dense attention under the same mask, and against a softmax written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from core.attention import dense_attention, edge_attention

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
