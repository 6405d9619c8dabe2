"""The app on a free port of this machine, and a browser that opens it, for measurements and tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

PLAIN = ("streamlit", "run", "app.py")

READY = (
    "() => window.depthscope?.main && document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]')"
)
"""Whether the linked views stand and the page has run to its end."""

STILL = "[data-testid=stApp][data-test-script-state=notRunning]"
ERRORS = "[data-testid=stException], [data-testid=stAlertContentError]"
EXAMPLE = "?example=three-hops&step=1"


@dataclass(frozen=True)
class App:
    """The app as it is served, and a browser.

    Attributes:
        browser: The browser.
        url: Address of the app.
        pid: Number of the server's process.
        log: Its output.
        started: `time.perf_counter()` as the server was started.
        errors: A line for each error on a page.
    """

    browser: Browser
    url: str
    pid: int
    log: Path
    started: float
    errors: list[str]

    def page(self, **context: Any) -> Page:
        """A page of another visitor."""
        page = self.browser.new_context(viewport={"width": 1280, "height": 900}, **context).new_page()
        page.on("pageerror", lambda error: self.errors.append(f"{page.url}: page error {error}"))
        return page

    def open(self, page: Page, query: str = EXAMPLE, timeout: float = 120_000) -> None:
        """Opens the page of the linked views, and waits until they stand."""
        page.goto(f"{self.url}/{query}")
        page.wait_for_function(READY, timeout=timeout)

    def wrong(self) -> list[str]:
        """What went wrong on any page or in the server."""
        log = self.log.read_text(errors="replace")
        return self.errors + ([f"a traceback in the log: {log[-2000:]}"] if "Traceback" in log else [])


@contextmanager
def visited(environment: Mapping[str, str] | None = None, start: Sequence[str] = PLAIN) -> Iterator[App]:
    """Serves the app, as `serving` does, to a browser."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        log, started = Path(folder) / "log.txt", time.perf_counter()
        with serving(log, environment, start) as (url, pid):
            yield App(browser, url, pid, log, started, [])
            browser.close()


@contextmanager
def serving(
    log: Path, environment: Mapping[str, str] | None = None, start: Sequence[str] = PLAIN
) -> Iterator[tuple[str, int]]:
    """Starts the app, and stops it in the end.

    Args:
        log: File that its output goes to.
        environment: In place of this process's.
        start: Module that starts it, with its arguments.

    Yields:
        Its address and the number of its process.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"server.port": port, "server.headless": "true", "server.fileWatcherType": "none"}
    command = [sys.executable, "-m", *start, *(f"--{k}={v}" for k, v in options.items())]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment) as server,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
            yield f"http://127.0.0.1:{port}", server.pid
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(20)
            server.kill()  # if it did not end by itself


def _wait_for(url: str, server: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"no server at {url}")
