"""Lenses drawn: how far each is from the final readout at every step, and how often they name the final sign."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.csv_text import csv_text, number
from depthscope.figures.style.curves import band, line, share
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import BAND, MAIN, SHADE, colour, figure
from depthscope.probes.instruments.lens import SHUFFLED, UNTRAINED, Lenses

HEIGHT = 360
NAMES = {
    SHUFFLED: "tuned, answers shuffled",
    UNTRAINED: "tuned, untrained network",
    "logit": "logit lens",
    "tuned": "tuned lens",
}


def _looks(scheme: Scheme) -> dict[str, tuple[str, str]]:
    return {
        "tuned": (MAIN[scheme], "solid"),
        "logit": (colour(scheme, 1), "solid"),
        SHUFFLED: (colour(scheme, 2), "dash"),
        UNTRAINED: (colour(scheme, 3), "dot"),
    }


def divergence_over_steps(result: Lenses, scheme: Scheme) -> go.Figure:
    """KL(final || lens) over steps, both lenses with their intervals and both controls."""
    fig = figure(scheme, height=HEIGHT, x="step", y="KL(final || lens), nats")
    t = np.arange(result.steps + 1)
    for name, fill in (("logit", SHADE[scheme]), ("tuned", BAND[scheme])):
        band(fig, t, result.curve(name).kl.low, result.curve(name).kl.high, fill)
    for name, (hue, dash) in _looks(scheme).items():
        line(fig, t, result.curve(name).kl.value, NAMES[name], hue, dash)
    fig.update_xaxes(range=[-0.5, result.steps + 0.5], showgrid=False)
    fig.update_yaxes(rangemode="tozero")
    fig.update_layout(legend_traceorder="normal", margin_t=54)
    return fig


def sign_over_steps(result: Lenses, scheme: Scheme) -> go.Figure:
    """Share of readouts whose sign is already the final one, and where the two lenses differ in sign."""
    fig = figure(scheme, height=HEIGHT, x="step", y="share of readouts")
    t = np.arange(result.steps + 1)
    for name, (hue, dash) in _looks(scheme).items():
        line(fig, t, result.curve(name).same, NAMES[name], hue, dash)
    hue = colour(scheme, 5)
    band(fig, t, result.disagreement.low, result.disagreement.high, SHADE[scheme])
    line(fig, t, result.disagreement.value, "the two lenses differ", hue, "dashdot")
    fig.update_layout(legend_traceorder="normal", margin_t=54)
    fig.update_xaxes(range=[-0.5, result.steps + 0.5], showgrid=False)
    fig.update_yaxes(range=[-0.04, 1.06], tickvals=[0, 0.25, 0.5, 0.75, 1])
    return fig


def difference(result: Lenses) -> str:
    """One sentence: where the tuned lens sees most more than the logit lens, and what its controls see there."""
    kl = {curve.name: curve.kl.value for curve in result.curves}
    more = np.minimum(kl[SHUFFLED], kl[UNTRAINED]) > result.curve("tuned").kl.high
    gain = kl["logit"] - kl["tuned"]
    t = int(np.argmax(np.where(more, gain, -np.inf) if more.any() else gain))
    controls = ", ".join(f"{name} {share(kl[name][t])}" for name in (SHUFFLED, UNTRAINED))
    sentence = (
        f"t step {t} the logit lens is {share(kl['logit'][t])} nats from the final readout, the tuned lens "
        f"{share(kl['tuned'][t])} ({controls}); they differ in sign on {share(result.disagreement.value[t])} of the "
        "readouts there."
    )
    return f"A{sentence}" if more.any() else f"The tuned lens sees no more than its controls: a{sentence}"


def as_csv(result: Lenses) -> str:
    """Every lens at every step, a line each."""
    rows = []
    for curve in result.curves:
        values = zip(curve.kl.value, curve.kl.low, curve.kl.high, curve.same, curve.answer_kl, strict=True)
        rows += [[curve.name, t, *map(number, row)] for t, row in enumerate(values)]
    return csv_text(["lens", "step", "kl", "low", "high", "same", "answer_kl"], rows)
