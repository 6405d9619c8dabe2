"""The Dynamics page as a person meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from depthscope.core import checkpoint
from depthscope.core.files.strict_json import dumps
from depthscope.probes.instruments import convergence
from depthscope.probes.measuring import instances as subjects

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

SHIPPED = [entry["name"] for entry in checkpoint.available()]
WAIT = 120_000
"""Other work may hold the cores."""


@pytest.mark.parametrize("name", [n for n in ("graph-house", "logic-gru", "text-house-facts") if n in SHIPPED])
def test_every_kind_of_checkpoint_shows_its_run(server: str, visit: NewVisit, name: str) -> None:
    here = visit("dark", 1280, 900)
    here.open(f"{server}/dynamics?checkpoint={name}")
    assert "node" in here.headline()
    here.wait_for_cursor("c.reading === 'distance from its end'")
    here.page.evaluate("() => window.depthscope.main.set({playing: false, step: 99999})")
    cells = here.page.locator(".ds-hidden tbody tr td:nth-child(2)")
    expect(cells.first).to_have_text("0.00")  # at the end every node is at its end
    if name == "logic-gru":
        expect(here.page.get_by_text("It does not apply here").first).to_be_visible()


@pytest.mark.skipif("graph-house" not in SHIPPED, reason="graph-house is not shipped")
def test_what_is_measured_is_what_the_library_measures(server: str, visit: NewVisit) -> None:
    here = visit("light", 1280, 900)
    here.open(f"{server}/dynamics?checkpoint=graph-house")
    here.page.get_by_role("button", name="Measure", exact=True).first.click()
    expect(here.page.get_by_text("Rank correlation")).to_be_visible(timeout=WAIT)
    expect(here.page.get_by_text("Numbers, command and code")).to_be_visible()
    with here.page.expect_download() as saved:
        here.page.get_by_role("button", name="JSON").first.click()
    got = json.loads(saved.value.path().read_text())
    opened = checkpoint.load("graph-house")
    due = convergence.measure(opened, subjects.draw(opened, None, 40), steps=got["steps"])
    assert got["sha256"] == opened.sha256
    assert got["far"] == json.loads(dumps(due))["far"]
    assert got["trained"]["spearman"]["value"] == pytest.approx(due.trained.spearman.value, abs=1e-6)
