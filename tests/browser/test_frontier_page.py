"""The Frontier page as a person meets it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from depthscope.core import checkpoint, frontier, tasks
from depthscope.core.exchange.npz import frontier_object
from depthscope.core.files.strict_json import dumps

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

SMALL = "checkpoint=graph-house&difficulty=1-3%2C5&steps=7&instances=10&data=audited&seed=3"
EVIL = "</script><img src=x onerror=window.owned=1> **B**"

WAIT = 120_000
"""Other work may hold the cores."""


def opened(here: Visit, url: str) -> None:
    """Opens a frontier and waits until all of it is measured."""
    here.page.goto(url)
    here.page.wait_for_selector("[data-testid=stPlotlyChart]", timeout=WAIT)
    expect(here.page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=WAIT)
    here.settled()


def saved(here: Visit, label: str) -> str:
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name=label, exact=True).first.click()
    return download.value.path().read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_frontier_is_drawn_in_the_scheme_of_the_page(server: str, visit: NewVisit, scheme: str) -> None:
    here = visit(scheme, height=900)
    opened(here, f"{server}/frontier?{SMALL}")
    assert "graph-house stays at .75 or above at 1–3, 5 hops within 7 steps; T75 = 0.00 + 1.00 h" in here.headline()
    plots = here.page.locator(".js-plotly-plot")
    expect(plots).to_have_count(4)
    papers = here.page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].map(p => p.layout.paper_bgcolor)"
    )
    assert papers == [{"light": "#ffffff", "dark": "#0e1018"}[scheme]] * 4
    z = here.page.evaluate("() => [...document.querySelectorAll('.js-plotly-plot')][0].calcdata[0][0].z.length")
    assert z == 4
    here.page.get_by_role("radio", name="Ceiling").or_(here.page.get_by_text("Ceiling", exact=True)).first.click()
    expect(here.page.get_by_text("The observer:")).to_be_visible()
    expect(here.page.locator("[data-testid=stAlert]")).to_have_count(0)


def test_from_a_row_to_one_of_its_instances(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/frontier?{SMALL.replace('seed=3', 'seed=4')}")  # what is measured stays for other visits
    here.page.emulate_media(color_scheme="dark")
    plots = "[...document.querySelectorAll('.js-plotly-plot')]"
    here.page.wait_for_function(f"() => {plots}.every(p => p.layout.paper_bgcolor === '#0e1018')")
    here.page.get_by_role("button", name="Measure trivial rules").click()
    said = here.page.get_by_text("Without following a single step a rule gets up to")
    expect(said).to_contain_text("on the paper's data (degree", timeout=WAIT)
    expect(said).to_contain_text(".500 on audited data (degree")
    expect(said).to_contain_text("On audited data graph-house is right on 1.000 where “degree” is wrong (")
    here.page.get_by_role("button", name="Open one in Trace").click()
    here.page.wait_for_url("**/?*text=*")
    expect(here.page.locator("h3").first).to_contain_text("5 hops from")
    assert "steps=7" in here.page.url


def test_a_link_opened_cold_asks_the_same(fresh_server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{fresh_server}/frontier?{SMALL}")
    expect(here.page.get_by_test_id("stTextInputField")).to_have_value("1-3,5")
    for name, value in {"Steps T": "7", "Of each": "10", "Seed": "3"}.items():
        expect(here.page.get_by_label(name, exact=True)).to_have_value(value)
    here.page.wait_for_function("() => new URLSearchParams(location.search).get('difficulty') === '1-3,5'")
    assert "instances=10" in here.page.url
    here.page.get_by_role("link", name="Trace").click()
    here.page.wait_for_url("**/?*example=*")
    here.settled()
    assert "instances=" not in here.page.url
    here.page.go_back()
    here.page.wait_for_url("**/frontier?*instances=10*")
    expect(here.page.get_by_test_id("stTextInputField")).to_have_value("1-3,5")


def test_what_is_saved_is_what_the_command_line_prints(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/frontier?{SMALL}")
    result = frontier.run(checkpoint.load("graph-house"), [1, 2, 3, 5], 7, 10, "audited", 3)
    due = dumps(frontier_object(result, checkpoint="graph-house", task="graph", data="audited", seed=3))
    assert json.loads(saved(here, "JSON")) == json.loads(due)
    rows = list(csv.DictReader(io.StringIO(saved(here, "All as CSV"))))
    assert len(rows) == 4 * 7
    assert [float(row["accuracy"]) for row in rows] == pytest.approx(result.accuracy.ravel().tolist())
    here.page.get_by_text("Copy as command or code").first.click()
    command = "depthscope frontier graph-house --difficulty 1-3,5 --steps 7 --instances 10 --data audited --seed 3"
    expect(here.page.get_by_text(command)).to_be_visible()


def test_cancel_keeps_the_rows_that_are_done(server: str, visit: NewVisit) -> None:
    here = visit()
    here.page.goto(f"{server}/frontier?checkpoint=graph-house&difficulty=1-2%2C60&steps=66&instances=500&seed=5")
    expect(here.page.locator("h3").first).to_contain_text("1–2 hops", timeout=WAIT)  # the two short rows are drawn
    here.page.get_by_role("button", name="Cancel").click()
    stopped = here.page.get_by_text("Stopped with")
    expect(stopped).to_be_visible(timeout=WAIT)
    here.settled()
    assert "of 3 rows" in stopped.inner_text()
    expect(here.page.locator(".js-plotly-plot")).to_have_count(4)
    here.page.get_by_test_id("stTextInputField").fill("1-2")
    here.page.get_by_role("button", name="Measure", exact=True).click()
    here.page.wait_for_url("**difficulty=1-2&*")
    expect(here.page.locator("h3").first).to_contain_text("1–2 hops", timeout=WAIT)
    expect(stopped).to_have_count(0)


def test_what_cannot_be_asked_gets_a_sentence_and_the_figures_stay(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/frontier?{SMALL}")
    here.page.get_by_test_id("stTextInputField").fill("5-2")
    here.page.get_by_role("button", name="Measure", exact=True).click()
    expect(here.page.locator("[data-testid=stAlert]")).to_contain_text("'5-2' is not a range")
    expect(here.page.locator(".js-plotly-plot")).to_have_count(4)
    here.page.goto(f"{server}/frontier?steps=many")
    expect(here.page.locator("[data-testid=stAlert]")).to_contain_text("steps should be a whole number")


def test_ones_own_instances(server: str, visit: NewVisit) -> None:
    task = tasks.get("graph")
    drawn = [x for hops in (2, 4) for x in task.generate(hops, 4)]
    drawn = [replace(x, names=(EVIL, *x.names[1:])) for x in drawn]
    lines = [{"input": task.render(x), "source": x.names[x.source], "target": x.names[x.target]} for x in drawn]
    good = "\n".join(map(json.dumps, lines)).encode()
    here = visit()
    opened(here, f"{server}/frontier?{SMALL}")
    here.page.get_by_text("Your own", exact=True).click()
    expect(here.page.get_by_text("Upload a file above")).to_be_visible()
    box = here.page.locator("[data-testid=stFileUploader] input[type=file]")
    box.set_input_files({"name": "bad.jsonl", "mimeType": "text/plain", "buffer": good + b"\n{}"})
    expect(here.page.locator("[data-testid=stAlert]")).to_contain_text("ine 9 should be an object", timeout=WAIT)
    lost = json.dumps(lines[0] | {"source": EVIL + "?"}).encode()
    box.set_input_files({"name": "lost.jsonl", "mimeType": "text/plain", "buffer": lost})
    expect(here.page.locator("[data-testid=stAlert]")).to_contain_text("</script><img", timeout=WAIT)
    box.set_input_files({"name": f"{EVIL.replace('/', '')}.jsonl", "mimeType": "text/plain", "buffer": good})
    expect(here.page.locator("h3").first).to_contain_text("2, 4 hops within 7 steps", timeout=WAIT)
    expect(here.page.get_by_text(f"8 instances from {EVIL.replace('/', '')}.jsonl")).to_be_visible()
    here.settled()
    found = json.loads(saved(here, "JSON"))
    assert found["difficulty"] == [2, 4, None]
    assert found["n"] == [2, 2, 4]
    assert "text=" in here.page.url  # a small file is in the link itself
    assert here.page.evaluate("() => window.owned") is None


def test_exit_rules_are_measured_on_demand(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/frontier?{SMALL}")
    here.page.get_by_role("button", name="Measure exit rules").click()
    expect(here.page.get_by_text("Up and to the left is better")).to_be_visible(timeout=WAIT)
    here.settled()
    expect(here.page.locator(".js-plotly-plot")).to_have_count(5)
    expect(here.page.get_by_text("random exits get")).to_be_visible()


def test_the_checkpoint_is_shared_with_the_other_pages(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/frontier?{SMALL}")
    here.page.get_by_label("Checkpoint").fill("graph-paper")
    here.page.get_by_role("option", name="graph-paper", exact=True).click()
    here.page.wait_for_url("**/frontier?checkpoint=graph-paper*difficulty=1-3*")
    expect(here.page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=WAIT)
    here.page.get_by_role("link", name="Trace").click()
    here.page.wait_for_url("**/?*checkpoint=graph-paper*")
    here.settled()
