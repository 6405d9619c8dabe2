"""The language of interventions: text and JSON say the same, and what is wrong is said in a sentence."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings, strategies as st

from depthscope.core.errors import InputError
from depthscope.probes.editing import language as edits
from depthscope.probes.editing.language import END, KINDS, PARTS, STATE_KINDS, Edit, check, dumps, loads, parse, written

LABELS = ("A", "B", "B", "c d", "1", "e,f", "#2", "(", "x<y", "9")

small = st.integers(0, len(LABELS) - 1)
some = st.lists(small, min_size=1, max_size=3).map(tuple)
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def any_edit(draw: st.DrawFn) -> Edit:
    kind = draw(st.sampled_from(KINDS))
    step = draw(st.integers(0 if kind in STATE_KINDS else 1, 40))
    given: dict[str, object] = {
        "until": draw(st.none() | st.integers(step, 60) | st.just(END)),
        "nodes": draw(st.none() | some),
    }
    if kind == "swap":
        given["nodes"] = draw(st.tuples(small, small))
    if kind in ("cut", "silence"):
        given |= {"nodes": None, "edges": draw(st.lists(st.tuples(small, small), min_size=1, max_size=3).map(tuple))}
        given["heads"] = draw(st.none() | some)
    if kind == "repeat":
        given |= {"nodes": None, "amount": draw(st.none() | st.integers(1, 100))}
    if kind == "gate":
        given["amount"] = draw(st.floats(0, 1))
    if kind in ("noise", "add"):
        given["amount"] = draw(finite)
    if kind == "noise":
        given["seed"] = draw(st.integers(0, 9))
    if kind == "add":
        given["direction"] = draw(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8))
    if kind == "patch":
        given["parts"] = tuple(draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=3, unique=True)))
    return Edit(kind, step, **given)  # type: ignore[arg-type]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(any_edit())
def test_text_and_json_give_the_edit_back(edit: Edit) -> None:
    assert parse(str(edit)) == edit
    assert parse(written(edit, LABELS), LABELS) == edit
    assert loads(dumps([edit, edit])) == [edit, edit]
    assert json.loads(dumps([edit]))[0]["kind"] == edit.kind


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.builds(lambda k, w: f"{k} t=1 {w}", st.sampled_from(KINDS), st.text(max_size=40)))
def test_no_text_is_a_crash(text: str) -> None:
    for read in (parse, loads):
        with contextlib.suppress(InputError):
            read(text)


def test_a_list_reads_line_by_line() -> None:
    lines = "zero t=3 node=5,6\n\n  hold t=2  \n cut t=4..6 edge=5<2 head=0\n"
    assert [str(e) for e in loads(lines)] == ["zero t=3 node=5,6", "hold t=2", "cut t=4..6 edge=5<2 head=0"]
    assert loads("") == []
    assert loads("[]") == []


def test_nodes_have_names_and_numbers() -> None:
    assert parse("zero t=1 node=A,c", ("c", "A")).nodes == (1, 0)
    assert parse("zero t=1 node=0", ("1", "0")).nodes == (1,), "a name comes before a number"
    assert parse("zero t=1 node=#0", ("1", "0")).nodes == (0,), "and #0 is never a name"
    assert parse("cut t=1 edge=A<#0", ("c", "A")).edges == ((1, 0),)
    with pytest.raises(InputError, match=r"2 nodes are called 'B'.* such as 1"):
        parse("zero t=1 node=B", LABELS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not say at which step"),
        ("zap t=1", "there is no edit 'zap'; there are zero, mean"),
        ("zero node=1", "does not say at which step"),
        ("zero t=-1", "steps should run from 0 upwards"),
        ("hold t=0", "steps should run from 1 upwards"),
        ("zero t=5..4", "got 5 to 4"),
        ("zero t=x", "'x' is not a whole number"),
        ("zero t=" + "9" * 30, "too large"),
        ("zero t=1 t=2", "'t=2' in"),
        ("zero t=1 colour=red", "'colour=red' in"),
        ("zero t=1 node=Z", "there is no node 'Z'"),
        ("zero t=1 node=-1", "there is no node '-1'"),
        ("zero t=1 amount=2", "zero does not take amount="),
        ("zero t=1 edge=1<2", "zero does not take edge="),
        ("hold t=1 head=0", "hold does not take head="),
        ("noise t=1", "noise needs amount="),
        ("noise t=1 amount=nan", "finite number"),
        ("noise t=1 amount=1 seed=-1", "a seed is a whole number from 0"),
        ("add t=1 amount=1", "add needs direction="),
        ("swap t=1", "swap needs node="),
        ("swap t=1 node=1", "swap needs two nodes"),
        ("cut t=1", "cut needs edge="),
        ("cut t=1 edge=5", "'5' is no edge"),
        ("patch t=1 parts=soul", "among state, mask, input"),
        ("repeat t=1 amount=0", "1 to 100 times"),
        ("repeat t=1 amount=1.5", "1 to 100 times"),
        ("gate t=1 amount=2", "from 0 to 1"),
        ("zero t=1 'node", "No closing quotation"),
    ],
)
def test_bad_text_is_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(text)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "row",
    [
        "[1]", '[{"kind": "zero"}]', '[{"kind": "zero", "step": "1"}]', '[{"kind": "zero", "step": true}]',
        '[{"kind": "zero", "step": 1, "colour": 2}]', '[{"kind": "zero", "step": 1, "nodes": 5}]',
        '[{"kind": "zero", "step": 1, "nodes": []}]', '[{"kind": "zero", "step": 1, "nodes": [-1]}]',
        '[{"kind": "cut", "step": 1, "edges": []}]', '[{"kind": "cut", "step": 1, "edges": [[1]]}]',
        '[{"kind": "noise", "step": 1, "amount": NaN}]', '[{"kind": "noise", "step": 1, "amount": 1' + "0" * 400 + "}]",
        '[{"kind": "patch", "step": 1, "parts": [1]}]', '[{"kind": "zero", "step": 1' + "0" * 400 + "}]", "[" * 9999,
        "[" + "1," * edits.MAX_EDITS + "1]",
    ],
)  # fmt: skip
def test_bad_json_is_refused_in_a_sentence(row: str) -> None:
    with pytest.raises(InputError) as refused:
        loads(row)
    assert len(str(refused.value)) < 300


def test_edits_are_checked_against_the_run() -> None:
    check([parse("zero t=5 node=2"), parse("cut t=3.. edge=0<2 head=1")], 3, 2, 5)
    for text, says in (
        ("zero t=6", "the run has 5 steps"),
        ("zero t=1 node=3", "the nodes are 0 to 2"),
        ("cut t=1 edge=0<3", "the nodes are 0 to 2"),
        ("cut t=1 edge=0<1 head=2", "the heads are 0 to 1"),
    ):
        with pytest.raises(InputError, match=says):
            check([parse(text)], 3, 2, 5)
    with pytest.raises(InputError, match="this model has no attention"):
        check([parse("silence t=1 edge=0<1 head=0")], 3, 0, 5)
