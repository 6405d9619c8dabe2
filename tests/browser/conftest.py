"""A real server and a real browser: every page test runs in headless Chromium and ends with the same complaints book.

Without Chromium these tests are skipped, unless REQUIRE_BROWSER=1 says that it has to be there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, Request, expect, sync_playwright

from benchmarks.speed import serving as serving_app
from benchmarks.speed.serving import CHROMIUM

expect.set_options(timeout=15_000)

LOADED = 90_000
"""Milliseconds until a page has to be there: other work may hold the cores."""

FORGET = """
try {
  if (!sessionStorage.getItem("opened by a test")) localStorage.clear();
  sessionStorage.setItem("opened by a test", "yes");
} catch {}  // a frame without storage
"""
"""What the app stored in earlier tests is forgotten when a new tab opens it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.browser)
        if CHROMIUM is None and os.environ.get("REQUIRE_BROWSER") != "1":
            item.add_marker(pytest.mark.skip(reason="no Chromium here (apt-get install chromium)"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[BrowserType]:
    assert CHROMIUM is not None, "REQUIRE_BROWSER=1, but there is no chromium on the path"
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="session")
def browser(chromium: BrowserType) -> Iterator[Browser]:
    """Every context of it is a visitor of its own, with an empty cache."""
    browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def returning(chromium: BrowserType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A visitor whose browser holds the app's compiled scripts: a page costs a third of the processor time."""
    profile = tmp_path_factory.mktemp("profile")
    context = chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=["--no-sandbox"])
    context.add_init_script(FORGET)
    yield context
    context.close()


@contextmanager
def serving(log: Path) -> Iterator[str]:
    """The app on a free port of this machine; its log must hold no traceback in the end."""
    with serving_app.serving(log) as (url, _):
        yield url
    assert "Traceback" not in log.read_text(errors="replace"), log.read_text(errors="replace")[-3000:]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for the tests that do not care what it has seen."""
    with serving(tmp_path_factory.mktemp("server") / "log.txt") as url:
        yield url


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[str]:
    """A server that nobody has visited."""
    with serving(tmp_path / "log.txt") as url:
        yield url


@dataclass
class Visit:
    """A page under test, with what the browser noticed."""

    page: Page
    runs: int = 0
    complaints: list[str] = field(default_factory=list)

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.settled()

    def settled(self) -> None:
        """Waits until no script runs and the page has not changed for 300 ms."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=LOADED)
        self.page.wait_for_selector("[data-testid=stMainBlockContainer] h3, [data-testid=stAlert]", timeout=LOADED)
        self.page.evaluate(
            """() => new Promise(done => {
                 let timer = setTimeout(done, 300);
                 const watch = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, 300); });
                 watch.observe(document.body, {childList: true, subtree: true, characterData: true});
               })"""
        )
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=LOADED)

    def cursor(self) -> dict:
        return self.page.evaluate("() => window.depthscope.main.get()")

    def wait_for_cursor(self, condition: str) -> None:
        self.page.wait_for_function(f"() => {{ const c = window.depthscope?.main?.get(); return c && ({condition}); }}")

    def headline(self) -> str:
        return self.page.locator("[data-testid=stMainBlockContainer] h3").first.inner_text()


@pytest.fixture
def visit(browser: Browser, returning: BrowserContext) -> Iterator[Callable[..., Visit]]:
    """Opens pages; in the end there may be no exception, no page error and no request that leaves this machine.

    The first visit of a test forgets what earlier tests stored, any other is another visitor.
    """
    visits: list[Visit] = []

    def open_(scheme: Literal["light", "dark"] = "light", width: int = 1280, height: int = 800) -> Visit:
        page = (browser if visits else returning).new_page()
        page.set_default_timeout(15_000)
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": height})
        made = Visit(page)
        complain = made.complaints.append

        def requested(request: Request) -> None:
            if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", request.url):
                complain(f"a request left this machine: {request.url}")

        def sent() -> None:
            made.runs += 1

        page.on("request", requested)
        page.on("pageerror", lambda error: complain(f"page error: {error}"))
        page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent()))
        visits.append(made)
        return made

    yield open_
    try:
        for made in visits:
            assert made.page.locator("[data-testid=stException]").count() == 0
            assert not made.complaints, made.complaints
    finally:
        for page in (*(made.page for made in visits), *returning.pages[1:]):
            page.close()
