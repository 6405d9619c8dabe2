"""Formulas read by ours, and evaluated by a small evaluator of the test's own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from depthscope.core.errors import InputError
from depthscope.core.tasks.logic.grammar import MAX_CHARACTERS, MAX_DEPTH, parse, render
from depthscope.core.tasks.logic.instance import LogicInstance

Formula = str | tuple
MEANING: dict[str, Callable[[bool, bool], bool]] = {
    "&": lambda a, b: a and b,
    "^": lambda a, b: a != b,
    "|": lambda a, b: a or b,
    "=>": lambda a, b: b or not a,
    "<=>": lambda a, b: a == b,
}
RANK = {"&": 4, "^": 3, "|": 2, "=>": 1, "<=>": 0}
SPELLINGS = {
    "&": ["&", "&&", " and ", "∧", " AND "],
    "^": ["^", " xor ", "⊕"],
    "|": ["|", "||", " or ", "∨"],
    "=>": ["=>", "->", "→"],
    "<=>": ["<=>", "<->", "↔"],
    "!": ["!", "~", "¬", " not "],
    "T": ["T", " true ", " True ", " 1 ", " x "],
    "F": ["F", " false ", " FALSE ", " 0 ", " y_2 "],
}
FORMULAS = st.recursive(
    st.sampled_from("TF"),
    lambda inner: st.one_of(
        st.tuples(st.just("!"), inner), st.tuples(st.sampled_from(list(MEANING)), inner, inner)
    ),
    max_leaves=25,
)  # fmt: skip


def value(formula: Formula) -> bool:
    if isinstance(formula, str):
        return formula == "T"
    if formula[0] == "!":
        return not value(formula[1])
    return MEANING[formula[0]](value(formula[1]), value(formula[2]))


def canonical(formula: Formula) -> str:
    if isinstance(formula, str):
        return formula
    if formula[0] == "!":
        return "!" + canonical(formula[1])
    a, b = canonical(formula[1]), canonical(formula[2])
    return {"=>": f"(!{a}|{b})", "<=>": f"!({a}^{b})"}.get(formula[0], f"({a}{formula[0]}{b})")


def written(formula: Formula, spell: Callable[[str], str]) -> str:
    """The formula with no more brackets than it needs."""
    if isinstance(formula, str):
        return spell(formula)
    if formula[0] == "!":
        inner = written(formula[1], spell)
        return spell("!") + (f"({inner})" if isinstance(formula[1], tuple) and formula[1][0] != "!" else inner)
    rank, sides = RANK[formula[0]], []
    for side, from_right in ((formula[1], False), (formula[2], True)):
        inner = written(side, spell)
        of_side = RANK.get(side[0], 9) if isinstance(side, tuple) else 9
        same_goes_on = from_right == (formula[0] == "=>")
        sides.append(inner if of_side > rank or (of_side == rank and same_goes_on) else f"({inner})")
    return spell(formula[0]).join(sides)


@given(FORMULAS, st.data())
@settings(deadline=None, max_examples=200)
def test_value_and_structure_of_random_formulas(formula: Formula, data: st.DataObject) -> None:
    text = written(formula, lambda symbol: data.draw(st.sampled_from(SPELLINGS[symbol])))
    instance = parse(text + "\nx=1, y_2 = F\n")
    assert instance.text == canonical(formula)
    assert instance.label == value(formula)
    assert (np.diff(instance.position) > 0).all()
    assert (instance.token_ids[instance.position] == instance.kind).all()
    again = parse(render(instance))
    assert again == instance
    assert hash(again) == hash(instance)
    assert again.notes == ()


PRECEDENCE = [
    ("!T|F&T^F", "(!T|((F&T)^F))"),
    ("T|F|T", "((T|F)|T)"),
    ("T=>F=>T", "(!T|(!F|T))"),
    ("T<=>F<=>T", "!(!(T^F)^T)"),
    ("T=>F<=>T|F", "!((!T|F)^(T|F))"),
    ("!!T", "!!T"),
    ("((T))", "T"),
    ("not T and F", "(!T&F)"),
    ("T\n&\nF # the end (", "(T&F)"),
]


@pytest.mark.parametrize(("text", "expected"), PRECEDENCE)
def test_precedence(text: str, expected: str) -> None:
    for data in (text, text.encode(), text.replace("\n", "\r\n").encode("utf-8-sig"), text.encode("utf-16")):
        assert parse(data, filename="a.txt").text == expected


@pytest.mark.parametrize(
    "text",
    ["a & b => T\na=1, b=T", "where a = true; b = 1\na & b => T", "a&b=>T where a=1 b=TRUE", "a=1\nb=1\n\na&b -> T"],
)
def test_variables_and_rewriting_are_said(text: str) -> None:
    instance = parse(text)
    assert instance.text == "(!(T&T)|T)"
    assert instance.notes == (
        "Variables were replaced by their values: a = T, b = T.",
        "=> and <=> were rewritten: (!(T&T)|T)",
    )


def test_equal_formulas_are_equal_and_others_are_not() -> None:
    assert parse("(T & F)") == parse("T&F")
    assert parse("T&F") != parse("F&T")
    assert parse("T") != "T"


DEEP = "!" * (MAX_DEPTH - 1) + "T"
REFUSED = [
    ("", "empty"),
    (b"", "empty"),
    (" \n\t", "empty"),
    ("x=1", "no formula"),
    ("# T", "no formula"),
    (b"\xff\xfe\x00", "UTF-8"),
    (b"T & \x80", "line 1 is not text"),
    ("T\x00", "binary"),
    ("(T", "line 1, column 1: this bracket is not closed"),
    ("T &\n(F | (T)", "line 2, column 1: this bracket is not closed"),
    ("T)", "line 1, column 2: this bracket was never opened"),
    ("T &\n F))", "line 2, column 3: this bracket was never opened"),
    ("()", "line 1, column 2"),
    ("T & ", "line 1, column 4: the formula ends where a value"),
    ("T F", "line 1, column 3: 'F' stands where an operator should"),
    ("T\nF", "line 2, column 1: 'F' stands"),
    ("& T", "line 1, column 1: '&' stands where a value"),
    ("T $ F", r"line 1, column 3: '\$'"),
    ("T == F", "line 1, column 3: '='"),
    ("10", "line 1, column 1: '1'"),
    ("x &\n foo\nx=1", "line 2, column 2: the variable foo has no value"),
    ("x\nx=2", "line 2, column 3: '2' is not a value"),
    ("x\nx=1, x=0", "line 2, column 6: x has two values"),
    ("x\nx=1 y", "line 2, column 5: this is not an assignment"),
    ("T\nT=0", "line 2, column 1: T has a meaning"),
    ("not\nnot=0", "line 2, column 1: not has a meaning"),
    ("(" * 100_000, "line 1, column 1001: more than 1,000 brackets"),
    ("(" * 99_000 + "T" + ")" * 99_000, "column 1001"),
    ("!" * 100_000 + "T", "100,001 levels deep"),
    ("T&" * 20_000 + "T", "20,001 levels deep"),
    ("T=>" * 20_000 + "T", "20,002 levels deep"),
    ("T " * 200_001, "200,000 tokens"),
    (" " * MAX_CHARACTERS + "T", "1,000,000 characters"),
    ("x=1," * 200_000, "no formula"),
    ("where " * 160_000, "not an assignment"),
    ("x" * 900_000, "no value"),
    ("=\n" * 300_000, "not an assignment"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refused_in_one_sentence(text: str | bytes, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(InputError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert time.perf_counter() - start < 10


def test_the_deepest_formula_round_trips() -> None:
    for text in (DEEP, "T&" * (MAX_DEPTH - 1) + "T", "T=>" * (MAX_DEPTH - 2) + "T"):
        instance = parse(text)
        assert parse(render(instance)) == instance
    with pytest.raises(InputError, match="1,001 levels"):
        parse("!" + DEEP)


def test_long_formulas_are_read() -> None:
    parts = ["(T&!F)"] * 2**11
    while len(parts) > 1:
        parts = [f"({a}|{b})" for a, b in zip(parts[::2], parts[1::2], strict=True)]
    instance = parse(parts[0])
    assert isinstance(instance, LogicInstance)
    assert instance.text == parts[0]


@pytest.mark.slow
@given(st.one_of(st.text(), st.binary(), st.text("TF01xyandort&|^!~()=<>-,;#. \n", max_size=40)))
@settings(deadline=None, max_examples=1000)
def test_random_input_never_crashes(text: str | bytes) -> None:
    with contextlib.suppress(InputError):
        instance = parse(text)
        canonical_text = render(instance)
        assert parse(canonical_text) == instance
