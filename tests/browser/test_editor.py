"""The editor in a real browser: an edit by hand is another instance, in the link, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]


def select(here: Visit, node: int) -> None:
    here.page.evaluate(f"() => window.depthscope.main.set({{node: {node}, playing: false}})")


def test_a_graph_is_edited_by_hand_and_taken_back(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?example=three-hops&step=2")
    before = here.headline()
    assert "F is 3 hops from D" in before
    here.page.get_by_role("button", name="Edit", exact=True).click()
    select(here, 3)
    here.page.keyboard.press("e")
    expect(here.page.locator(".ds-edit")).to_contain_text("click a node")
    x, y = here.page.locator(".ds").first.evaluate("root => root.depthscopeStats.where(5)")
    here.page.locator(".ds-structure canvas").click(position={"x": x, "y": y})
    expect(here.page.locator(".st-key-editor")).to_contain_text("The edge D → F was added")
    here.page.wait_for_url("**text=*")
    here.settled()
    edited = here.headline()
    assert "F is 1 hop from D" in edited
    assert here.cursor()["step"] == 2
    here.page.keyboard.press("Control+z")
    expect(here.page.locator("h3").first).to_have_text(before)
    here.page.get_by_role("button", name="Redo").click()
    expect(here.page.locator("h3").first).to_have_text(edited)


def test_formulas_and_texts_are_edited_and_what_cannot_be_done_is_said(server: str, visit: NewVisit) -> None:
    here = visit("dark")
    here.open(f"{server}/?checkpoint=logic-house-tree&example=depth-4&step=3")
    here.page.get_by_role("button", name="Edit", exact=True).click()
    select(here, 5)
    here.page.keyboard.press("x")
    expect(here.page.locator(".st-key-editor")).to_contain_text("became")
    here.settled()
    here.page.get_by_role("button", name="Harder").click()
    expect(here.page.locator(".st-key-editor")).to_contain_text("nesting depth 5")
    here.open(f"{server}/?checkpoint=text-house-facts&example=strangers&step=3")
    before = here.headline()
    here.page.get_by_role("button", name="Make a twin").click()
    expect(here.page.locator(".st-key-editor")).to_contain_text("no facts join")
    assert here.headline() == before


def test_edits_of_a_run_and_of_an_instance_do_not_meet(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/interventions?checkpoint=graph-house&example=three-hops&steps=9&step=3&edits=hold+t%3D2")
    here.page.get_by_role("link", name="Trace").click()
    expect(here.page.get_by_role("button", name="Make a twin")).to_be_visible()
    here.settled()
    here.page.get_by_role("button", name="Make a twin").click()
    expect(here.page.locator(".st-key-editor")).to_contain_text("The twin")
    expect(here.page.locator("[data-testid=stAlert]")).to_have_count(0)
