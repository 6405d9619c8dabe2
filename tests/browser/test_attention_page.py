"""The Attention page as a person meets it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from depthscope.core import checkpoint
from depthscope.core.trace import default_steps, record
from depthscope.probes.instruments import attention
from depthscope.probes.measuring import instances as subjects
from depthscope.ui.visit import examples

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

SHIPPED = [entry["name"] for entry in checkpoint.available()]
WAIT = 120_000
"""Other work may hold the cores."""

STRONGEST = ".am-grid ~ table"
STEP_6 = "() => window.depthscope.main.set({playing: false, step: 6, head: 1})"


def strongest(here: Visit) -> list[float]:
    """Weights of the links that a reader of the screen is told."""
    expect(here.page.locator(f"{STRONGEST} caption")).to_have_text("Strongest links: step 6, head 1")
    return [float(text) for text in here.page.locator(f"{STRONGEST} tbody td:nth-child(3)").all_inner_texts()]


@pytest.mark.parametrize("name", [n for n in ("graph-house", "logic-house-tokens") if n in SHIPPED])
def test_the_maps_show_the_attention_of_the_cursor(server: str, visit: NewVisit, name: str) -> None:
    here = visit("dark", 1280, 900)
    here.open(f"{server}/attention?checkpoint={name}")
    assert "evenly spread it would be" in here.headline()
    here.page.evaluate(STEP_6)
    opened = checkpoint.load(name)
    instance = examples.examples(opened.config.task)[0].make()
    trace = record(opened, instance, default_steps(opened, instance))
    assert trace.attention is not None
    weight = trace.attention[5, 1].copy()
    np.fill_diagonal(weight, 0)
    due = np.sort(weight, axis=None)[::-1]
    got = strongest(here)
    np.testing.assert_allclose(got, due[: len(got)], atol=0.009)
    stats = here.page.locator(".am-grid").evaluate("grid => grid.closest('.ds').depthscopeStats")
    assert min(stats["fit"]) < 300
    assert np.median(stats["draw"]) < 50


@pytest.mark.skipif("graph-house" not in SHIPPED, reason="graph-house is not shipped")
def test_a_click_moves_the_cursor_of_all_views(server: str, visit: NewVisit) -> None:
    here = visit("light", 1280, 900)
    here.open(f"{server}/attention?checkpoint=graph-house&step=3")
    small, large = (here.page.locator(f".am-{size} .ds-stage canvas") for size in ("small", "large"))
    small.scroll_into_view_if_needed()
    size = small.bounding_box()
    assert size is not None
    runs = here.runs
    small.click(position={"x": size["width"] - 30, "y": size["height"] - 20})  # the last step of the last head
    here.wait_for_cursor("c.step === 20 && c.head === 3")
    expect(here.page.locator(".am-large h3")).to_have_text("Attention · step 20, head 3")
    large.click(position={"x": 150, "y": 40})
    here.wait_for_cursor("c.node !== null")
    here.page.keyboard.press("ArrowLeft")
    here.wait_for_cursor("c.step === 19")
    expect(here.page.locator(".am-large h3")).to_have_text("Attention · step 19, head 3")
    assert here.runs == runs  # none of it asked the server
    with here.page.expect_download() as saved:
        here.page.get_by_role("button", name="CSV").first.click()
    rows = list(csv.DictReader(saved.value.path().read_text().splitlines()))
    assert {int(row["step"]) for row in rows} == set(range(1, 21))
    told = here.page.locator(f"{STRONGEST} tbody")
    before = told.inner_text()
    here.page.get_by_text("A cycle", exact=True).click()
    expect(told).not_to_have_text(before)  # another instance, the same place of the cursor


@pytest.mark.skipif("graph-house" not in SHIPPED, reason="graph-house is not shipped")
def test_what_is_measured_is_what_the_library_measures(server: str, visit: NewVisit) -> None:
    here = visit("light", 1280, 900)
    here.open(f"{server}/attention?checkpoint=graph-house&example=three-hops")
    here.page.get_by_role("button", name="Measure", exact=True).first.click()
    expect(here.page.get_by_text("The shade is the interval of the best head")).to_be_visible(timeout=WAIT)
    expect(here.page.get_by_text("Numbers, command and code")).to_have_count(3)  # two are of the open instance
    with here.page.expect_download() as saved:
        here.page.get_by_role("button", name="JSON", exact=True).last.click()
    got = json.loads(saved.value.path().read_text())
    opened = checkpoint.load("graph-house")
    due = attention.measure(opened, subjects.draw(opened, None, 40))
    assert got["sha256"] == opened.sha256
    np.testing.assert_allclose(
        np.array(got["mass"]["trained"]["value"], dtype=float), due.mass.trained.value, atol=1e-6
    )


@pytest.mark.skipif("logic-gru" not in SHIPPED, reason="logic-gru is not shipped")
def test_a_model_without_attention_says_so(server: str, visit: NewVisit) -> None:
    here = visit("light", 1280, 900)
    here.open(f"{server}/attention?checkpoint=logic-gru")
    assert here.headline() == "This model has no attention to look at"
    assert here.page.locator(".am-grid").count() == 0
    expect(here.page.get_by_text("It does not apply here").first).to_be_visible()
