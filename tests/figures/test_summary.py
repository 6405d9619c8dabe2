import dataclasses

import numpy as np

from depthscope.core.tasks.wording import clipped
from depthscope.core.trace import Trace
from depthscope.figures.summary import right_from, sentence
from tests.figures.hand_made import chain, formula, formula_trace, graph_trace, layered_graph


def answering(trace: Trace, *logits: float) -> Trace:
    return dataclasses.replace(trace, logits=np.array(logits, dtype=np.float32))


def test_reachable_and_right() -> None:
    trace = answering(graph_trace(chain(2), 4), -1, -1, 1, 1, 1)
    assert sentence(trace) == "C is 2 hops from A; the model says reachable from step 2 on; right from step 2 on."


def test_wrong_to_the_end() -> None:
    trace = answering(graph_trace(chain(1), 3), -1, 1, -1, -1)
    assert sentence(trace) == (
        "B is 1 hop from A; the model says unreachable from step 2 on; "
        "wrong after all 3 steps, though right on the way."
    )
    before = answering(graph_trace(chain(1), 2), 1, -1, -1)
    assert sentence(before).endswith("wrong after all 2 steps.")  # step 0 is before the model has done anything
    never = answering(graph_trace(chain(1), 1), -1, -1)
    assert sentence(never) == "B is 1 hop from A; the model says unreachable at every step; wrong after all 1 step."


def test_how_far_the_wave_came() -> None:
    trace = answering(graph_trace(chain(4), 6), *[-1] * 7)
    readout = np.full((7, 5), 6, dtype=np.float32)
    readout[-1, 3:] = -2
    short = dataclasses.replace(trace, readout=readout)
    assert sentence(short).endswith("wrong after all 6 steps: the wave has come 2 hops far.")
    assert sentence(dataclasses.replace(trace, readout=None)).endswith("wrong after all 6 steps.")


def test_no_path() -> None:
    graph = layered_graph((1, 2), stranded=2)
    graph = dataclasses.replace(graph, target=4)
    assert graph.difficulty is None
    trace = answering(graph_trace(graph, 2), 1, -1, -1)
    due = graph.first_decidable_step()
    assert sentence(trace) == (
        f"There is no path from A to E; that is decidable after {due} step{'' if due == 1 else 's'}; "
        "the model says unreachable from step 1 on; right from step 1 on."
    )


def test_formula() -> None:
    trace = answering(formula_trace(formula(), 3, "edges"), 1, 1, 1, -1)
    assert sentence(trace) == (
        "The formula is false; decidable after 5 steps; the model says false at the last step only; "
        "right at the last step only, though a guess until step 5."
    )
    tokens = answering(formula_trace(formula(), 3, "tokens"), 1, 1, 1, -1)
    assert "guess" not in sentence(tokens)  # with full attention everything is within reach at once


def test_right_from_and_clipped() -> None:
    trace = answering(graph_trace(chain(1), 2), 1, 1, 1)
    assert right_from(trace, 1) == 0
    assert right_from(trace, 0) is None
    assert sentence(trace).endswith("right at every step, though a guess until step 1.")
    assert sentence(answering(graph_trace(chain(1), 2), -1, 1, 1)).endswith("right from step 1 on.")
    assert clipped("x" * 99) == "x" * 23 + "…"
    assert clipped("package.module.submodule.name") == "…e.module.submodule.name"
    assert clipped("") == "(no name)"
    assert clipped("a\nb") == "a b"
