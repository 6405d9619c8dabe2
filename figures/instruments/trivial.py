"""Rules without thought, drawn beside a model: accuracy over difficulty, on audited and on the paper's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from depthscope.core import tasks
from depthscope.core.frontier import NO_DIFFICULTY, Frontier
from depthscope.figures.frontier.words import axis
from depthscope.figures.style.csv_text import csv_text, number
from depthscope.figures.style.curves import band, error_bars, line, share
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import BAND, HEIGHT, MAIN, colour, figure
from depthscope.probes.instruments.trivial import RuleScores

SAYS = {
    "degree": "“degree” says reachable if the source has an edge out and the target an edge in",
    "top 4 levels": "“top 4 levels” says the value where four levels of operators fix it, and else tosses a coin",
    "word counter": "“word counter” is a forest on how often parent, child and sibling occur, and on the question",
    "near the count": "“near the count” says yes if the question is within two of #parent − #child",
    "joined count": "“joined count” says yes if it is #parent − #child among facts whose people are named elsewhere",
}
"""What each rule does, for the line under the figure."""

DATA = {"paper": "the paper's data", "audited": "audited data"}
DASHES = {"paper": "solid", "audited": "dot"}
MARKERS = ("square", "diamond", "triangle-up")


def accuracy_of_rules(
    scores: Mapping[str, Sequence[RuleScores]], frontier: Frontier, data: str, name: str, task: str, scheme: Scheme
) -> go.Figure:
    """A line for each rule and data, with its interval, and the model's at the last step measured.

    Args:
        scores: By data.
        frontier: Of the model, on `data`.
        data: Which data the frontier was measured on.
        name: Of the model.
        task: Its task.
        scheme: Light or dark.
    """
    fig = figure(scheme, height=HEIGHT, x=axis(task), y="share right")
    order = [k for k in np.argsort(frontier.difficulty) if frontier.difficulty[k] != NO_DIFFICULTY]
    x = frontier.difficulty[order]
    band(fig, x, frontier.low[order, -1], frontier.high[order, -1], BAND[scheme])
    title = f"{name} at T = {len(frontier.steps)}, {DATA[data]}"
    line(fig, x, frontier.accuracy[order, -1], title, MAIN[scheme], DASHES[data], True, marker={"size": 7})
    for of, rules in scores.items():
        for k, rule in enumerate(rules):
            hue, shares = colour(scheme, k + 1), rule.accuracy
            line(
                fig, rule.difficulty, shares.value, f"{rule.rule}, {DATA[of]}", hue, DASHES[of], True,
                marker={"symbol": MARKERS[k % len(MARKERS)], "size": 7},
                error_y=error_bars(shares.value, shares.low, shares.high, hue),
            )  # fmt: skip
    fig.update_layout(legend_traceorder="normal")
    fig.update_yaxes(range=[0.28, 1.04], tickvals=[0.5, 0.75, 1])
    fig.update_xaxes(showgrid=False)
    return fig


def most(scores: Mapping[str, Sequence[RuleScores]], task: str) -> str:
    """One sentence: the most that a rule gets on either data. Plain text."""
    parts = []
    for data, rules in scores.items():
        best = max(rules, key=lambda rule: rule.accuracy.value.max())
        at = int(best.accuracy.value.argmax())
        where = tasks.get(task).words.counted(int(best.difficulty[at]))
        parts.append(f"{share(float(best.accuracy[at]))} on {DATA[data]} ({best.rule}, {where})")
    return "Without following a single step a rule gets up to " + " and ".join(parts) + "."


def where_wrong(errs: Sequence[RuleScores], data: str, name: str) -> str:
    """One sentence: how often the model is right where a rule is wrong, over all difficulties. Plain text."""
    parts = []
    for rule in errs:
        if n := int(rule.accuracy.n.sum()):
            right = float(np.nansum(rule.accuracy.value * rule.accuracy.n)) / n
            parts.append(f"{share(right)} where “{rule.rule.removesuffix(' wrong')}” is wrong ({n:,} instances)")
    if not parts:
        return ""
    sentence = f"On {DATA[data]} {name} is right on {', '.join(parts)}"
    return f"{sentence}; by the rule it would be right on none, by a coin on half."


def as_csv(scores: Mapping[str, Sequence[RuleScores]]) -> str:
    """Every point, a line each."""
    rows = [
        [data, rule.rule, difficulty, *map(number, (x.value, x.low, x.high)), x.n]
        for data, rules in scores.items()
        for rule in rules
        for difficulty, x in zip(rule.difficulty, rule.accuracy, strict=True)
    ]
    return csv_text(["data", "rule", "difficulty", "accuracy", "low", "high", "n"], rows)
