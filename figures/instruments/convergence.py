"""How states converge, drawn: movement and turning over steps, and settling against the oracle."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.curves import beside_untrained, error_bars, line, shade
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import HEIGHT, INK, MAIN, MUTED, Span, figure
from depthscope.probes.instruments.convergence import Convergence

LEAST = 1e-8
"""Smallest value on a logarithmic axis: below it lies float32's rounding."""

QUANTITIES = {"change": "change of a state, share of its size", "rest": "distance from the end, share of its size"}


def movement_over_steps(result: Convergence, what: str, scheme: Scheme, trained: Span = None) -> go.Figure:
    """Change or distance from the end over steps, on a logarithmic axis, beside an untrained network's.

    `what` is "change" or "rest", `trained` the fewest and most steps in training, shaded.
    """
    fig = figure(scheme, height=HEIGHT, x="step", y=QUANTITIES[what])
    floor = lambda x: np.where(x > 0, np.maximum(x, LEAST), np.nan)  # noqa: E731
    shade(fig, scheme, trained, result.steps)
    curve, blank = (getattr(course, what) for course in (result.trained, result.untrained))
    ends = floor(curve.low), floor(curve.high)
    beside_untrained(fig, floor(curve.value), floor(blank.value), scheme, ends)
    fig.update_yaxes(type="log", exponentformat="power", dtick=1)
    return fig


def turning_over_steps(result: Convergence, scheme: Scheme) -> go.Figure:
    """Angle between a state's last two moves over steps; 0 goes straight on, 90 turns aside, 180 turns back."""
    fig = figure(scheme, height=HEIGHT, x="step", y="angle between two moves, degrees")
    turn, blank = result.trained.turn, result.untrained.turn
    beside_untrained(fig, turn.value, blank.value, scheme, (turn.low, turn.high))
    fig.update_yaxes(range=[0, max(95.0, float(np.nanmax([0, *turn.value, *blank.value])) + 5)])
    return fig


def settling_against_order(result: Convergence, scheme: Scheme) -> go.Figure:
    """When nodes settle against how far they are in the oracle's order: median and middle 80%, beside untrained."""
    fig = figure(scheme, height=HEIGHT, x=f"{result.order}", y="settled from step")
    far = np.unique(result.far)
    for name, course, hue, dash, symbol in (
        ("trained", result.trained, MAIN[scheme], "solid", "circle"),
        ("untrained", result.untrained, MUTED[scheme], "dash", "diamond-open"),
    ):
        rows = [course.settled[result.far == d] for d in far]
        middle = np.array([np.median(r) for r in rows])
        low, high = (np.array([np.quantile(r, q) for r in rows]) for q in (0.1, 0.9))
        line(
            fig, far, middle, name, hue, dash, True, width=1.5, marker={"size": 8, "symbol": symbol},
            error_y=error_bars(middle, low, high, hue, 3),
            hover=f"{result.order} %{{x}}: step %{{y}}<extra>{name}</extra>",
        )  # fmt: skip
    line(fig, far, far, "one a step", INK[scheme], "dot", width=1, hover="")
    fig.update_yaxes(rangemode="tozero")
    return fig
