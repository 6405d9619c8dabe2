"""A batch: what is read, what is not and why, and what the command line reads back."""

from __future__ import annotations

import json

import pytest
import streamlit as st

from depthscope.core.errors import InputError
from depthscope.core.tasks import many as lines
from depthscope.ui import many as batch
from depthscope.ui.visit import visit
from depthscope.ui.visit.address import Address, UserInput

JSONL = b'{"input": "a b\\nb c", "source": "a", "target": "c"}\n{"input": "x y", "source": "nobody"}\n'


def test_files_and_lines_are_items_each_with_its_problem() -> None:
    items = batch.read("graph", [("one.txt", b"A B\n"), ("many.jsonl", JSONL), ("bad.graphml", b"<graphml>")])
    assert [item.name for item in items] == ["one.txt", "many.jsonl, 1", "many.jsonl, 2", "bad.graphml"]
    assert [item.problem is None for item in items] == [True, True, False, False]
    assert "nobody" in (items[2].problem or "")
    assert batch.instance_of("graph", items[1]).difficulty == 2


def test_a_file_that_is_added_is_the_one_that_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[batch.Item] = []
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(batch, "show", shown.append)
    first, bad, second = ("one.txt", b"A B\n"), ("bad.graphml", b"<graphml>"), ("two.txt", b"A B\nB C\n")
    batch.take("graph", [first, bad])
    batch.take("graph", [first, bad, second])
    assert [item.name for item in shown] == ["one.txt", "two.txt"]
    assert batch.PLACE not in visit.visit().failures
    batch.take("graph", [first, bad, second, ("worse.graphml", b"<graphml>")])
    assert visit.visit().failures[batch.PLACE].startswith("worse.graphml: ")
    assert len(shown) == 2
    st.session_state.clear()
    visit.visit().address = Address("graph-house", UserInput(first[1], first[0]))
    batch.take("graph", [first, second])
    assert shown[-1].name == "two.txt"


def test_what_is_written_reads_back() -> None:
    items = [item for item in batch.read("graph", [("many.jsonl", JSONL)]) if item.problem is None]
    text = batch.as_lines(items)
    assert json.loads(text) == {"input": "a b\nb c", "source": "a", "target": "c"}
    assert lines.read("graph", text, "batch.jsonl")[0][1].difficulty == 2


def test_a_table_of_formulas_and_a_table_that_is_a_graph() -> None:
    assert batch.holds_many("x.csv", b"input,label\nT&F,0\n")
    assert not batch.holds_many("x.csv", b"a,b\nb,c\n")
    items = batch.read("logic", [("x.csv", b"input\nT&F\nT&\n")])
    assert [item.problem is None for item in items] == [True, False]


def test_bounds() -> None:
    many = b'{"input": "a b"}\n' * (batch.MOST + 1)
    with pytest.raises(InputError, match="split"):
        batch.read("graph", [("many.jsonl", many)])
    with pytest.raises(InputError, match=r"many\.jsonl: line 1 is not JSON"):
        batch.read("graph", [("many.jsonl", b"nope\n")])
