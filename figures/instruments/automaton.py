"""A learned automaton: how well it and its controls predict the model, drawn, and its rules in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import HEIGHT, colour, figure
from depthscope.probes.instruments.automaton import Automaton, Test


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
