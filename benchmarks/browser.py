"""The app in a real browser: how soon it is there, how fast it answers and draws, and whether many visits stay apart.

    python -m benchmarks.browser                     first screen, new instance, frames
    python -m benchmarks.browser --visits 10 --seconds 120
    python -m benchmarks.browser --everything        every page, checkpoint and theme: what is wrong, if anything

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

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.serving import CHROMIUM, serving
from core import checkpoint, tasks
from core.trace import record
from figures.summary import sentence

READY = (
    "() => window.depthscope?.main && document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]')"
)
STILL = "[data-testid=stApp][data-test-script-state=notRunning]"
TEXT = "Edge list or another format"


def memory(pid: int) -> float:
    """Memory a process holds, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not tell the memory of a process")


def graph(n: int, chords: int, seed: int) -> str:
    """A ring of n nodes with chords, as an edge list from node 0 to the farthest."""
    rng = np.random.default_rng(seed)
    edges = {(i, (i + 1) % n) for i in range(n)} | {
        (int(a), int((a + d) % n)) for a, d in zip(rng.integers(0, n, chords), rng.integers(2, 5, chords), strict=True)
    }
    return f"source: n0\ntarget: n{n - 1}\n" + "".join(f"n{a} n{b}\n" for a, b in sorted(edges))


def first_screen() -> float:
    """Seconds from the start of the server to a drawn wave, on a server that nobody has visited."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        start = time.perf_counter()
        with serving(Path(folder) / "log.txt", start=["ui.serve"]) as (url, _):
            page.goto(url)
            page.wait_for_function(READY, timeout=60_000)
            page.wait_for_function("() => window.depthscope.main.get().step > 0", timeout=60_000)
            took = time.perf_counter() - start
            browser.close()
    return took


def run_text(page: Page, text: str, said: str) -> float:
    """Types a graph and runs it; seconds from the click to its headline and views."""
    page.get_by_text("Type", exact=True).click()
    box = page.get_by_role("textbox", name=TEXT)
    box.fill(text)
    start = time.perf_counter()
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator("h3").first.filter(has_text=said).wait_for(timeout=60_000)
    page.wait_for_function(READY, timeout=60_000)
    return time.perf_counter() - start


def answers_and_frames(rounds: int) -> dict[str, Any]:
    """Seconds to a new instance of 32 nodes; milliseconds between frames while 64 steps of 200 nodes play."""
    opened = checkpoint.load("graph-house")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with serving(Path(folder) / "log.txt") as (url, _):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.goto(f"{url}/?example=three-hops&step=1")
            page.wait_for_function(READY, timeout=60_000)
            took = []
            for seed in range(rounds + 1):
                text = graph(32, 12, seed)
                took.append(run_text(page, text, _said(opened, text)))
            page.goto(f"{url}/?example=three-hops&step=1")
            page.wait_for_function(READY, timeout=60_000)
            text = graph(200, 300, 0)
            run_text(page, text, _said(opened, text))
            page.evaluate("() => window.depthscope.main.set({step: 0, playing: true, speed: 8})")
            root = page.locator(".ds").first
            page.wait_for_timeout(1000)
            root.evaluate("root => { root.depthscopeStats.frames.length = root.depthscopeStats.draw.length = 0; }")
            page.wait_for_timeout(6000)
            stats = root.evaluate("root => ({frames: root.depthscopeStats.frames, draw: root.depthscopeStats.draw})")
            browser.close()
    frames, draw = np.diff(stats["frames"]), np.array(stats["draw"])
    frames = frames[frames < 200]  # between two steps nothing moves and nothing is drawn
    return {
        "new instance, s": statistics.median(took[1:]),
        "frame, ms": float(np.median(frames)),
        "frame p95, ms": float(np.quantile(frames, 0.95)),
        "drawing, ms": float(np.median(draw)),
    }


def _said(opened: Any, text: str) -> str:
    return sentence(record(opened, tasks.get("graph").parse(text)))


def visits(count: int, seconds: float) -> dict[str, Any]:
    """Several visitors at once, each with graphs of its own: wrong headlines, page errors, memory before and after."""
    opened = checkpoint.load("graph-house")
    wrong: list[str] = []
    errors: list[str] = []
    took: list[float] = []
    levels: list[float] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        log = Path(folder) / "log.txt"
        with serving(log) as (url, pid):
            pages = []
            for _ in range(count):
                page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
                page.on("pageerror", lambda error: errors.append(str(error)))
                page.goto(f"{url}/?example=three-hops&step=1")
                pages.append(page)
            for page in pages:
                page.wait_for_function(READY, timeout=120_000)
            levels.append(memory(pid))
            end, turn = time.monotonic() + seconds, 0
            asked: list[str | None] = [None] * count
            while time.monotonic() < end:
                turn += 1
                for i, page in enumerate(pages):  # all are asked, then all are looked at
                    text = graph(16 + i, 4 + turn % 5, 1000 * turn + i)
                    asked[i] = _said(opened, text)
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
        traceback = "Traceback" in log.read_text(errors="replace")
    half = len(levels) // 2
    return {
        "visitors": count,
        "rounds": turn,
        "wrong": wrong,
        "page errors": errors,
        "traceback in the log": traceback,
        "seconds until all have their answer": statistics.median(took),
        "memory, MB": [round(levels[0]), round(levels[half]), round(levels[-1])],
    }


PAGES = ("", "attention", "probes", "interventions", "dynamics", "frontier", "compare", "checkpoints")


def _left(where: str, url: str) -> list[str]:
    """A line if a request leaves this machine."""
    return [] if re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", url) else [f"{where}: asked for {url}"]


def everything(themes: Sequence[Literal["light", "dark"]] = ("light", "dark")) -> dict[str, Any]:
    """Opens every page with every shipped checkpoint.

    Args:
        themes: In which themes.

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
                    for name in PAGES:
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
    """Prints one line a figure, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, metavar="N", help="so many visitors at once, in place of the times")
    parser.add_argument("--seconds", type=float, default=120, help="that they stay (default 120)")
    parser.add_argument("--rounds", type=int, default=7, help="new instances timed (default 7)")
    parser.add_argument("--everything", action="store_true", help="opens every page with every checkpoint instead")
    parser.add_argument("--theme", choices=("light", "dark"), help="with --everything: in this one alone")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.everything:
        found = everything((args.theme,) if args.theme else ("light", "dark"))
    elif args.visits:
        found = visits(args.visits, args.seconds)
    else:
        found = {
            "first screen, s": statistics.median(first_screen() for _ in range(3)),
            **answers_and_frames(args.rounds),
        }
    print(json.dumps(found, indent=1) if args.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
