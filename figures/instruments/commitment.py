"""Commitment drawn: how many answers stand from each step on, said and held, and what the probe's controls get."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.csv_text import csv_text, number
from depthscope.figures.style.curves import line, share
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import MAIN, MUTED, colour, figure
from depthscope.probes.instruments.commitment import NONE, Commitment, Part
from depthscope.probes.measuring.estimate import Estimate

HEIGHT = 360
PARTS = {"all": "All answers", "yes": "Yes alone", "no": "No alone"}


def chosen(result: Commitment, part: str) -> np.ndarray:
    """Which instances a part holds, (N,) bool."""
    return {"all": np.ones_like(result.answer), "yes": result.answer, "no": ~result.answer}[part]


def standing_over_steps(result: Commitment, part: str, scheme: Scheme) -> go.Figure:
    """Share of the answers that stand from a step on: as they are said, as a probe reads them, and as can be proved."""
    fig = figure(scheme, height=HEIGHT, x="step", y="share of answers that stand")
    t, mask = np.arange(result.steps + 1), chosen(result, part)
    looks = (
        (result.t_out, "said, t_out", MAIN[scheme], "solid"),
        (result.t_rep, "held in the state, t_rep", colour(scheme, 1), "dot"),
        (result.decidable, "decidable (oracle)", MUTED[scheme], "dash"),
    )
    for times, name, hue, dash in looks:
        if np.isfinite(times[mask]).any():
            by_then = (times[mask][None] <= t[:, None]).mean(1)
            hover = f"{name}: %{{y:.3f}} from step %{{x}} on<extra></extra>"
            line(fig, t, by_then, name, hue, dash, hover=hover, line_shape="hv")
    fig.update_xaxes(range=[-0.5, result.steps + 0.5], showgrid=False)
    fig.update_yaxes(range=[-0.04, 1.06], tickvals=[0, 0.25, 0.5, 0.75, 1])
    return fig


def knowing_over_steps(result: Commitment, scheme: Scheme) -> go.Figure:
    """Share of the last answers that the probe names at a step, beside permuted answers and an untrained network."""
    fig = figure(scheme, height=HEIGHT, x="step", y="share of last answers named")
    t = np.arange(result.steps + 1)
    looks = (
        (result.accuracy, "probe of the state", MAIN[scheme], "solid"),
        (result.accuracy_permuted, "answers permuted", colour(scheme, 2), "dash"),
        (result.accuracy_untrained, "untrained network", colour(scheme, 1), "dot"),
    )
    for values, name, hue, dash in looks:
        if np.isfinite(values).any():
            line(fig, t, values, name, hue, dash)
    fig.update_xaxes(range=[-0.5, result.steps + 0.5], showgrid=False)
    fig.update_yaxes(range=[0.0, 1.06], tickvals=[0, 0.25, 0.5, 0.75, 1])
    return fig


def when(result: Commitment) -> str:
    """One sentence: from when answers are said, held and decidable on average."""
    part = result.parts[0]
    said = f"An answer is said from step {_mean(part.t_out)} on"
    if result.probe != NONE:
        said += f" and held from step {_mean(part.t_rep)} on (permuted {_mean(part.permuted, False)}"
        said += f", untrained {_mean(part.untrained, False)})" if np.isfinite(part.untrained.value) else ")"
    late = part.out_late
    if np.isfinite(late.value):
        side = "after" if late.value >= 0 else "before"
        said += f"; said {abs(late.value):.2f} steps {side} the oracle can decide"
    return f"{said}. {share(float(result.right.mean()))} of the answers are right."


def rows(result: Commitment) -> list[dict[str, str]]:
    """The times by answer as rows of a table, with the controls of t_rep."""
    columns = {
        "t_out": "said, t_out",
        "t_rep": "held, t_rep",
        "gap": "gap",
        "out_late": "t_out − oracle",
        "rep_late": "t_rep − oracle",
        "permuted": "t_rep, permuted",
        "untrained": "t_rep, untrained",
    }
    named = lambda part: {"answers": PARTS[part.name], "n": f"{part.n:,}"}  # noqa: E731
    return [named(part) | {title: _mean(getattr(part, x)) for x, title in columns.items()} for part in result.parts]


def part_names(result: Commitment) -> list[str]:
    """The parts there are."""
    return [part.name for part in result.parts if isinstance(part, Part)]


def as_csv(result: Commitment) -> str:
    """Every instance, a line each; t_rep of T + 1 is never."""
    times = zip(result.t_out, result.t_rep, result.decidable, strict=True)
    rows = ([i, *map(number, row), int(result.answer[i]), int(result.right[i])] for i, row in enumerate(times))
    return csv_text(["instance", "t_out", "t_rep", "decidable", "answer", "right"], rows)


def _mean(estimate: Estimate, interval: bool = True) -> str:
    if not np.isfinite(estimate.value):
        return "–"
    return (f"{estimate:.2f}" if interval else f"{estimate.value:.2f}").replace("-", "−")
