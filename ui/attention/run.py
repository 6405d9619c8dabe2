"""What is known of attention in the open run: its path, its scores, and the answer traced back; each kept by digest."""

from __future__ import annotations

from typing import Any

import numpy as np

from depthscope.core.encoding import NEVER
from depthscope.core.tasks.paths import Routes, routes
from depthscope.core.trace import Trace
from depthscope.figures.instruments import traced_back
from depthscope.probes.instruments import attention
from depthscope.probes.instruments.attention import AttentionScores
from depthscope.probes.instruments.interaction import InteractionScores
from depthscope.ui.visit.cache import recent
from depthscope.ui.visit.view import View
from depthscope.ui.work import work as background
from depthscope.ui.work.measure import Request, work_of

AT_ONCE = 1_500_000
"""Weights of a run, and states its rollouts pass, that are measured without being asked for: a second on one core."""

AT_ONCE_STATES = 32_000
"""Numbers in the states of a run through which cotangents are pulled back without being asked for: half a second."""

ROLLOUT, INTERACTION = "rollout: share in the answer", "interaction: effect on the answer"


def route_of(view: View) -> Routes:
    """The links of the open instance, and those on the path."""
    make = lambda: routes(view.instance, view.trace.encoding, view.checkpoint.config)  # noqa: E731
    return recent("routes", 32 << 20).make(view.key, make)


def has_path(view: View) -> bool:
    """Whether anything of the open instance lies on a path to its answer."""
    return bool((route_of(view).from_step != NEVER).any())


def scores(view: View) -> AttentionScores | None:
    """Attention of the open run against its path; None where there is no path, or where it has to be asked for."""
    if view.trace.attention is None or not has_path(view):
        return None
    return _measured("attention", view, _is_short(view.trace))


def _measured(instrument: str, view: View, is_short: bool) -> Any | None:
    return background.result_or_run(work_of(Request.of_view(instrument, view), view.checkpoint), is_short)


def _is_short(trace: Trace) -> bool:
    """Whether a run is measured in a moment; the rollout of every step passes all the steps before it."""
    assert trace.attention is not None
    return trace.attention.size + trace.steps**2 * trace.n_nodes <= AT_ONCE


def influence(view: View) -> InteractionScores | None:
    """Effective interaction of the open run; None where there is no path, or where it has to be asked for."""
    if not has_path(view):
        return None
    return _measured("interaction", view, view.trace.hidden.size <= AT_ONCE_STATES)


def rollout(view: View) -> np.ndarray | None:
    """What the answer's last state is made of, (T+1, n), by recorded attention and gates; None without attention."""
    if view.trace.attention is None:
        return None

    def make() -> np.ndarray:
        weights = attention.weights_of(view.trace, view.checkpoint)
        return attention.rollout_from(weights, view.trace.encoding.answer, view.trace.n_nodes)

    return recent("rollouts", 64 << 20).make(view.key, make)


def with_readings(view: View) -> dict[str, np.ndarray]:
    """The readings of a view, and what is traced back as shares of each step's largest."""
    shown, rolled, result = dict(view.readings), rollout(view), influence(view)
    if rolled is not None:
        shown[ROLLOUT] = traced_back.of_largest(rolled)
    if result is not None:
        shown[INTERACTION] = traced_back.of_largest(result.first.value)
    return shown
