"""One sentence that says what a trace shows: how far, when it is decidable, when the model commits, whether correctly.

Plain text; it is escaped where it is drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.encoding import NEVER
from depthscope.core.tasks.wording import number_of
from depthscope.core.trace import Trace


def right_from(trace: Trace, label: int) -> int | None:
    """First step from which the answer is right to the end; None if it ends wrong."""
    wrong = np.flatnonzero((trace.logits > 0) != bool(label))
    if not len(wrong):
        return 0
    return int(wrong[-1]) + 1 if wrong[-1] < trace.steps else None


def words(instance: Any) -> tuple[str, str]:
    """What the answers 1 and 0 are called for an instance's task."""
    no, yes = tasks.get(instance.task).words.answers
    return yes, no


def first_decidable(trace: Trace) -> int | None:
    """First step at which the oracle can answer what the model was given; None if it never can."""
    first = tasks.get(trace.instance.task).decidable(trace.instance, trace.encoding)
    return None if first == NEVER else first


def _problem(trace: Trace) -> str:
    """The instance and what its oracle says, without a full stop."""
    instance, problem = trace.instance, tasks.get(trace.instance.task).drawing.problem
    if problem is not None:
        return problem(instance, first_decidable(trace))
    if instance.label is None:
        return "There is no right answer"
    return f"The right answer is {words(instance)[1 - instance.label]}"


def reach(trace: Trace) -> int | None:
    """Hops up to which every node is read as reached in the end; None if no readout says so of nodes, or all are."""
    logits, encoding = trace.node_logits, trace.encoding
    if not tasks.get(trace.instance.task).concept.spreads or logits is None:
        return None
    due = (encoding.true_from != NEVER) & np.isfinite(logits[-1])
    missed = encoding.true_from[due & (logits[-1] <= 0)]
    return int(missed.min()) - 1 if len(missed) else None


def sentence(trace: Trace) -> str:
    """What a trace shows, in one sentence.

    For example "C is 12 hops from A; the model says reachable from step 12 on; right from step 12 on." An answer that
    was there before anything that decides it could have arrived along the edges is called a guess.
    """
    said = words(trace.instance)[1 - trace.answer]
    commitment = trace.commitment_step
    model = f"the model says {said} " + (
        "at every step"
        if commitment == 0
        else f"from step {commitment} on"
        if commitment < trace.steps
        else "at the last step only"
    )
    label = trace.instance.label
    if label is None:
        return f"{_problem(trace)}; {model}."
    right = right_from(trace, int(label))
    if right is None:
        ever = bool(((trace.logits[1:] > 0) == bool(label)).any())  # step 0 is before the model has done anything
        verdict = f"wrong after all {number_of(trace.steps, 'step')}" + (", though right on the way" if ever else "")
        if label and (far := reach(trace)) is not None:
            verdict += f": the wave has come {number_of(far, 'hop')} far" if far >= 0 else ": no wave has set out"
    elif right == 0:
        verdict = "right at every step"
    elif right == trace.steps:
        verdict = "right at the last step only"
    else:
        verdict = f"right from step {right} on"
    decidable = first_decidable(trace)
    if trace.encoding.interface == "edges" and right is not None and decidable is not None and right < decidable:
        verdict += f", though a guess until step {decidable}"  # nothing that decides has come within reach before
    return f"{_problem(trace)}; {model}; {verdict}."
