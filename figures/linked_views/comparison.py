"""One sentence that says where two runs on one instance part."""

from __future__ import annotations

import numpy as np

from depthscope.core.trace import Trace
from depthscope.figures.summary import right_from, words


def comparison(first: Trace, second: Trace) -> str:
    """Whether two checkpoints end with the same answer, whether it is right, and at how many steps they differ.

    Plain text; it is escaped where it is drawn.

    Raises:
        ValueError: If the two did not run the same number of steps.
    """
    if first.steps != second.steps:
        raise ValueError(
            f"the runs have {first.steps} and {second.steps} steps, and can only be compared with the same"
        )
    label = getattr(first.instance, "label", None)
    answers = [words(first.instance)[1 - trace.answer] for trace in (first, second)]
    differ = int(np.sum((first.logits > 0) != (second.logits > 0)))
    apart = f"they differ at {differ} of {first.steps + 1} steps" if differ else "they agree at every step"
    if label is None:
        how = f"both say {answers[0]}" if answers[0] == answers[1] else f"they say {answers[0]} and {answers[1]}"
        return f"No label to hold them to: {how}; {apart}."
    if answers[0] == answers[1]:
        verdict = "correctly" if first.answer == label else "incorrectly"
        since = [right_from(trace, int(label)) for trace in (first, second)]
        when = ""
        if first.answer == label and since[0] != since[1]:
            when = f", {first.checkpoint} from step {since[0]} on and {second.checkpoint} from step {since[1]} on"
        return f"Both end with {answers[0]}, {verdict}{when}; {apart}."
    marks = ["right" if trace.answer == label else "wrong" for trace in (first, second)]
    return (
        f"{first.checkpoint} ends with {answers[0]} ({marks[0]}), "
        f"{second.checkpoint} with {answers[1]} ({marks[1]}); {apart}."
    )


def of_two_instances(first: Trace, second: Trace) -> str:
    """How one checkpoint ends on two instances, and from which step on its answers part.

    Plain text; it is escaped where it is drawn.

    Raises:
        ValueError: If the two did not run the same number of steps.
    """
    if first.steps != second.steps:
        raise ValueError(
            f"the runs have {first.steps} and {second.steps} steps, and can only be compared with the same"
        )
    ends = [f"{words(trace.instance)[1 - trace.answer]} ({_verdict(trace)})" for trace in (first, second)]
    apart = np.flatnonzero((first.logits > 0) != (second.logits > 0))
    when = f"the answers part at step {int(apart[0])}" if len(apart) else "the answers are the same at every step"
    return f"The first ends with {ends[0]}, the second with {ends[1]}; {when}."


def _verdict(trace: Trace) -> str:
    label = getattr(trace.instance, "label", None)
    return "no label" if label is None else "right" if trace.answer == label else "wrong"
