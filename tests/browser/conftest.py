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

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from benchmarks.speed import serving as serving_app
from benchmarks.speed.serving import CHROMIUM

expect.set_options(timeout=15_000)

LOADED = 90_000
"""Milliseconds until a page has to be there: other work may hold the cores."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.browser)
        if CHROMIUM is None and os.environ.get("REQUIRE_BROWSER") != "1":
            item.add_marker(pytest.mark.skip(reason="no Chromium here (apt-get install chromium)"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None, "REQUIRE_BROWSER=1, but there is no chromium on the path"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


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
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens pages; in the end there may be no exception, no page error and no request that leaves this machine."""
    visits: list[Visit] = []

    def open_(scheme: str = "light", width: int = 1280, height: int = 800) -> Visit:
        size = {"width": width, "height": height}
        context = browser.new_context(color_scheme=scheme, viewport=size)  # pyright: ignore[reportArgumentType]
        context.set_default_timeout(15_000)
        made = Visit(context.new_page())
        page, complain = made.page, made.complaints.append

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
    for made in visits:
        assert made.page.locator("[data-testid=stException]").count() == 0
        assert not made.complaints, made.complaints
        made.page.context.close()
