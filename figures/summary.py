"""One sentence that says what a trace shows: how far, when it is decidable, when the model commits, whether rightly.

Plain text; whoever draws it escapes it.
"""

from __future__ import annotations

import re

import numpy as np

from depthscope.core.encoding import NEVER
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.tasks.logic.instance import LogicInstance
from depthscope.core.tasks.text.instance import RELATIONS, TextInstance, relation_word
from depthscope.core.trace import Trace

LONGEST_NAME = 24
PATH = re.compile(r"[\w./:\\-]*\w[./:\\][\w./:\\-]*")


def clipped(name: str, longest: int = LONGEST_NAME) -> str:
    """A label cut to a length that fits a line, control characters as spaces; a stand-in for an empty one.

    A path such as `package.module` keeps its end, which tells it from its neighbours.
    """
    text = "".join(c if c.isprintable() else " " for c in name[:400]).strip() or "(no name)"
    if len(text) <= longest:
        return text
    return "…" + text[1 - longest :] if PATH.fullmatch(text) else text[: longest - 1] + "…"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def right_from(trace: Trace, label: int) -> int | None:
    """First step from which the answer is right to the end; None if it ends wrong."""
    wrong = np.flatnonzero((trace.logits > 0) != bool(label))
    if not len(wrong):
        return 0
    return int(wrong[-1]) + 1 if wrong[-1] < trace.steps else None


def words(instance: object) -> tuple[str, str]:
    """What the answers 1 and 0 are called for an instance's task."""
    if isinstance(instance, TextInstance):
        return "yes", "no"
    return ("reachable", "unreachable") if isinstance(instance, GraphInstance) else ("true", "false")


def first_decidable(trace: Trace) -> int | None:
    """First step at which the oracle can answer what the model was given; None if the instance cannot say."""
    instance = trace.instance
    if isinstance(instance, LogicInstance):  # by levels of the tree, or by tokens, as the model takes it in
        return int(trace.encoding.known_from[trace.encoding.answer])
    if isinstance(instance, GraphInstance | TextInstance):
        first = instance.first_decidable_step()
        return None if first == NEVER else first
    known = trace.known[:, trace.encoding.answer]
    return int(known.argmax()) if known.any() else None


def _problem(trace: Trace) -> str:
    """The instance and what its oracle says, without a full stop."""
    instance = trace.instance
    if isinstance(instance, GraphInstance):
        source, target = clipped(instance.names[instance.source]), clipped(instance.names[instance.target])
        if instance.source == instance.target:
            return f"{source} is both the source and the target"
        if instance.difficulty is not None:
            return f"{target} is {_count(instance.difficulty, 'hop')} from {source}"
        return (
            f"There is no path from {source} to {target}; "
            f"that is decidable after {_count(first_decidable(trace) or 0, 'step')}"
        )
    if isinstance(instance, LogicInstance):
        value = words(instance)[1 - instance.label]
        return f"The formula is {value}; decidable after {_count(first_decidable(trace) or 0, 'step')}"
    if isinstance(instance, TextInstance):
        return _question(instance)
    label = getattr(instance, "label", None)
    if label is None:
        return "No fact decides the query"
    return f"The query is {words(instance)[1 - int(label)]}"


def reach(trace: Trace) -> int | None:
    """Hops up to which every node is read as reached in the end; None if no readout says so of nodes, or all are."""
    instance, sub = trace.instance, trace.encoding.subformula
    if not isinstance(instance, GraphInstance) or trace.readout is None:
        return None
    logits, far = trace.readout[-1], np.where(sub >= 0, instance.distance[sub], -1)
    due = (far >= 0) & np.isfinite(logits)
    missed = far[due & (logits <= 0)]
    return int(missed.min()) - 1 if len(missed) else None


def _question(instance: TextInstance) -> str:
    """The question and its answer, without a full stop."""
    first, asked, second = instance.query
    a, b = clipped(instance.names[first]), clipped(instance.names[second])
    question = f"Is {a} the {relation_word(asked)} of {b}?"
    if instance.difficulty is None:
        return f"{question} No facts join them"
    if first == second:
        return f"{question} They are one person"
    offset = int(instance.offset[second])
    word = relation_word(offset)
    other = f"the {word}" if word in RELATIONS else f"{abs(offset)} generations away"
    answer = "Yes" if instance.label else f"No, {other}"
    return f"{question} {answer}, {_count(instance.difficulty, 'fact')} away"


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
    label = getattr(trace.instance, "label", None)
    if label is None:
        return f"{_problem(trace)}; {model}."
    right = right_from(trace, int(label))
    if right is None:
        ever = bool(((trace.logits[1:] > 0) == bool(label)).any())  # step 0 is before the model has done anything
        verdict = f"wrong after all {_count(trace.steps, 'step')}" + (", though right on the way" if ever else "")
        if label and (far := reach(trace)) is not None:
            verdict += f": the wave has come {_count(far, 'hop')} far" if far >= 0 else ": no wave has set out"
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
