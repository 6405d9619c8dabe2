"""Arrivals drawn: the step from which nodes are read right against how far they are, with the line and its controls."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.csv_text import csv_text
from depthscope.figures.style.curves import band, estimated, line, share
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import BAND, INK, MAIN, MUTED, colour, figure
from depthscope.probes.instruments.wavefront import Wavefront
from depthscope.probes.maths.line_fit import OWN, SHUFFLED, UNTRAINED
from depthscope.probes.measuring.estimate import Estimate

ORDERS = {
    "distance": "hops from the source",
    "facts": "facts from the person asked about",
    "height": "height above the atoms",
    "kappa": "fewest top levels that fix the value",
    "level": "level below the root",
    "place": "place at which the value is certain",
}
UNITS = {
    "distance": "hops",
    "facts": "facts",
    "height": "levels",
    "kappa": "levels",
    "level": "levels",
    "place": "tokens",
}
HEIGHT = 400
LARGEST = 22
"""Diameter of the largest mark."""

STRAIGHT = 0.5
"""R² below which a line through the arrivals has no speed worth a sentence."""


def arrival_over_distance(result: Wavefront, scheme: Scheme) -> go.Figure:
    """Arrivals against the first order: a mark as large as there are nodes, the middle half, and the fitted lines."""
    order, far, tau = result.fits[0].order, result.node_distance, result.node_arrival
    fig = figure(scheme, height=HEIGHT, x=ORDERS.get(order, order), y="arrival, step")
    has = tau >= 0
    x, quartiles = _quartiles(far[has], tau[has])
    band(fig, x, quartiles[0], quartiles[2], BAND[scheme])
    cells, counts = np.unique(np.stack([far[has], tau[has]]), axis=1, return_counts=True)
    if len(counts):
        size = np.maximum(4, LARGEST * np.sqrt(counts / counts.max()))
        fig.add_scatter(
            x=cells[0], y=cells[1], mode="markers", name="nodes, by how many", customdata=counts,
            marker={"size": size, "color": MAIN[scheme], "opacity": 0.55, "line": {"width": 0}},
            hovertemplate="%{customdata:,} nodes at %{x} arrive at step %{y}<extra></extra>",
        )  # fmt: skip
    looks = (
        (UNTRAINED, "untrained network", colour(scheme, 2), "dot"),
        (SHUFFLED, "distances shuffled", colour(scheme, 1), "dash"),
        (OWN, "line", INK[scheme], "solid"),
    )
    ends = np.array([far.min(), far.max()])
    for of, name, hue, dash in looks:
        fit = result.fit(order, of)
        if np.isfinite(fit.slope.value):
            name = f"{name}: R² {share(fit.r2.value)}"
            line(fig, ends, fit.intercept + fit.slope.value * ends, name, hue, dash, hover="")
    fig.update_xaxes(range=[ends[0] - 0.6, ends[1] + 0.6], showgrid=False)
    fig.update_yaxes(range=[-0.6, max(1, int(tau.max(initial=1))) * 1.06 + 0.6])
    return fig


def share_over_distance(result: Wavefront, scheme: Scheme) -> go.Figure:
    """Share of the nodes that arrive at all, by the first order, with its interval and the untrained network's."""
    order, far, arrived = result.fits[0].order, result.distance, result.arrived
    fig = figure(scheme, height=HEIGHT, x=ORDERS.get(order, order), y="share that arrives")
    texts = [
        f"<b>{d}</b>: {share(one.value)} [{share(one.low)}, {share(one.high)}] of {one.n:,} nodes<br>untrained "
        f"{share(blank)}"
        for d, one, blank in zip(far, arrived, result.untrained_arrived, strict=True)
    ]
    estimated(
        fig, far, arrived, "this model, 95% interval", MAIN[scheme], scheme, True, width=2.5, customdata=texts,
        hover="%{customdata}<extra></extra>",
    )  # fmt: skip
    line(
        fig, far, result.untrained_arrived, "untrained network", colour(scheme, 2), "dot", True,
        marker={"symbol": "square"}, hover="untrained: %{y:.3f} at %{x}<extra></extra>",
    )  # fmt: skip
    if result.stalled:
        fig.add_vline(x=result.stall + 0.5, line={"color": MUTED[scheme], "width": 1, "dash": "dash"})
        fig.add_annotation(
            x=result.stall + 0.5, y=0.5, text=" stalls", showarrow=False, xanchor="left",
            font={"size": 11, "color": MUTED[scheme]},
        )  # fmt: skip
    fig.update_layout(legend_traceorder="normal")
    fig.update_xaxes(range=[far[0] - 0.6, far[-1] + 0.6], showgrid=False)
    fig.update_yaxes(range=[-0.04, 1.06], tickvals=[0, 0.25, 0.5, 0.75, 1])
    return fig


def speed(result: Wavefront) -> str:
    """One sentence: how fast the wave is, how straight, how many arrive; each with its control."""
    own, order = result.fit(), result.fits[0].order
    mixed, fresh, twin = (result.fit(order, SHUFFLED), result.fit(order, UNTRAINED), result.twin)
    arrived = f"{own.arrived:,} of {own.within:,} nodes arrive (untrained network: {fresh.arrived:,})"
    if not np.isfinite(own.slope.value):
        return f"There is no line to fit: {arrived}."
    if own.r2.value < STRAIGHT:
        fast = "There is no wave of one speed: how far a node is hardly tells when it is read right for good"
    elif np.isfinite(own.speed.value):
        interval = f"[{share(own.speed.low)}, {share(own.speed.high)}]"
        fast = f"The wave goes {share(own.speed.value)} {UNITS.get(order, 'units')} a step {interval}"
    else:
        fast = f"Nodes farther away arrive no later (slope {own.slope.value:+.2f} steps each)"
    text = f"{fast}, R² {share(own.r2.value)} (shuffled {share(mixed.r2.value)}); {arrived}"
    if result.stalled:
        text += f", fewer than half of those at distance {result.stall + 1}"
    if not twin.arrived.n:
        return text + "."
    here, there = share(twin.arrived.value), share(twin.twin.value)
    return f"{text}; where the twin differs {here} arrive, and {there} in the twin's run."


def rows(result: Wavefront) -> list[dict[str, str]]:
    """The fitted lines as rows of a table, the controls below each."""
    names = {OWN: "this model", SHUFFLED: "shuffled", UNTRAINED: "untrained"}
    return [
        {
            "by": fit.order,
            "of": names[fit.of],
            "1/b": share(fit.speed.value),
            "95%": _interval(fit.speed),
            "a": _number(fit.intercept),
            "b": _number(fit.slope.value),
            "R²": share(fit.r2.value),
            "log₂ R²": share(fit.r2_log2.value),
            "difference": f"{_signed(fit.difference.value)} {_interval(fit.difference)}"
            if np.isfinite(fit.difference.value)
            else "–",
            "ρ": _number(fit.spearman.value),
            "arrive": f"{fit.arrived:,} / {fit.within:,}",
        }
        for fit in result.fits
    ]


def as_csv(result: Wavefront) -> str:
    """Every node, a line each; an arrival of -1 is none."""
    columns = (result.instance, result.node, result.node_distance, result.node_arrival)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return csv_text(["instance", "node", result.fits[0].order, "arrival"], rows)


def _quartiles(far: np.ndarray, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances that occur, (D,), and the quartiles of the arrivals there, (3, D)."""
    x = np.unique(far)
    rows = [np.quantile(tau[far == d], (0.25, 0.5, 0.75)) for d in x]
    return x, np.array(rows).T if rows else np.empty((3, 0))


def _interval(estimate: Estimate) -> str:
    return f"[{_signed(estimate.low)}, {_signed(estimate.high)}]" if np.isfinite(estimate.low) else "–"


def _signed(value: float) -> str:
    return share(float(value)).replace("-0.", "−.")


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if np.isfinite(value) else "–"
