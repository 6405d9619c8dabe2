"""The Probes page as a person meets it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from depthscope.core import checkpoint
from depthscope.core.files.strict_json import dumps
from depthscope.figures.instruments import fit as probe_scores
from depthscope.probes.instruments import wavefront
from depthscope.probes.measuring import instances as subjects
from depthscope.probes.reading import linear_probe

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

WAIT = 120_000
"""Other work may hold the cores."""

PROBE = "probe: reached within t"


def opened(here: Visit, url: str) -> None:
    """Opens the page and waits until its figures are drawn."""
    here.page.goto(url)
    here.page.wait_for_selector("[data-testid=stPlotlyChart] .js-plotly-plot", timeout=WAIT)
    here.page.wait_for_function("() => window.depthscope?.main?.get()", timeout=WAIT)
    here.settled()


def saved(here: Visit, label: str) -> str:
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name=label, exact=True).first.click()
    return download.value.path().read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_finding_its_controls_and_the_matrix_are_those_stored(server: str, visit: NewVisit, scheme: str) -> None:
    here = visit(scheme, height=900)
    opened(here, f"{server}/probes?checkpoint=graph-house&example=twelve-hops&step=3")
    scores = linear_probe.load_scores(checkpoint.load("graph-house"))
    assert scores is not None
    assert here.headline() == probe_scores.finding(scores, probe_scores.most_telling(scores))
    plots = here.page.locator(".js-plotly-plot")
    expect(plots).to_have_count(4, timeout=WAIT)
    papers = here.page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].map(p => p.layout.paper_bgcolor)"
    )
    assert papers == [{"light": "#ffffff", "dark": "#0e1018"}[scheme]] * 4
    names = here.page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')][0].data.map(t => t.name).filter(Boolean)"
    )
    assert set(probe_scores.CONTROLS.values()) <= set(names)
    here.page.get_by_text("Held out", exact=True).click()
    here.page.wait_for_function("() => document.querySelector('h3').innerText.includes('held-out graphs')")
    assert json.loads(saved(here, "JSON")) == json.loads(scores.to_json())
    rows = list(csv.DictReader(io.StringIO(saved(here, "Matrix as CSV"))))
    assert len(rows) == scores.across.accuracy.value.size
    expect(here.page.locator("[data-testid=stAlert]")).to_have_count(0)


def test_the_views_start_with_the_stored_probe_unless_the_link_names_another(
    fresh_server: str, visit: NewVisit
) -> None:
    here = visit()
    opened(here, f"{fresh_server}/probes?checkpoint=graph-house&example=twelve-hops&step=3")  # cold: past the router
    assert here.cursor()["reading"] == PROBE
    assert here.cursor()["step"] == 3
    expect(here.page.get_by_text("The probe reads all 20 nodes correctly from step 0 on")).to_be_visible()
    here.page.get_by_role("link", name="Trace").click()
    here.page.wait_for_function("() => document.querySelector('h3')?.innerText.includes('12 hops')", timeout=WAIT)
    here.settled()
    assert here.cursor()["reading"] == "model readout"
    other = visit()
    opened(other, f"{fresh_server}/probes?checkpoint=graph-house&step=2&reading=model+readout")
    assert other.cursor()["reading"] == "model readout"


def test_arrivals_are_measured_on_demand_as_the_command_does(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/probes?checkpoint=graph-house&step=3")
    form = here.page.locator("[data-testid=stForm]").first
    form.locator("input").nth(0).fill("4-2")
    form.get_by_role("button", name="Measure").click()
    expect(here.page.locator("[data-testid=stAlert]")).to_contain_text("'4-2' is not a range", timeout=WAIT)
    form.locator("input").nth(0).fill("3")
    form.locator("input").nth(1).fill("6")
    form.get_by_role("button", name="Measure").click()
    expect(here.page.get_by_text("The wave goes")).to_be_visible(timeout=WAIT)
    here.settled()
    expect(here.page.locator(".js-plotly-plot")).to_have_count(6, timeout=WAIT)
    model = checkpoint.load("graph-house")
    due = wavefront.measure(model, subjects.draw(model, [3], 6, seed=0), seed=0)
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name="JSON", exact=True).nth(1).click()
    assert json.loads(download.value.path().read_text()) == json.loads(dumps(due))
    here.page.get_by_text("Numbers, command and code").click()
    command = "depthscope probe wavefront graph-house --difficulty 3 --instances 6 --seed 0 --json"
    expect(here.page.get_by_text(command)).to_be_visible()


def test_work_can_be_stopped(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/probes?checkpoint=graph-house&step=3")
    here.page.locator("[data-testid=stForm]").nth(2).get_by_role("button", name="Measure").click()
    here.page.get_by_role("button", name="Cancel").click(timeout=WAIT)
    expect(here.page.get_by_text("Stopped before it was done")).to_be_visible(timeout=WAIT)
    expect(here.page.get_by_role("button", name="Cancel")).to_have_count(0)


@pytest.mark.parametrize("name", ["logic-house-tree", "text-house-facts", "logic-gru"])
def test_the_page_shows_every_kind_of_checkpoint(server: str, visit: NewVisit, name: str) -> None:
    here = visit()
    opened(here, f"{server}/probes?checkpoint={name}&step=1")
    expect(here.page.locator("[data-testid=stForm]")).to_have_count(4)
    expect(here.page.get_by_text("Something went wrong")).to_have_count(0)
    scores = linear_probe.load_scores(checkpoint.load(name))
    if scores is not None:
        assert here.headline() == probe_scores.finding(scores, probe_scores.most_telling(scores))
        assert here.cursor()["reading"] == f"probe: {scores.meaning}"


def test_a_checkpoint_without_probes_says_what_to_do(server: str, visit: NewVisit) -> None:
    found = [e["name"] for e in checkpoint.available() if linear_probe.load_scores(checkpoint.load(e["name"])) is None]
    if not found:
        pytest.skip("every shipped checkpoint has probes")
    here = visit()
    here.page.goto(f"{server}/probes?checkpoint={found[0]}&step=1")
    here.settled()
    assert here.headline() == "What does the state know?"
    expect(here.page.get_by_text(f"depthscope probe fit {found[0]}")).to_be_visible()
    expect(here.page.get_by_role("button", name="Fit probes")).to_be_enabled()


def test_an_instrument_without_a_figure_of_its_own_draws_its_estimates(server: str, visit: NewVisit) -> None:
    here = visit()
    opened(here, f"{server}/probes?checkpoint=graph-house&step=3")
    form = here.page.locator("[data-testid=stForm]").nth(3)
    form.locator("input").nth(0).fill("2")
    form.locator("input").nth(1).fill("6")
    form.get_by_role("button", name="Measure").click()
    expect(here.page.get_by_text("Numbers, command and code")).to_be_visible(timeout=WAIT)
    expect(here.page.get_by_text("Something went wrong")).to_have_count(0)
