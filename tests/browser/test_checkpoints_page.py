"""The Checkpoints page as a person meets it: cards, an upload that every page opens, a training that is cancelled."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from depthscope.core import checkpoint
from depthscope.core.exchange import bundle

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

SHIPPED = checkpoint.available()
RUNS = Path(__file__).parents[2] / "runs" / "app"
WAIT = 90_000
"""Other work may hold the cores."""

HOSTILE = "# Hi\n</script><b>bold</b> ![x](http://192.0.2.1/x.png) \u202e " + "word " * 3000
SEED = "4711"

needs_one = pytest.mark.skipif(
    "graph-house" not in [entry["name"] for entry in SHIPPED], reason="graph-house is not shipped"
)


def section(page: Page, name: str) -> None:
    page.get_by_test_id("stButtonGroup").first.get_by_text(name, exact=True).click()


def upload(page: Page, name: str, content: bytes) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    page.locator("input[type=file]").set_input_files([file])  # pyright: ignore[reportArgumentType]
    expect(page.get_by_role("button", name=re.compile(r"^Remove .*\.zip"))).to_be_visible()
    page.get_by_test_id("stFormSubmitButton").get_by_role("button", name="Open").click()


@needs_one
def test_an_uploaded_checkpoint_opens_in_every_page_of_this_visit_and_by_its_link(
    server: str, visit: NewVisit, tmp_path: Path
) -> None:
    here = visit("dark", 1280, 900)
    here.open(f"{server}/checkpoints")
    assert here.headline() == f"{len(SHIPPED)} checkpoints can be opened here"
    page = here.page
    expect(page.get_by_role("button", name="Open in Trace")).to_have_count(len(SHIPPED))
    for entry in SHIPPED:
        expect(page.get_by_text(entry["sha256"][:12])).to_be_visible()
    section(page, "Bring your own")
    upload(page, "broken.zip", b"PK")
    expect(page.get_by_text("this is no zip, or its end is cut off")).to_be_visible()
    folder = shutil.copytree(checkpoint.CHECKPOINTS / "graph-house", tmp_path / "copy")
    (folder / "README.md").write_text(HOSTILE)
    upload(page, "../../mine.zip", bundle.pack(folder, "mine"))
    expect(page.get_by_text("is open to every page of this visit")).to_be_visible(timeout=WAIT)
    page.get_by_text("Its card").last.click()
    expect(page.get_by_text("</script><b>bold</b> ![x]").first).to_be_visible()
    page.get_by_role("button", name="Open it in Trace").click()
    page.wait_for_url(re.compile(r"checkpoint=graph-house-[0-9a-f]{12}"))
    here.settled()
    assert "12 hops from" in here.headline()
    name = str(re.findall(r"checkpoint=([\w-]+)", page.url)[0])
    page.get_by_role("link", name="Frontier").click()
    expect(page.get_by_test_id("stSidebar").get_by_text("46k weights")).to_be_visible()
    other = visit("light", 1280, 900)
    other.open(f"{server}/checkpoints")
    assert "of your own" not in other.headline()
    other.open(f"{server}/?checkpoint={name}")
    assert "12 hops from" in other.headline()


@needs_one
def test_a_training_is_watched_cancelled_and_can_be_resumed(server: str, visit: NewVisit) -> None:
    here = visit("light", 1280, 900)
    here.open(f"{server}/checkpoints")
    page = here.page
    try:
        section(page, "Train one here")
        seed = page.get_by_label("Seed")
        seed.fill(SEED)
        seed.press("Enter")
        here.settled()
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_text("of 800 batches in").first).to_be_visible(timeout=WAIT)
        section(page, "Open")
        expect(page.get_by_text("Under way on this server")).to_be_visible()
        section(page, "Train one here")
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=WAIT)
        expect(page.get_by_test_id("stPlotlyChart").get_by_text("running mean")).to_be_visible()
        page.get_by_role("button", name="Remove").first.click()
        expect(page.get_by_role("button", name="Resume")).to_have_count(0)
        assert not (RUNS / f"graph-house-seed{SEED}").exists()
    finally:
        for left in RUNS.glob(f"graph-house-seed{SEED}*"):
            shutil.rmtree(left, ignore_errors=True)
