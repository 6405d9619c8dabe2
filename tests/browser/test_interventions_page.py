"""The Interventions page as a person meets it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from depthscope.core import checkpoint, tasks
from depthscope.core.files.strict_json import dumps
from depthscope.figures.instruments.edits import what_happened
from depthscope.probes.instruments import do
from depthscope.probes.instruments.do import Replay
from depthscope.ui.visit import examples

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

PAGE = "interventions?checkpoint=graph-house&example=three-hops&steps=9&step=3"
WAIT = 120_000
"""Other work may hold the cores."""


def opened(here: Visit, url: str) -> None:
    here.page.goto(url)
    here.page.wait_for_selector("[data-testid=stMainBlockContainer] h3", timeout=WAIT)
    here.settled()


def measured(*edits: str) -> Replay:
    instance = examples.find("graph", "three-hops")
    found = do.measure(checkpoint.load("graph-house"), [instance], steps=9, edit=edits)
    assert isinstance(found, Replay)
    return found


def saved(here: Visit, label: str) -> str:
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name=label, exact=True).first.click()
    return download.value.path().read_text()


def edits(here: Visit) -> str:
    return here.page.locator("textarea").first.input_value()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_fresh_page_shows_an_example_before_and_after(server: str, visit: NewVisit, scheme: str) -> None:
    here = visit(scheme, height=900)
    opened(here, f"{server}/{PAGE}")
    expect(here.page.locator("textarea").first).to_have_value(re.compile("^zero t=3 node="))  # filled a moment later
    said = what_happened(measured(edits(here)).runs[0], ("reachable", "unreachable"))
    assert here.headline() == said
    assert edits(here).startswith("zero t=3 node=")
    expect(here.page.locator(".ds-player:visible")).to_have_count(1)
    expect(here.page.locator(".ds canvas:visible").nth(8)).to_be_visible()
    sides = here.page.locator(".ds-hidden caption")
    expect(sides.filter(has_text="step 3,")).to_have_count(3)
    here.page.locator("h3").first.click()
    here.page.keyboard.press("ArrowRight")
    expect(sides.filter(has_text="step 4,")).to_have_count(3)
    expect(here.page.locator("[data-testid=stAlert]")).to_have_count(0)
    paper = here.page.evaluate("() => document.querySelector('.js-plotly-plot').layout.paper_bgcolor")
    assert paper == {"light": "#ffffff", "dark": "#0e1018"}[scheme]


def test_a_link_opened_cold_makes_the_same_edits_and_files_are_the_commands(fresh_server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{fresh_server}/{PAGE}&edits=hold+t%3D2%0Arepeat+t%3D5")
    expect(here.page.locator("textarea").first).to_have_value("hold t=2\nrepeat t=5")
    due = measured("hold t=2", "repeat t=5")
    assert here.headline() == what_happened(due.runs[0], ("reachable", "unreachable"))
    assert json.loads(saved(here, "JSON")) == json.loads(dumps(due))
    rows = list(csv.DictReader(io.StringIO(saved(here, "All as CSV"))))
    assert [float(row["after"]) for row in rows] == pytest.approx(due.runs[0].after.tolist(), rel=1e-4)
    here.page.get_by_text("Copy as command or code").first.click()
    expect(here.page.get_by_text("--edit 'hold t=2' --edit 'repeat t=5' --json")).to_be_visible()
    here.page.get_by_role("link", name="Trace").click()
    here.page.wait_for_url("**/?*example=*")
    here.settled()
    assert "edits=" not in here.page.url
    here.page.get_by_role("link", name="Interventions").click()
    here.page.wait_for_url("**edits=hold*")
    here.settled()
    expect(here.page.locator("textarea").first).to_have_value("hold t=2\nrepeat t=5")


def test_examples_the_builder_and_errors(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/{PAGE}")
    here.page.get_by_role("button", name="Skip step 3").click()
    here.page.wait_for_url("**edits=hold+t%3D3*")
    here.settled()
    assert edits(here) == "hold t=3"
    assert "only from step 4 on" in here.headline()
    here.page.get_by_role("button", name="Add", exact=True).click()
    expect(here.page.locator("textarea").first).to_have_value("hold t=3\nzero t=3", timeout=WAIT)
    here.settled()
    box = here.page.locator("textarea").first
    box.fill("hold t=3\nzero t=99")
    box.press("Control+Enter")
    alert = here.page.locator("[data-testid=stAlert]")
    expect(alert).to_contain_text("Line 2: zero t=99: the run has 9 steps", timeout=WAIT)
    here.settled()
    expect(here.page.locator(".ds canvas:visible").nth(3)).to_be_visible()
    here.page.get_by_role("button", name="Clear").click()
    expect(here.page.get_by_text("No edit yet")).to_be_visible(timeout=WAIT)
    here.page.wait_for_url("**edits=none*")
    here.page.reload()
    here.settled()
    assert edits(here) == ""


def test_the_effect_map_is_patched_on_demand_and_a_cell_goes_into_the_list(server: str, visit: NewVisit) -> None:
    here = visit(height=900)
    opened(here, f"{server}/{PAGE}&edits=hold+t%3D2")
    here.page.get_by_role("button", name="Patch all").click()
    expect(here.page.get_by_text("Rows in the order in which the oracle has")).to_be_visible(timeout=WAIT)
    here.settled()
    expect(here.page.get_by_text("of random other nodes at the same steps")).to_be_visible()
    here.page.get_by_text("The twin's states into this run", exact=True).click()  # the other way has more to show here
    here.page.get_by_role("button", name="Put it into the list").click()
    expect(here.page.locator("textarea").first).to_have_value(
        re.compile(r"^hold t=2\npatch t=3 node=\w$"), timeout=WAIT
    )
    here.settled()
    plot = here.page.locator(".js-plotly-plot").last
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    x, y = here.page.evaluate(
        """() => { const f = [...document.querySelectorAll('.js-plotly-plot')].at(-1)._fullLayout;
                   return [f.xaxis.l2p(5) + f.xaxis._offset, f.yaxis.l2p(0) + f.yaxis._offset]; }"""
    )
    here.page.mouse.move(box["x"] + x, box["y"] + y)
    here.page.mouse.click(box["x"] + x, box["y"] + y)
    here.page.wait_for_function("() => document.querySelector('textarea').value.split('\\n').length === 3")
    assert edits(here).splitlines()[2].startswith("patch t=5 node=")


def test_a_long_run_waits_for_its_button(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/interventions?checkpoint=graph-house&example=three-hops&steps=150&step=3&edits=hold+t%3D2")
    expect(here.page.get_by_text("This run is long")).to_be_visible(timeout=WAIT)
    here.page.get_by_role("button", name="Run the edits").click()
    expect(here.page.locator("h3").first).to_contain_text("The same edit moves it there", timeout=WAIT)
    expect(here.page.get_by_text("This run is long")).to_have_count(0)


def test_no_twin_is_said(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/interventions?checkpoint=text-house-facts&example=strangers&step=2")
    expect(here.page.locator("[data-testid=stAlert]")).to_contain_text("This text has no twin")
    expect(here.page.locator(".ds canvas:visible").nth(8)).to_be_visible()


@pytest.mark.parametrize("task", tasks.BUILT_IN)
def test_every_checkpoint_opens(server: str, visit: NewVisit, task: str) -> None:
    here, names = visit(), [e["name"] for e in checkpoint.available() if e["task"] == task]
    opened(here, f"{server}/interventions?checkpoint={names[0]}&steps=8&step=2")
    for name in names:
        if name != names[0]:
            here.page.get_by_label("Checkpoint").fill(name)
            here.page.get_by_role("option", name=name, exact=True).click()
            here.page.wait_for_url(f"**checkpoint={name}&**", timeout=WAIT)
            here.settled()
        expect(here.page.get_by_text("The logit of the answer, step by step")).to_be_visible(timeout=WAIT)
        expect(here.page.locator("[data-testid=stAlert]")).to_have_count(0)
