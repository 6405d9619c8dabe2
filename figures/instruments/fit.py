"""Scores of linear probes drawn: accuracy over steps beside its controls, and one step's probe on another.

Pure functions from `depthscope.probes.reading.scores` to Plotly figures and to sentences in plain text; those are
escaped where they are drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.frontier.words import spans
from depthscope.figures.style.cells import cells
from depthscope.figures.style.csv_text import csv_text, number
from depthscope.figures.style.curves import estimated, line, shade, share
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import MAIN, MUTED, Span, colour, figure
from depthscope.probes.reading.scores import AcrossSteps, ProbeScores, StepScores

CONTROLS = {
    "untrained": "untrained network",
    "embedding": "probe on h[0]",
    "features": "input features",
    "control_task": "control task",
}
_LOOKS = {
    "untrained": ("dash", 1),
    "embedding": ("dot", 2),
    "features": ("dashdot", 3),
    "control_task": ("longdash", 4),
}

HEIGHT = 440
UNSEEN = "unseen"


def most_telling(scores: ProbeScores) -> str:
    """Name of the set of nodes on which a probe has least to go by."""
    wanted = (UNSEEN, "harder_operators", "harder", "held_out")
    there = [name for name in wanted if name in scores.tests and np.isfinite(scores.tests[name].accuracy.value).any()]
    return (there or list(scores.tests))[0]


def best_control(test: StepScores) -> np.ndarray:
    """The highest of the controls at every step, (T+1,); NaN where none is defined."""
    rows = np.stack(list(test.controls.values()))
    return np.where(np.isfinite(rows).any(0), np.where(np.isfinite(rows), rows, -np.inf).max(0), np.nan)


def clear_steps(test: StepScores) -> list[int]:
    """Steps at which the whole interval lies above every control."""
    return np.flatnonzero(np.nan_to_num(test.accuracy.low, nan=-1) > best_control(test)).tolist()


def finding(scores: ProbeScores, name: str) -> str:
    """One sentence: at which step the probes stand out most on a set of nodes, and what the controls get there."""
    test = scores.tests[name]
    best = best_control(test)
    value = test.accuracy.value
    margin = np.where(np.isfinite(value), value - best, -np.inf)
    margin[list(scores.constant)] = -np.inf
    if not np.isfinite(margin).any():
        return f"These nodes ({test.title}) are of one class at every step, so that there is nothing to score."
    t = int(np.argmax(margin.round(3)))
    unseen = name == UNSEEN
    of, where = ("distances it was never fitted on", "") if unseen else (f"“{scores.meaning}”", f" ({test.title})")
    strongest = max((x for x in test.controls if np.isfinite(test.controls[x][t])), key=lambda x: test.controls[x][t])
    fresh = share(test.controls["untrained"][t])
    accuracy = share(value[t])
    if not test.accuracy.low[t] > best[t]:
        between = f"[{share(test.accuracy.low[t])}, {share(test.accuracy.high[t])}]"
        return (
            f"At no step does a probe read {of} clearly above all controls{where}: at step {t} it gets {accuracy} "
            f"{between}, the {CONTROLS[strongest]} {share(best[t])}."
        )
    beside = f"the best control ({CONTROLS[strongest]}) {share(best[t])}"
    beside = "and no control more" if strongest == "untrained" else beside
    return f"At step {t} a probe reads {of} at {accuracy}{where}; an untrained network gives {fresh}, {beside}."


def left_out(test: StepScores, constant: tuple[int, ...]) -> str:
    """Which steps have no score, or no probe, and why; empty if all have."""
    gone = np.flatnonzero(~np.isfinite(test.accuracy.value)).tolist()
    parts = []
    if gone:
        which = f"Step{'s' * (len(gone) > 1)} {spans(gone)}"
        parts.append(f"{which} {'are' if len(gone) > 1 else 'is'} left out: these nodes are of one class there.")
    if constant:
        parts.append(f"At step{'s' * (len(constant) > 1)} {spans(constant)} the probe is a constant (open mark).")
    return " ".join(parts)


def accuracy_over_steps(
    scores: ProbeScores, name: str, scheme: Scheme, n_values: int = 2, trained_steps: Span = None
) -> go.Figure:
    """Balanced accuracy with its interval and all controls at every step; selectivity below, on the same steps.

    Args:
        scores: Of a checkpoint's probes.
        name: Of the set of nodes.
        scheme: Colours.
        n_values: Values of the concept; the majority class gets one in as many.
        trained_steps: Fewest and most steps in training, shaded.
    """
    test = scores.tests[name]
    t, ink = np.arange(len(test.accuracy)), MAIN[scheme]
    fig: Any = figure(scheme, height=HEIGHT, x="step", y="balanced accuracy")
    accuracy = test.accuracy
    texts = [
        f"<b>step {i}</b><br>accuracy {share(one.value)} [{share(one.low)}, {share(one.high)}]<br>"
        f"selectivity {test.selectivity[i]:+.3f}"
        for i, one in enumerate(accuracy)
    ]
    symbols = ["circle-open" if i in scores.constant else "circle" for i in t]
    estimated(
        fig, t, accuracy, "probe, 95% interval", ink, scheme, True, width=2.5, marker={"symbol": symbols},
        customdata=texts, hover="%{customdata}<extra></extra>",
    )  # fmt: skip
    for control, (dash, k) in _LOOKS.items():
        line(fig, t, test.controls[control], CONTROLS[control], colour(scheme, k), dash)
    hover = "selectivity %{y:+.3f} at step %{x}<extra></extra>"
    line(fig, t, test.selectivity, "selectivity", ink, yaxis="y2", showlegend=False, hover=hover)
    chance = 1 / n_values
    fig.add_hline(y=chance, line={"color": MUTED[scheme], "width": 1, "dash": "2px,3px"})
    fig.add_annotation(
        x=1.0, xref="paper", xanchor="right", y=chance, yanchor="top", showarrow=False,
        text="one class alone", font={"size": 10, "color": MUTED[scheme]},
    )  # fmt: skip
    least = min(chance - 0.08, _least(test) - 0.03)
    fig.update_layout(margin_t=54, legend_traceorder="normal")
    fig.update_yaxes(domain=[0.31, 1], range=[least, 1.03])
    low = min(-0.08, float(np.nanmin(np.append(test.selectivity, 0))) - 0.05)
    second = {**fig.layout.yaxis.to_plotly_json(), "domain": [0, 0.21], "range": [low, max(0.55, 1 - chance)]}
    second["title"] = {**second["title"], "text": "selectivity"}
    fig.update_layout(yaxis2={**second, "nticks": 4, "zeroline": True, "zerolinecolor": MUTED[scheme]})
    fig.update_xaxes(range=[-0.5, t[-1] + 0.5], showgrid=False, anchor="y2")
    shade(fig, scheme, trained_steps, int(t[-1]))
    return fig


def accuracy_across_steps(result: AcrossSteps, which: str, scheme: Scheme, n_values: int = 2) -> go.Figure:
    """The probe fitted at one step (row) on the states of another (column), as colour.

    Args:
        result: The matrices.
        which: "accuracy" or "untrained".
        scheme: Colours.
        n_values: Values of the concept; what the majority class gets is drawn pale.
    """
    accuracy = result.accuracy
    values = accuracy.value if which == "accuracy" else result.untrained
    t, least = np.arange(len(values)), 1 / n_values
    texts = np.empty(values.shape, dtype=object)
    for i, j in np.ndindex(*values.shape):
        value, low, high, idle = (
            share(float(x[i, j])) for x in (values, accuracy.low, accuracy.high, result.untrained)
        )
        beside = f" [{low}, {high}]<br>untrained {idle}" if which == "accuracy" else ""
        texts[i, j] = f"<b>fitted at step {i}, read at step {j}</b><br>{value}{beside}"
    fig = figure(scheme, height=HEIGHT - 62, x="read at step", y="fitted at step", legend=False)
    ticks = (f"≤ {share(round(least, 2))[:3]}", share((1 + least) / 2)[:4], "1")
    cells(fig, scheme, values, t, t, least=least, ticks=ticks, text=texts, xgap=0, ygap=0)
    ends = [-0.5, t[-1] + 0.5]
    fig.update_xaxes(range=ends, showgrid=False, dtick=8)
    fig.update_yaxes(range=ends, showgrid=False, dtick=8)
    return fig


def carried(result: AcrossSteps) -> str:
    """One sentence: how well a probe reads later steps than its own, beside the untrained network's."""
    later = np.triu(np.ones(result.accuracy.shape, dtype=bool), 1)
    means = []
    for values in (result.accuracy.value, result.untrained):
        own, others = np.diag(values), values[later]
        if not np.isfinite(own).any() or not np.isfinite(others).any():
            return "There are no two steps with a probe and both classes."
        means.append((float(np.nanmean(own)), float(np.nanmean(others))))
    (own, others), (fresh, fresh_others) = means
    return (
        f"A probe reads its own step at {share(own)} and later ones at {share(others)} on average; "
        f"those of an untrained network at {share(fresh)} and {share(fresh_others)}."
    )


def as_csv(scores: ProbeScores) -> str:
    """Every score at every step, a line each."""
    head = ["nodes", "step", "accuracy", "low", "high", "selectivity", *CONTROLS, "n_test", "n_instances"]
    rows = []
    for name, test in scores.tests.items():
        accuracy = test.accuracy
        columns = [accuracy.value, accuracy.low, accuracy.high, test.selectivity, *(test.controls[x] for x in CONTROLS)]
        for t, values in enumerate(zip(*columns, strict=True)):
            rows.append([name, t, *map(number, values), test.n_test, test.n_instances])
    return csv_text(head, rows)


def across_csv(result: AcrossSteps) -> str:
    """Every cell of the matrix and of its control, a line each."""
    accuracy = result.accuracy
    values = (accuracy.value, accuracy.low, accuracy.high, result.untrained)
    rows = ([i, j, *(number(x[i, j]) for x in values)] for i, j in np.ndindex(*accuracy.shape))
    return csv_text(["fitted", "read", "accuracy", "low", "high", "untrained"], rows)


def _least(test: StepScores) -> float:
    """The lowest number that is drawn."""
    rows = np.concatenate([test.accuracy.low, test.accuracy.value, *test.controls.values()])
    return float(np.nanmin(rows)) if np.isfinite(rows).any() else 0.5
