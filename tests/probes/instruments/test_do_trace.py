"""The trace of an edited run is a trace: the recorded one where nothing is edited, the donor's where all of it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthscope.core import checkpoint, tasks, trace
from depthscope.core.tasks import twins
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.trace import Trace
from depthscope.probes.editing import language
from depthscope.probes.editing.language import Edit
from depthscope.probes.editing.runner import Material
from depthscope.probes.instruments import do
from depthscope.probes.instruments.do import Replay
from depthscope.probes.instruments.do_trace import edited, material
from tests.probes.hand_made import flood, untrained, wave

ARRAYS = ("hidden", "attention", "gate", "readout", "logits", "truth", "known")
SHIPPED = ("graph-house", "graph-act", "graph-house-tokens", "logic-gru", "logic-house-tree", "text-house-facts")


def line() -> GraphInstance:
    return GraphInstance(tuple("ABCDEFGH"), np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [6, 7]]), 0, 5)


def equal(one: Trace, other: Trace) -> None:
    for name in ARRAYS:
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            np.testing.assert_array_equal(a, b, err_msg=name)


def run(opened: Any, instance: Any, *texts: str, steps: int = 8) -> tuple[Trace, Trace]:
    base = trace.record(opened, instance, steps)
    program = [language.parse(text, base.encoding.labels) for text in texts]
    return base, edited(opened, base, program, material(opened, instance, program, steps))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_null_edit_gives_the_recorded_trace_to_the_bit(name: str) -> None:
    opened = checkpoint.load(name)
    instance = tasks.get(opened.config.task).generate(2, 1, data="audited", seed=4)[0]
    base = trace.record(opened, instance, 6)
    equal(edited(opened, base, []), base)
    own = Material(donor=base)
    equal(edited(opened, base, [Edit("patch", 2, nodes=(1,)), Edit("patch", 4)], own), base)
    frozen = base.hidden.copy()
    frozen.flags.writeable = False  # as the app keeps it
    equal(edited(opened, replace(base, hidden=frozen), [Edit("noise", 3, amount=0.0)]), base)


def test_a_full_patch_is_the_donors_run() -> None:
    instance = line()
    base, after = run(wave(), instance, "patch t=0 parts=state,mask,input")
    twin = trace.record(wave(), twins.find(instance).instance, 8)
    np.testing.assert_allclose(after.hidden, twin.hidden, atol=1e-5)
    np.testing.assert_allclose(after.logits, twin.logits, atol=1e-4)
    assert after.attention is not None
    assert twin.attention is not None
    np.testing.assert_allclose(after.attention, twin.attention, atol=1e-4)
    np.testing.assert_array_equal(after.truth, base.truth)


def test_a_skipped_step_moves_everything_by_one_step_and_carries_nothing() -> None:
    base, after = run(wave(), line(), "hold t=3")
    assert after.attention is not None
    assert base.attention is not None
    np.testing.assert_array_equal(after.hidden[:3], base.hidden[:3])
    np.testing.assert_allclose(after.hidden[3:], base.hidden[2:-1], atol=1e-5)
    np.testing.assert_array_equal(after.attention[:2], base.attention[:2])
    np.testing.assert_allclose(after.attention[3:], base.attention[2:-1], atol=1e-4)
    assert not after.attention[2].any()


def test_what_is_cut_or_silenced_has_no_attention_and_a_gate_that_is_set_is_shown(tmp_path: Path) -> None:
    _, after = run(wave(), line(), "silence t=3 edge=D<C head=0", "silence t=4 edge=E<D")
    assert after.attention is not None
    assert after.attention[2, 0, 3, 2] == 0
    assert after.attention[2, 1, 3, 2] > 0
    assert not after.attention[3, :, 4, 3].any()
    _, after = run(untrained(tmp_path, "graph"), line(), "gate t=3.. node=B amount=0.25")
    assert after.gate is not None
    np.testing.assert_allclose(after.gate[2:, 1], 0.25, atol=1e-6)
    assert (after.gate[:2, 1] != 0.25).all()


def test_attention_is_on_the_edges_of_the_instance_where_there_are_many() -> None:
    n = 320
    edges = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    instance = GraphInstance(tuple(f"n{i}" for i in range(n)), edges, 0, 5)
    base, after = run(wave(), instance, "silence t=2 edge=n2<n1", "hold t=4 node=n4", steps=6)
    assert base.edge_index is not None
    assert after.attention is not None
    assert base.attention is not None
    query, key = base.edge_index
    assert not after.attention[1][:, (query == 2) & (key == 1)].any()
    assert not after.attention[3][:, query == 4].any()
    np.testing.assert_array_equal(after.attention[1][:, query == 7], base.attention[1][:, query == 7])
    whole = edited(wave(), base, [Edit("patch", 0, parts=("mask",))], Material(donor=base))
    assert whole.attention is not None
    np.testing.assert_allclose(whole.attention, base.attention, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("graph-house", "zero t=2 node=#1"),
        ("graph-house", "patch t=1 node=#2"),
        ("graph-house", "add t=2..3 node=#1 amount=1 direction=orthogonal"),
        ("logic-house-tree", "mean t=2..3 node=#0,#1"),
        ("logic-house-tokens", "add t=2 node=#1 amount=3 direction=random"),
        ("text-house-facts", "repeat t=2 amount=2"),
        ("graph-act", "swap t=1 node=#0,#1"),
    ],
)
def test_its_answers_are_those_of_do(name: str, text: str) -> None:
    opened = checkpoint.load(name)
    instance = tasks.get(opened.config.task).generate(3, 1, data="audited", seed=2)[0]
    found = do.measure(opened, [instance], steps=8, edit=[text])
    assert isinstance(found, Replay)
    base, after = run(opened, instance, text)
    np.testing.assert_allclose(after.logits, found.runs[0].after, atol=1e-4)
    np.testing.assert_array_equal(base.logits, found.runs[0].before)


def test_a_model_without_attention_has_none() -> None:
    _, after = run(flood(), line(), "zero t=2 node=C")
    assert after.attention is None
    assert after.gate is None
    assert after.logits[5] < 0
