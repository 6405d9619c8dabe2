"""A link opened as the first thing that a server is asked for shows what was seen where it was copied."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from depthscope.core import checkpoint
from depthscope.ui.visit.address import pack

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

SHIPPED = [entry["name"] for entry in checkpoint.available()]
OWN = b"source,target\nspring,brook\nbrook,river\nriver,sea\nwell,sea\n"


@pytest.mark.skipif("graph-house" not in SHIPPED, reason="graph-house is not shipped")
@pytest.mark.parametrize(
    ("page", "reading"),
    [
        ("", "change of state"),
        ("attention", "rollout: share in the answer"),
        ("dynamics", "model readout"),
    ],
)
def test_step_node_head_reading_and_own_instance(fresh_server: str, visit: NewVisit, page: str, reading: str) -> None:
    asked = {"checkpoint": "graph-house", "text": pack(OWN), "file": "water.csv", "target": "river", "steps": 9}
    cursor = {"step": 3, "node": 2, "head": 1, "reading": reading}
    here = visit()
    here.open(f"{fresh_server}/{page}?{urlencode(asked | cursor)}")
    here.wait_for_cursor("!c.playing && c.step === 3")
    assert {name: here.cursor()[name] for name in cursor} == cursor
    expect(here.page.get_by_text("Open: water.csv")).to_be_visible()
    expect(here.page.locator(".ds-step").first).to_contain_text("9")
    expect(here.page).to_have_url(re.compile("target=river"))  # the page writes there what it has opened
    expect(here.page.locator("[data-testid=stAlert]")).to_have_count(0)


def test_a_section_of_the_checkpoints(fresh_server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{fresh_server}/checkpoints")
    here.page.get_by_test_id("stButtonGroup").first.get_by_text("Train one here", exact=True).click()
    here.page.wait_for_url("**/checkpoints?section=train")
    other = visit()
    other.open(here.page.url)
    expect(other.page.get_by_role("radio", name="Train one here")).to_be_checked()
