"""Any estimate drawn: a curve with its interval along one axis, several curves for two, one bar for a single number."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.curves import band, error_bars, line
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import MAIN, SHADE, colour, figure
from depthscope.probes.measuring.estimate import Estimate

HEIGHT = 320
FEW = 3
"""Values that are drawn as bars of their own rather than as a curve."""

MOST = 8
"""Curves of an array with two axes or more, the first ones."""


def estimate(name: str, of: Estimate, scheme: Scheme) -> go.Figure:
    """One estimate, of any shape."""
    fig = figure(scheme, height=HEIGHT, x="index", y=name)
    if of.value.size <= FEW:
        flat = [np.atleast_1d(x).ravel() for x in (of.value, of.low, of.high)]
        value, low, high = flat
        fig.add_scatter(
            x=np.arange(len(value)), y=value, mode="markers", marker={"size": 9, "color": MAIN[scheme]}, name=name,
            error_y=error_bars(value, low, high, MAIN[scheme], 4), hovertemplate="%{y:.3f}<extra></extra>",
        )  # fmt: skip
        fig.update_xaxes(tickvals=np.arange(len(value)), range=[-0.6, len(value) - 0.4])
        return fig
    rows = of.value.reshape(-1, of.value.shape[-1]), *(x.reshape(-1, x.shape[-1]) for x in (of.low, of.high))
    t = np.arange(of.value.shape[-1])
    for k, (value, low, high) in enumerate(zip(*(x[:MOST] for x in rows), strict=True)):
        if k == 0:
            band(fig, t, low, high, SHADE[scheme])
        line(fig, t, value, name if len(rows[0]) == 1 else f"{name} {k}", colour(scheme, k), "solid")
    return fig
