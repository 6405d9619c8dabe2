"""How states converge, drawn: movement over steps, settling against the oracle, spectra, components, rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.curves import band, error_bars, line, shade
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import BAND, HEIGHT, INK, MAIN, MUTED, RULE, Span, colour, figure
from depthscope.probes.instruments.automaton import Automaton, Test
from depthscope.probes.instruments.convergence import Convergence
from depthscope.probes.instruments.fixed_points import FixedPoints
from depthscope.probes.instruments.lyapunov import Lyapunov
from depthscope.probes.instruments.pca import Pca

LEAST = 1e-8
"""Smallest value on a logarithmic axis: below it lies float32's rounding."""

QUANTITIES = {"change": "change of a state, share of its size", "rest": "distance from the end, share of its size"}


def _line(fig: go.Figure, y: np.ndarray, name: str, hue: str, dash: str = "solid") -> None:
    line(fig, np.arange(len(y)), y, name, hue, dash, hover=f"step %{{x}}: %{{y:.3g}}<extra>{name}</extra>")


def _beside_untrained(
    fig: go.Figure, trained: np.ndarray, low: np.ndarray, high: np.ndarray, untrained: np.ndarray, scheme: Scheme
) -> None:
    """The trained network's curve with its interval, and an untrained one's."""
    band(fig, np.arange(len(low)), low, high, BAND[scheme])
    _line(fig, trained, "trained", MAIN[scheme])
    _line(fig, untrained, "untrained", MUTED[scheme], "dash")


def movement_over_steps(result: Convergence, what: str, scheme: Scheme, trained: Span = None) -> go.Figure:
    """Change or distance from the end over steps, on a logarithmic axis, beside an untrained network's.

    `what` is "change" or "rest", `trained` the fewest and most steps in training, shaded.
    """
    fig = figure(scheme, height=HEIGHT, x="step", y=QUANTITIES[what])
    floor = lambda x: np.where(x > 0, np.maximum(x, LEAST), np.nan)  # noqa: E731
    shade(fig, scheme, trained, result.steps)
    curve, blank = (getattr(course, what) for course in (result.trained, result.untrained))
    _beside_untrained(fig, *map(floor, (curve.value, curve.low, curve.high, blank.value)), scheme)
    fig.update_yaxes(type="log", exponentformat="power", dtick=1)
    return fig


def turning_over_steps(result: Convergence, scheme: Scheme) -> go.Figure:
    """Angle between a state's last two moves over steps; 0 goes straight on, 90 turns aside, 180 turns back."""
    fig = figure(scheme, height=HEIGHT, x="step", y="angle between two moves, degrees")
    turn, blank = result.trained.turn, result.untrained.turn
    _beside_untrained(fig, turn.value, turn.low, turn.high, blank.value, scheme)
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


def growth_over_steps(result: Lyapunov, scheme: Scheme) -> go.Figure:
    """Growth of a small disturbance at each step; below 0 it dies out."""
    fig = figure(scheme, height=HEIGHT, x="step", y="growth, nats a step")
    for k in range(result.trained.growth.shape[1]):
        name = ("trained", "its second direction", "its third")[k] if k < 3 else f"its direction {k + 1}"
        _line(fig, result.trained.growth[:, k], name, colour(scheme, k))
    _line(fig, result.untrained.growth[:, 0], "untrained", MUTED[scheme], "dash")
    fig.add_hline(y=0, line={"color": INK[scheme], "width": 1, "dash": "dot"})
    return fig


def variance_over_steps(result: Pca, scheme: Scheme) -> go.Figure:
    """Share of the spread of new instances' states that three shared directions hold, at every step."""
    fig = figure(scheme, height=HEIGHT, x="step", y="share of the variance")
    _line(fig, result.trained.by_step, "trained", MAIN[scheme])
    _line(fig, result.untrained.by_step, "untrained", MUTED[scheme], "dash")
    fig.add_hline(
        y=float(result.permuted.sum()), line={"color": INK[scheme], "width": 1, "dash": "dot"},
        annotation_text="coordinates shuffled", annotation_position="bottom right", annotation_font_size=11,
    )  # fmt: skip
    fig.update_yaxes(range=[0, 1.04])
    return fig


def angles_over_steps(result: Pca, scheme: Scheme) -> go.Figure:
    """Angles between each step's own three directions and the last step's, with those between two halves."""
    fig = figure(scheme, height=HEIGHT, x="step", y="angle with the last step's, degrees")
    for k in range(result.trained.angle.shape[1]):
        _line(fig, result.trained.angle[:, k], f"angle {k + 1}", colour(scheme, k))
        if k == result.trained.angle.shape[1] - 1:
            _line(fig, result.trained.ceiling[:, k], "two halves, angle 3", RULE[scheme], "dot")
            _line(fig, result.untrained.angle[:, k], "untrained, angle 3", MUTED[scheme], "dash")
    fig.update_yaxes(range=[-2, 94], tickvals=[0, 30, 60, 90])
    return fig


def fidelity_of_programs(test: Test, scheme: Scheme) -> go.Figure:
    """The automaton and its controls: share of node-steps, of changes and of answers that each gets right."""
    fig = figure(scheme, height=HEIGHT, x="", y="share")
    names = [program.program for program in test.programs]
    shares = {
        "node-steps": [p.both.value for p in test.programs],
        "changes of state": [p.moves for p in test.programs],
        "answers": [p.accuracy for p in test.programs],
    }
    for k, (title, values) in enumerate(shares.items()):
        fig.add_bar(
            x=names, y=values, name=title, marker={"color": colour(scheme, k), "pattern": {"shape": ("", "/", "x")[k]}},
            hovertemplate=f"%{{x}}: %{{y:.4f}}<extra>{title}</extra>",
        )  # fmt: skip
    fig.update_layout(barmode="group", bargap=0.25)
    fig.update_yaxes(range=[0, 1.05])
    return fig


def rules(result: Automaton, names: dict[int, str]) -> list[dict[str, Any]]:
    """The rules of an automaton, the most frequent first, in words; `names` are those of symbols."""
    rows = []
    for r in np.argsort(-result.rule_count, kind="stable"):
        neighbours = [f"{s}" + (f" ×{n}" if n > 1 else "") for s, n in enumerate(result.rule_messages[r]) if n]
        rows.append(
            {
                "symbol": names.get(int(result.rule_symbol[r]), str(result.rule_symbol[r])),
                "in state": int(result.rule_state[r]),
                "hearing states": ", ".join(neighbours) or "none",
                "goes to": int(result.rule_following[r]),
                "seen": int(result.rule_count[r]),
            }
        )
    return rows
