"""A task with three classes and an instrument, both from outside, on every page as a person meets them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from depthscope.core import checkpoint, tasks
from depthscope.core.cli import main
from depthscope.core.exchange import bundle
from depthscope.probes import registry
from depthscope.probes.measuring import instances
from tests import state_size
from tests.browser.conftest import Visit, serving

NewVisit = Callable[..., Visit]

TASK, INSTRUMENT = "tests.brackets:TASK", "tests.state_size:measure"
BATCHES = {"brackets-first": 120, "brackets-second": 30}
WAIT = 120_000
"""Other work may hold the cores."""


class Outside(NamedTuple):
    """A server that was started with the task and the instrument, and two checkpoints of the task on it."""

    url: str
    folder: Path
    name: str
    other: str

    def link(self, page: str, query: str = "step=3") -> str:
        return f"{self.url}/{page}?checkpoint={self.name}&{query}"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Outside]:
    root = tmp_path_factory.mktemp("outside")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "_named", {})
        patch.setenv(tasks.VARIABLE, TASK)
        patch.setenv(registry.VARIABLE, INSTRUMENT)
        for name, batches in BATCHES.items():
            settings = ["--set", f"batches={batches}", "--set", f"validate_every={batches}", "--threads", "1"]
            assert main(["train", "brackets", "--recipe", "house", "--out", str(root / name), *settings]) == 0
        with serving(root / "log.txt") as url:
            here = Visit(browser.new_page())
            here.open(f"{url}/checkpoints")
            names = [upload(here, bundle.pack(root / name, name)) for name in BATCHES]
            here.page.close()
            yield Outside(url, root / "brackets-first", *names)


def upload(here: Visit, content: bytes) -> str:
    """Opens a checkpoint on the Checkpoints page, and says what it is called there."""
    page = here.page
    page.get_by_test_id("stButtonGroup").first.get_by_text("Bring your own", exact=True).click()
    file = {"name": "brackets.zip", "mimeType": "application/zip", "buffer": content}
    page.locator("input[type=file]").set_input_files([file])  # pyright: ignore[reportArgumentType]
    remove = page.get_by_role("button", name=re.compile(r"^Remove .*\.zip"))
    expect(remove).to_be_visible(timeout=WAIT)
    page.get_by_test_id("stFormSubmitButton").get_by_role("button", name="Open").click()
    expect(remove).to_have_count(0, timeout=WAIT)
    message = page.get_by_text("is open to every page of this visit")
    expect(message).to_be_visible(timeout=WAIT)
    here.settled()
    return message.inner_text().split()[0]


@pytest.fixture
def here(visit: NewVisit) -> Iterator[Visit]:
    """A visit without an error in the console and without a box that says what went wrong."""
    made, errors = visit(height=900), []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "/_stcore/" not in message.location["url"]:  # asked for below each page at first
            errors.append(message.text)

    made.page.on("console", listen)
    yield made
    expect(made.page.get_by_test_id("stAlert")).to_have_count(0)
    assert not errors


def shows_the_task(page: Page) -> None:
    """The linked views are drawn, and their legend names the three classes: the asked one against the others."""
    expect(page.locator(".ds canvas:visible").nth(3)).to_be_visible()
    legend = page.locator(".ds-legend:visible").first
    expect(legend).to_contain_text("known: closed")
    expect(legend).to_contain_text("known: open or wrong")
    expect(page.get_by_test_id("stSidebar").get_by_text("trained on 1–3 levels").first).to_be_visible()


def measure(page: Page, button: str = "Measure") -> None:
    page.get_by_role("button", name=button, exact=True).first.click()
    expect(page.get_by_text("Numbers, command and code").first).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=WAIT)


def test_trace(outside: Outside, here: Visit) -> None:
    here.open(outside.link(""))
    shows_the_task(here.page)
    assert here.headline().startswith("In this word a bracket is wrong; the model says ")
    expect(here.page.locator(".ds-structure p")).to_contain_text("Fill: the probability of the true kind")
    expect(here.page.locator(".ds-answer p")).to_contain_text("Probability of “balanced”")
    here.page.get_by_text("Type", exact=True).click()
    here.page.get_by_role("textbox", name="Brackets").fill("([])(]")
    here.page.get_by_role("button", name="Run", exact=True).click()
    here.page.wait_for_url("**text=*")
    here.settled()
    here.page.evaluate("() => window.depthscope.main.set({playing: false, step: 99999})")
    nodes = here.page.locator(".ds-hidden tbody").first
    for oracle in ("wrong, since step", "closed, since step", "open, since step"):
        expect(nodes).to_contain_text(oracle)
    here.page.get_by_role("button", name="Make a twin").click()
    expect(here.page.locator("h3").first).not_to_contain_text("a bracket is wrong")


def test_attention(outside: Outside, here: Visit) -> None:
    here.open(outside.link("attention"))
    shows_the_task(here.page)
    assert "on the path that decides" in here.headline()
    expect(here.page.locator(".am-large h3")).to_have_text("Attention · step 3, mean of 4 heads")
    measure(here.page)
    expect(here.page.get_by_text("The shade is the interval of the best head")).to_be_visible()


def test_probes_and_the_instrument(outside: Outside, here: Visit) -> None:
    here.open(outside.link("probes"))
    shows_the_task(here.page)
    choice = here.page.get_by_label("Instrument", exact=True)
    choice.click()
    choice.fill("state-size")
    here.page.get_by_role("option", name="state-size: how large the states are at every step").click()
    form = here.page.locator("[data-testid=stForm]").last
    expect(form.get_by_role("spinbutton", name="Scale")).to_be_visible()
    form.get_by_role("spinbutton", name="Scale").fill("2")
    form.get_by_role("button", name="Measure").click()
    expect(here.page.get_by_text("Numbers, command and code")).to_be_visible(timeout=WAIT)
    here.settled()
    expect(here.page.get_by_test_id("stPlotlyChart").last).to_be_visible()
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name="All as CSV").last.click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    opened = checkpoint.load(outside.folder)
    due = state_size.measure(opened, instances.draw(opened, None, 6), seed=0, scale=2.0)
    assert [float(row["value"]) for row in rows] == pytest.approx([*due.size.value, float(due.growing.value)])
    assert {row["name"] for row in rows} == {"size", "growing"}


def test_interventions(outside: Outside, here: Visit) -> None:
    here.open(outside.link("interventions", "difficulty=1&seed=0&answer=0&step=1"))  # where it tells twins apart
    shows_the_task(here.page)
    expect(here.page.locator("textarea").first).to_have_value(re.compile("^zero t="))
    assert "unbalanced" in here.headline()
    expect(here.page.get_by_text("Above 0 the model says balanced, below unbalanced.")).to_be_visible()
    here.page.get_by_role("button", name="Patch all").click()
    expect(here.page.get_by_text("Rows in the order in which the oracle has")).to_be_visible(timeout=WAIT)


def test_dynamics(outside: Outside, here: Visit) -> None:
    here.open(outside.link("dynamics"))
    shows_the_task(here.page)
    assert "nodes settle before the end" in here.headline() or "No node settles" in here.headline()
    measure(here.page)


def test_frontier(outside: Outside, here: Visit) -> None:
    here.page.goto(outside.link("frontier", "difficulty=1-2&steps=4&instances=10&data=audited&seed=0"))
    expect(here.page.locator("h3").first).to_contain_text("depth", timeout=WAIT)
    expect(here.page.locator(".js-plotly-plot")).to_have_count(3, timeout=WAIT)
    here.settled()
    axis = here.page.evaluate("() => document.querySelector('.js-plotly-plot').layout.yaxis.title.text")
    assert axis == "depth"
    here.page.get_by_role("button", name="Measure exit rules").click()
    expect(here.page.get_by_text("Up and to the left is better")).to_be_visible(timeout=WAIT)


def test_compare(outside: Outside, here: Visit) -> None:
    here.open(outside.link("compare", f"step=3&against={outside.other}"))  # neither was uploaded in this visit
    shows_the_task(here.page)
    expect(here.page.get_by_test_id("stMain").get_by_text(outside.other, exact=True).first).to_be_visible()
    expect(here.page.get_by_text("Where these two runs differ")).to_be_visible()
    measure(here.page)
    expect(here.page.get_by_text("the two agree on")).to_be_visible()
    here.page.get_by_text("Twin", exact=True).click()
    expect(here.page.get_by_text("Its twin", exact=True)).to_be_visible()
    here.settled()
