"""Texts on the pages, with every checkpoint of texts that is shipped."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from depthscope.core import checkpoint

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

SHIPPED = [entry["name"] for entry in checkpoint.available() if entry["task"] == "text"]
TYPED = """Zoë Smith is the parent of Jean-Luc.
Jean-Luc is the parent of 李明.
Is Zoë Smith the grandparent of 李明?"""

needs_one = pytest.mark.skipif(not SHIPPED, reason="no checkpoint of texts is shipped")


def type_in(here: Visit, text: str) -> None:
    here.page.get_by_text("Type", exact=True).first.click()
    here.page.get_by_role("textbox", name="Facts and a question").fill(text)
    here.page.get_by_role("button", name="Run", exact=True).click()


@needs_one
@pytest.mark.parametrize(("name", "scheme"), list(zip(SHIPPED, itertools.cycle(("light", "dark")), strict=False)))
def test_a_text_plays_as_sentences(server: str, visit: NewVisit, name: str, scheme: str) -> None:
    here = visit(scheme, 1280, 900)
    here.open(f"{server}/?checkpoint={name}")
    assert here.headline().startswith("Is Alice the great-great-grandparent of Irene? Yes, 5 facts away")
    here.wait_for_cursor("c.playing && c.step > 2")
    here.page.evaluate("() => window.depthscope.main.set({playing: false, step: 18})")
    rows = here.page.locator(".ds-hidden tbody tr")
    expect(rows.filter(has_text="Alice is the great-great-grandparent, as asked, since step").first).to_be_attached()
    expect(rows.filter(has_text="no facts join them").first).to_be_attached()
    expect(here.page.locator(".ds-legend")).to_contain_text("at the asked offset")
    # a click on a word follows it, and the line under the sentences says whom it names
    box = here.page.locator(".ds-structure canvas").bounding_box()
    assert box is not None
    found = None
    for x, k in itertools.product((0.09, 0.05, 0.13, 0.2), range(2, 30)):
        here.page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * k / 30)
        if here.cursor()["node"] is not None:
            found = here.page.locator(".ds-info b").inner_text()
            break
    assert found


@needs_one
def test_a_typed_text_is_asked_and_kept_in_the_link(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?checkpoint={SHIPPED[0]}&step=1")
    type_in(here, TYPED)
    here.page.wait_for_url("**text=*")
    here.settled()
    assert here.headline().startswith("Is Zoë Smith the grandparent of 李明? Yes, 2 facts away; the model says")
    again = visit()
    again.open(here.page.url)
    assert again.headline() == here.headline()


@needs_one
def test_mistakes_name_their_line_and_strangers_get_a_note(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?checkpoint={SHIPPED[0]}&example=chain-2&step=1")
    before = here.headline()
    for text, due in (
        ("Ada is the parent of Bea.\nBea is the parnt of Cy.", "Line 2, column 12"),
        ("Ada is the parent of Bea.\nBea is the parent of Ada.\nIs Ada the child of Bea?", "contradicts"),
    ):
        type_in(here, text)
        expect(here.page.locator("[data-testid=stAlert]")).to_contain_text(due)
        here.settled()
        assert here.headline() == before
    type_in(here, "Ada is the parent of Bea. Is Ada the sibling of Cy?")
    here.page.wait_for_url("**text=*")
    here.settled()
    assert "No facts join them; the model says" in here.headline()
    expect(here.page.get_by_text("No facts join Ada and Cy, so the question has no answer.").first).to_be_visible()


@needs_one
def test_the_offsets_can_be_taken_away(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?checkpoint={SHIPPED[0]}&example=chain-2&step=1")
    here.page.get_by_text("About this trace").click()
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name="Readings as CSV").click()
    head, *rows = [line.split(",") for line in download.value.path().read_text().splitlines()]
    assert head[:3] == ["step", "node", "label"]
    assert head[-2:] == ["truth", "known"]
    last = {row[2]: row[-2:] for row in rows if row[0] == rows[-1][0]}
    assert last["is" if "is" in last else "query"] == ["", "0"]
    assert {row[0] for row in last.values()} >= {"0", "-1", "-2"}


@needs_one
@pytest.mark.skipif(len(SHIPPED) < 2, reason="needs two checkpoints of texts")
def test_two_readers_of_a_text_side_by_side(server: str, visit: NewVisit) -> None:
    here = visit(width=1920, height=1080)
    here.open(f"{server}/compare?checkpoint={SHIPPED[0]}&step=3")
    expect(here.page.locator(".ds-hidden caption").filter(has_text="step 3,")).to_have_count(3)
    assert "yes" in here.headline() or "no" in here.headline()
