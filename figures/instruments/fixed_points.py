"""Points at which the update stands still, drawn: the eigenvalues there."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.curves import line
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import HEIGHT, INK, MUTED, colour, figure
from depthscope.probes.instruments.fixed_points import FixedPoints


def spectrum(result: FixedPoints, scheme: Scheme) -> go.Figure:
    """Largest eigenvalues of the update at the points it stands still at, in the complex plane with the unit circle."""
    fig = figure(scheme, height=HEIGHT + 60, x="real part", y="imaginary part")
    angle = np.linspace(0, 2 * np.pi, 181)
    line(fig, np.cos(angle), np.sin(angle), "unit circle", INK[scheme], "dot", width=1, hover="")
    for k, (name, points) in enumerate((("trained", result.points), ("untrained", result.control))):
        for i, values in enumerate(points.eigenvalues):
            real, imaginary = values[..., 0].ravel(), values[..., 1].ravel()
            keep = np.isfinite(real)
            if not keep.any():
                continue
            kind = "fixed" if points.fixed[i] else "slow"
            hue = MUTED[scheme] if k else colour(scheme, i)
            symbol = ("circle", "square", "diamond")[i % 3] + ("-open" if k else "")
            fig.add_scatter(
                x=real[keep], y=imaginary[keep], mode="markers", name=f"{name}, {kind} point {i}",
                marker={"size": 8, "symbol": symbol, "color": hue},
                hovertemplate="%{x:.3f} + %{y:.3f}i<extra>" + f"{name}, {kind} point {i}</extra>",
            )  # fmt: skip
    fig.update_yaxes(scaleanchor="x", scaleratio=1)
    return fig
