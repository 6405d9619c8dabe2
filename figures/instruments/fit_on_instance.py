"""What the stored probes say of one instance, compared with the oracle at every step, and drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.tasks import concepts
from depthscope.core.trace import Trace
from depthscope.figures.style.csv_text import csv_text, number
from depthscope.figures.style.curves import estimated, line, shade, share
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import MAIN, MUTED, Span, colour, figure
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.reading.regression import LinearProbe


@dataclass(frozen=True)
class OnInstance:
    """What the stored probes say of one instance's nodes against the oracle; arrays are (T+1,).

    Attributes:
        n: Nodes that carry the concept.
        right: Share of them that the probe names correctly, with Wilson's interval; the nodes of one instance are not
            independent.
        readout: The same share of the model's own readout; None where it has none of this concept.
        majority: Share of the most frequent value.
    """

    n: int
    right: Estimate
    readout: np.ndarray | None
    majority: np.ndarray


def on_instance(checkpoint: Checkpoint, trace: Trace, probe: LinearProbe) -> OnInstance:
    """Reads the nodes of a trace with the stored probes and compares them with the oracle, step by step."""
    concept = concepts.concept_for(checkpoint.config, probe.concept)
    has = trace.encoding.carries
    truth = concepts.labels(concept, trace.encoding, trace.steps)[:, has]
    right = probe.says(probe.logits(trace.hidden[:, has])) == truth
    n = int(has.sum())
    own = None
    if trace.node_logits is not None and not concept.values:
        own = ((trace.node_logits[:, has] > 0) == truth).mean(1)
    counts = np.stack([(truth == value).sum(1) for value in np.unique(truth)])
    return OnInstance(n, Estimate.share(right.sum(1), n), own, counts.max(0) / n)


def instance_over_steps(result: OnInstance, scheme: Scheme, trained_steps: Span = None) -> go.Figure:
    """Share of one instance's nodes that the probe names correctly, beside the readout and the most frequent value."""
    t, ink = np.arange(len(result.right)), MAIN[scheme]
    fig = figure(scheme, height=300, x="step", y=f"share of {result.n:,} nodes")
    estimated(fig, t, result.right, "probe, 95% interval", ink, scheme, markers=len(t) <= 60)
    line(fig, t, result.majority, "most frequent value alone", MUTED[scheme], "dash")
    if result.readout is not None:
        line(fig, t, result.readout, "the model's readout", colour(scheme, 1), "dot")
    shade(fig, scheme, trained_steps, int(t[-1]))
    fig.update_layout(legend_traceorder="normal")
    fig.update_xaxes(range=[-0.5, t[-1] + 0.5], showgrid=False)
    fig.update_yaxes(
        range=[min(0.45, float(result.right.value.min()) - 0.05, float(result.majority.min()) - 0.05), 1.04]
    )
    return fig


def instance_sentence(result: OnInstance) -> str:
    """From which step the probe reads every node of an instance correctly, or how many in the end."""
    wrong = np.flatnonzero(result.right.value < 1)
    last = len(result.right) - 1
    alone = f"the most frequent value alone gets {share(result.majority[-1])} of them at the end"
    if not len(wrong) or wrong[-1] < last:
        first = 0 if not len(wrong) else int(wrong[-1]) + 1
        return f"The probe reads all {result.n:,} nodes correctly from step {first} on; {alone}."
    n_right = round(float(result.right[-1]) * result.n)
    return f"After {last} steps the probe reads {n_right:,} of {result.n:,} nodes correctly; {alone}."


def instance_csv(result: OnInstance) -> str:
    """Every step of one instance, a line each."""
    own = [None] * len(result.right.value) if result.readout is None else result.readout
    columns = (result.right.value, result.right.low, result.right.high, own, result.majority)
    rows = ([t, *map(number, row), result.n] for t, row in enumerate(zip(*columns, strict=True)))
    return csv_text(["step", "right", "low", "high", "readout", "majority", "nodes"], rows)
