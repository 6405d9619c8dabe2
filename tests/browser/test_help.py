"""A first visit: the tour is offered to whoever comes without a link, once; and what is open can be kept as a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]


def test_the_tour_is_offered_once_and_can_be_taken_again(server: str, visit: NewVisit) -> None:
    here = visit("dark")
    here.open(server)
    card = here.page.get_by_role("dialog")
    expect(card).to_contain_text("First time here?")
    here.page.get_by_role("button", name="Start the tour").click()
    for stop in range(1, 6):
        expect(card).to_contain_text(f"{stop} of 5")
        box = card.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1280
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 800
        here.page.get_by_role("button", name="Next" if stop < 5 else "Done", exact=True).click()
    expect(card).to_have_count(0)
    here.open(server)
    here.page.wait_for_timeout(1800)
    expect(card).to_have_count(0)
    here.page.get_by_role("button", name="Glossary").click()
    expect(here.page.get_by_text("the minimally different instance with the other answer")).to_be_visible()
    here.page.keyboard.press("Escape")
    here.page.set_viewport_size({"width": 1920, "height": 1080})
    here.page.get_by_role("button", name="Tour", exact=True).click()
    expect(card).to_contain_text("1 of 5")
    here.page.get_by_role("button", name="Next", exact=True).click()  # nothing lies over it
    expect(card).to_contain_text("2 of 5")


def test_whoever_comes_by_a_link_is_left_alone(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?example=cycle&step=3")
    here.page.wait_for_timeout(1800)
    expect(here.page.get_by_role("dialog")).to_have_count(0)


def test_a_session_file_brings_back_what_was_open(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?example=libraries&source=web&target=tls&steps=9&step=3")
    before = here.headline()
    here.page.get_by_text("About this trace").click()
    expect(here.page.get_by_text("depthscope trace graph-house")).to_be_visible()
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name="Session file", exact=True).click()
    content = download.value.path().read_bytes()
    other = visit()
    other.open(f"{server}/?example=cycle&step=1")
    other.page.get_by_text("About this trace").click()
    box = other.page.locator(".st-key-session_widget input[type=file]")
    box.set_input_files({"name": "mine.json", "mimeType": "application/json", "buffer": b"{}"})
    expect(other.page.get_by_text("no session file")).to_be_visible()
    box.set_input_files({"name": "mine.json", "mimeType": "application/json", "buffer": content})
    expect(other.page.locator("h3").first).to_have_text(before)


def test_no_tour_starts_by_itself_when_something_else_is_pressed(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?example=cycle&step=3")
    here.page.get_by_text("Upload", exact=True).first.click()
    expect(here.page.locator(".st-key-upload_widget")).to_be_visible()
    here.page.wait_for_timeout(800)
    expect(here.page.get_by_role("dialog")).to_have_count(0)
