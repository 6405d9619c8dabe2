"""What a visit remembers: one value under one key, failures until the next attempt, and the last instance of a task."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest
import streamlit as st

from depthscope.core import checkpoint
from depthscope.core.errors import InputError
from depthscope.ui.visit import visit
from depthscope.ui.visit.address import Address, Example
from depthscope.ui.visit.view import default_address

SHIPPED = {entry["name"] for entry in checkpoint.available()}
UI = Path(visit.__file__).parents[1]


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    kept: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", kept)
    return kept


def test_a_visit_is_one_value_under_one_key(state: dict[str, object]) -> None:
    @dataclass
    class Page:
        count: int = 0

    visit.part(Page).count += 1
    visit.part(Page).count += 1
    visit.propose(Address("a", Example("b")))
    assert visit.part(Page).count == 2
    assert list(state) == [visit.KEY]


def test_no_page_keeps_anything_but_widgets_beside_it() -> None:
    """Literal keys of the session in the sources are those of widgets."""
    keys = {
        node.slice.value
        for path in UI.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
        and (getattr(node.value, "attr", "") == "session_state" or getattr(node.value, "id", "") == "state")
    }
    assert keys
    assert {key for key in keys if not key.endswith("_widget")} == set()


def test_a_failure_is_kept_until_the_next_attempt() -> None:
    with visit.attempt("here"):
        raise InputError("no")
    assert visit.visit().failures == {"here": "no"}
    with visit.attempt("here"):
        pass
    assert visit.visit().failures == {}
    with pytest.raises(ZeroDivisionError), visit.attempt("here"):
        raise ZeroDivisionError


@pytest.mark.skipif(not {"graph-house", "graph-paper", "logic-gru"} <= SHIPPED, reason="they are not shipped")
def test_another_checkpoint_comes_with_the_instance_last_open_for_its_task() -> None:
    here = visit.visit()
    visit.choose_checkpoint("graph-house")
    assert here.address == default_address("graph-house")
    here.address = Address("graph-house", Example("cycle"), against="graph-act")
    visit.choose_checkpoint("logic-gru")
    assert here.proposal == default_address("logic-gru")
    here.address, here.proposal = here.proposal, None
    visit.choose_checkpoint("graph-paper")
    assert here.proposal == Address("graph-paper", Example("cycle"))
