"""Gradients pulled back through a run, one step at a time: nothing but one step's graph is ever held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


def states_of(model: Any, context: Any, steps: int, each: Callable[[], None] = lambda: None) -> list[Tensor]:
    """The states h[0..T] of a run, (B, n, d) each, without a graph; `each` is called after every step."""
    with torch.no_grad():
        states = [model.initial(context)]
        for t in range(steps):
            states.append(model.step(states[-1], t, context))
            each()
    return states


def pulled_back(
    model: Any, context: Any, states: Sequence[Tensor], cotangent: Tensor
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Pulls a cotangent at h[T] back to h[T], h[T-1], ..., h[0].

    What shrinks or grows over many steps is brought back to size one at every step and the factor is kept, so that
    nothing vanishes in float32.

    Args:
        model: Any model with a step.
        context: Of the B instances.
        states: h[0..T], (B, n, d) each; a leading 1 stands for B copies.
        cotangent: (B, n, d) at h[T].

    Yields:
        s, the cotangent at h[s] up to a factor (B, n, d), and the natural logarithm of that factor (B,) float64.
    """
    scale = torch.zeros(len(cotangent), dtype=torch.float64, device=cotangent.device)
    for s in range(len(states) - 1, -1, -1):
        yield s, cotangent, scale
        if s == 0:
            return
        size = cotangent.abs().amax((1, 2))
        size = torch.where(size > 0, size, torch.ones_like(size))
        cotangent, scale = cotangent / size[:, None, None], scale + size.double().log()
        with torch.enable_grad():
            before = states[s - 1].detach().expand_as(cotangent).clone().requires_grad_()
            (cotangent,) = torch.autograd.grad(model.step(before, s - 1, context), before, cotangent)
