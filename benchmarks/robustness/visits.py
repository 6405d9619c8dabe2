"""Visits to the app in a real browser: many at once, or one that opens everything; what is wrong, if anything.

    python -m benchmarks.robustness.visits --count 10 --seconds 120      each visitor with graphs of its own
    python -m benchmarks.robustness.visits --everything [--theme dark]   every page, checkpoint and theme

Needs Chromium. Times are of this machine with whatever else it does.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import sync_playwright

from benchmarks.speed.browser import READY, TEXT, graph, memory, said
from benchmarks.speed.serving import CHROMIUM, serving
from depthscope.core import checkpoint

STILL = "[data-testid=stApp][data-test-script-state=notRunning]"
PAGES = ("", "attention", "probes", "interventions", "dynamics", "frontier", "compare", "checkpoints")

FORGOTTEN = 130
"""Seconds after which Streamlit has forgotten who left."""


def visits(count: int, seconds: float, calm: bool = False) -> dict[str, Any]:
    """Several visitors at once, each with graphs of its own.

    Args:
        count: How many.
        seconds: How long they stay.
        calm: Whether their systems ask for less motion, so that the browsers leave the processor to the server.

    Returns:
        Wrong headlines, page errors, and the server's memory in MB: after one visit, while all are there (the most),
        as they leave, and once Streamlit has let go of their sessions.
    """
    opened = checkpoint.load("graph-house")
    wrong: list[str] = []
    errors: list[str] = []
    took: list[float] = []
    levels: list[float] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        log = Path(folder) / "log.txt"
        with serving(log) as (url, pid):
            first = browser.new_page()
            first.goto(f"{url}/?example=three-hops&step=1")
            first.wait_for_function(READY, timeout=120_000)
            first.close()
            before, pages = memory(pid), []
            for _ in range(count):
                motion = "reduce" if calm else "no-preference"
                page = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion=motion).new_page()
                page.on("pageerror", lambda error: errors.append(str(error)))
                page.goto(f"{url}/?example=three-hops&step=1")
                pages.append(page)
            for page in pages:
                page.wait_for_function(READY, timeout=120_000)
            end, turn = time.monotonic() + seconds, 0
            asked: list[str | None] = [None] * count
            while time.monotonic() < end:
                turn += 1
                for i, page in enumerate(pages):  # all are asked, then all are looked at
                    text = graph(16 + i, 4 + turn % 5, 1000 * turn + i)
                    asked[i] = said(opened, text)
                    page.get_by_text("Type", exact=True).click()
                    page.get_by_role("textbox", name=TEXT).fill(text)
                    page.get_by_role("button", name="Run", exact=True).click()
                start = time.perf_counter()
                for i, page in enumerate(pages):
                    try:
                        page.locator("h3").first.filter(has_text=asked[i] or "").wait_for(timeout=30_000)
                    except Exception:
                        wrong.append(f"visitor {i}: {page.locator('h3').first.inner_text()!r}, expected {asked[i]!r}")
                took.append(time.perf_counter() - start)
                levels.append(memory(pid))
            browser.close()
            time.sleep(FORGOTTEN)
            after = memory(pid)
        traceback = "Traceback" in log.read_text(errors="replace")
    levels = [before, max(levels), levels[-1], after]
    return {
        "visitors": count,
        "rounds": turn,
        "wrong": wrong,
        "page errors": errors,
        "traceback in the log": traceback,
        "seconds until all have their answer": statistics.median(took),
        "memory, MB": dict(zip(("before", "most", "leaving", "after"), map(round, levels), strict=True)),
    }


def _left(where: str, url: str) -> list[str]:
    """A line if a request leaves this machine."""
    return [] if re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", url) else [f"{where}: asked for {url}"]


def everything(
    themes: Sequence[Literal["light", "dark"]] = ("light", "dark"), names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Opens every page with every shipped checkpoint.

    Args:
        themes: In which themes.
        names: With these checkpoints alone.

    Returns:
        How many were opened, and a line for each exception, error box, page error and request that left the machine.
    """
    wrong: list[str] = []
    now, count = [""], 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        log = Path(folder) / "log.txt"
        with serving(log) as (url, _):
            for theme in themes:
                page = browser.new_context(color_scheme=theme, viewport={"width": 1280, "height": 900}).new_page()
                page.on("pageerror", lambda error: wrong.append(f"{now[0]}: page error {error}"))
                page.on("request", lambda request: wrong.extend(_left(now[0], request.url)))
                for entry in checkpoint.available():
                    for name in PAGES if names is None or entry["name"] in names else ():
                        now[0], count = f"{name or 'trace'} {entry['name']} {theme}", count + 1
                        page.goto(f"{url}/{name}?checkpoint={entry['name']}")
                        try:
                            page.wait_for_selector(f"{STILL} h3", timeout=60_000)
                            page.wait_for_selector(STILL, timeout=60_000)
                        except Exception as error:
                            wrong.append(f"{now[0]}: {str(error).splitlines()[0]}")
                        for box in page.locator("[data-testid=stException], [data-testid=stAlertContentError]").all():
                            wrong.append(f"{now[0]}: {box.inner_text()[:200]}")
            browser.close()
        wrong += ["a traceback in the log"] if "Traceback" in log.read_text(errors="replace") else []
    return {"opened": count, "wrong": wrong}


def main() -> None:
    """Prints what was found, a line each or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--count", type=int, metavar="N", help="so many visitors at once")
    what.add_argument("--everything", action="store_true", help="opens every page with every checkpoint")
    parser.add_argument("--seconds", type=float, default=120, help="that the visitors stay (default 120)")
    parser.add_argument("--calm", action="store_true", help="with --count: the visitors' systems ask for less motion")
    parser.add_argument("--theme", choices=("light", "dark"), help="with --everything: in this one alone")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="with --everything: with these checkpoints alone")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.everything:
        found = everything((args.theme,) if args.theme else ("light", "dark"), args.only)
    else:
        found = visits(args.count, args.seconds, args.calm)
    print(json.dumps(found, indent=1) if args.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
