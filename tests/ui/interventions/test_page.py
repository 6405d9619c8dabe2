"""The list of edits, its place in a link, the examples of an instance, and the map that is patched with progress."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from depthscope.core import checkpoint, trace
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks import many as lines, twins
from depthscope.probes.editing import language
from depthscope.probes.instruments import do, patch
from depthscope.probes.instruments.do import Replay
from depthscope.ui.interventions import (
    edits as intervention_edits,
    examples as intervention_examples,
    run as intervention_runs,
)
from depthscope.ui.interventions.edits import Edits
from depthscope.ui.visit import examples
from depthscope.ui.visit.address import Address, Example
from depthscope.ui.visit.view import open_address
from depthscope.ui.widgets import copy_instance

LABELS = ("A", "B", "C")


def test_errors_name_the_line() -> None:
    assert intervention_edits.read("zero t=3 node=B\n\n hold t=2 ", LABELS, 2, 5)[1].kind == "hold"
    for text, says in (
        ("hold t=1\nzero t=3 node=Q", "Line 2: there is no node 'Q'"),
        ("\n\nfreeze t=1", "Line 3: there is no edit 'freeze'"),
        ("hold t=1\nhold t=9", "Line 2: hold t=9: the run has 5 steps"),
        ("silence t=1 edge=A<B head=7", "Line 1: .*the heads are 0 to 1"),
    ):
        with pytest.raises(InputError, match=says):
            intervention_edits.read(text, LABELS, 2, 5)
    assert intervention_edits.read('[{"kind": "hold", "step": 2}]', LABELS, 2, 5)[0].step == 2
    with pytest.raises(InputError, match="the run has 5 steps"):
        intervention_edits.read('[{"kind": "hold", "step": 9}]', LABELS, 2, 5)


def test_a_list_is_taken_line_by_line_and_json_whole() -> None:
    text = "zero t=3 node=B\ncut t=1.. edge=B<A"
    assert Edits(text).texts == text.splitlines()
    assert Edits('[{"kind": "hold",\n "step": 2}]').texts == ['[{"kind": "hold",\n "step": 2}]']


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("graph-house", "three-hops"),
        ("graph-act", "three-hops"),
        ("logic-house-tree", "depth-4"),
        ("logic-gru", "depth-4"),
        ("text-house-facts", "chain-2"),
    ],
)
def test_every_example_can_be_run(name: str, example: str) -> None:
    opened = checkpoint.load(name)
    instance = examples.find(opened.config.task, example)
    base = trace.record(opened, instance, 6)
    offers = intervention_examples.examples(opened, base, twins.find(instance).instance)
    titles = [offer.title for offer in offers]
    assert titles[0].startswith("Zero the front at step")
    assert any(title.startswith("Skip step 3") for title in titles)
    assert any(title.startswith("Freeze the gate") for title in titles) == intervention_examples.has_gate(opened)
    for offer in offers:
        assert language.loads(offer.text, base.encoding.labels)
        found = do.measure(opened, [instance], steps=6, edit=[offer.text])
        assert isinstance(found, Replay)


@pytest.mark.slow
def test_examples_on_a_graph_lie_on_the_path() -> None:
    opened = checkpoint.load("graph-house")
    instance = examples.find("graph", "twelve-hops")
    base = trace.record(opened, instance, 20)
    offers = {o.title: o.text for o in intervention_examples.examples(opened, base, twins.find(instance).instance)}
    edit = language.parse(offers["Zero the front at step 3"], base.encoding.labels)
    assert edit.nodes is not None
    assert [instance.distance[i] for i in edit.nodes] == [3]
    assert "Patch the path from the twin at step 4" in offers
    alone = intervention_examples.examples(opened, base)
    assert not any("twin" in offer.title for offer in alone)


@pytest.mark.slow
def test_a_map_with_progress_is_the_map_of_the_command() -> None:
    for name, example in (("graph-house", "three-hops"), ("logic-house-tree", "shortcut")):
        opened = checkpoint.load(name)
        instance = examples.find(opened.config.task, example)
        told: list[tuple[int, int]] = []
        found = patch.measure(opened, [instance], steps=7, progress=lambda *x, told=told: told.append(x))
        due = patch.measure(opened, [instance], steps=7)
        assert dumps(found) == dumps(due)
        cells = 2 * 8 * len(due.maps[0].labels)
        assert told == sorted(told)
        assert told[-1] == (cells, cells)
        assert len(told) >= 2


@pytest.mark.slow
def test_a_map_can_be_stopped() -> None:
    opened, instance = checkpoint.load("graph-house"), examples.find("graph", "three-hops")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt(done)

    with pytest.raises(KeyboardInterrupt):
        patch.measure(opened, [instance], steps=7, progress=stop)


@pytest.mark.slow
def test_what_is_shown_is_what_the_command_computes() -> None:
    view = open_address(Address("graph-house", Example("three-hops")))
    edits = intervention_edits.of_view("zero t=2 node=#3\nhold t=3", view)
    made = intervention_runs.run(view, edits)
    file, text = copy_instance.file_of(view), copy_instance.as_file(view)
    words, code = copy_instance.on_instance(view, "do", edit=edits.texts)
    assert words.startswith(f"depthscope probe do graph-house {file} --source ")
    assert words.endswith("--steps 11 --edit 'zero t=2 node=#3' --edit 'hold t=3' --json")
    ends = view.instance.names[view.instance.source], view.instance.names[view.instance.target]
    own = lines.parsed("graph", text, *ends, file)
    found = do.measure(view.checkpoint, [own], steps=view.trace.steps, edit=edits.texts)
    assert isinstance(found, Replay)
    np.testing.assert_allclose(made.replay.runs[0].before, found.runs[0].before, atol=1e-4)
    np.testing.assert_allclose(made.after.trace.logits, made.replay.runs[0].after, atol=1e-4)
    assert made.after.readings.keys() == view.readings.keys()
    assert made.after.key != view.key
    compile(code, "code", "exec")


def test_no_twin_is_a_sentence() -> None:
    view = open_address(Address("text-house-facts", Example("strangers")))
    said = intervention_runs.twin_of(view)
    assert isinstance(said, str)
    assert "no twin" in said
    assert not any("twin" in offer.title for offer in intervention_runs.offers(view))
    patched = intervention_edits.of_view("patch t=1", view)
    with pytest.raises(InputError, match="no twin"):
        intervention_runs.run(view, patched)


@pytest.mark.slow
def test_a_long_run_waits_for_its_button() -> None:
    view = open_address(Address("graph-house", Example("three-hops")))
    assert not intervention_runs.is_long(view)
    many = dataclasses.replace(view, trace=trace.record(view.checkpoint, view.instance, 200))
    assert intervention_runs.is_long(many)
