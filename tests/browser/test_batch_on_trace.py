"""A batch in a real browser: several files and lines, one opened after the other, all answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

LINES = [
    {"input": "a b\nb c\nc d", "source": "a", "target": "d"},
    {"input": "a b\nc d", "source": "a", "target": "d"},
    {"input": "a b", "source": "nobody", "target": "b"},
]


def test_a_batch_is_opened_walked_through_and_answered(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?example=cycle")
    here.page.get_by_text("Upload", exact=True).first.click()
    content = "".join(json.dumps(line) + "\n" for line in LINES).encode()
    box = here.page.locator(".st-key-upload_widget input[type=file]")
    box.set_input_files({"name": "mine.jsonl", "mimeType": "application/x-ndjson", "buffer": content})
    expect(here.page.locator("h3").first).to_contain_text("d is 3 hops from a")
    expect(here.page.get_by_text("1 could not be read")).to_be_visible()
    here.page.get_by_role("button", name="Next", exact=True).click()
    expect(here.page.locator("h3").first).to_contain_text("no path from a to d")
    here.page.wait_for_url("**target=d*")
    here.page.get_by_role("button", name="Answer all").click()
    expect(here.page.get_by_text("2 of 2 right")).to_be_visible()
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name="Answers as JSON Lines").click()
    rows = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert [(row["label"], row["answer"]) for row in rows] == [(1, 1), (0, 0)]
    added = here.page.locator(".st-key-upload_widget input[type=file]")
    added.set_input_files({"name": "more.txt", "mimeType": "text/plain", "buffer": b"p q\nq r\nr s\ns t\n"})
    expect(here.page.locator("h3").first).to_contain_text("t is 4 hops from p")  # what was added is what is shown
