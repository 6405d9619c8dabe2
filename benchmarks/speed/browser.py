"""The app in a real browser: how soon it is there, how fast it answers and draws.

    python -m benchmarks.speed.browser [--rounds 5] [--json]

Needs Chromium. Times are of this machine with whatever else it does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from playwright.sync_api import Page

from benchmarks.speed.figure import Figure, absolute, main
from benchmarks.speed.serving import READY, visited
from depthscope.core import checkpoint, tasks
from depthscope.core.trace import record
from depthscope.figures.summary import sentence

TEXT = "Edge list or another format"


def graph(n: int, chords: int, seed: int) -> str:
    """A ring of n nodes with chords, as an edge list from node 0 to the farthest."""
    rng = np.random.default_rng(seed)
    edges = {(i, (i + 1) % n) for i in range(n)} | {
        (int(a), int((a + d) % n)) for a, d in zip(rng.integers(0, n, chords), rng.integers(2, 5, chords), strict=True)
    }
    return f"source: n0\ntarget: n{n - 1}\n" + "".join(f"n{a} n{b}\n" for a, b in sorted(edges))


def first_screen() -> float:
    """Seconds from the start of the server to a drawn wave, on a server that nobody has visited."""
    with visited(start=["depthscope.ui.shell.serve"]) as app:
        page = app.page()
        app.open(page, "")
        page.wait_for_function("() => window.depthscope.main.get().step > 0", timeout=60_000)
        return time.perf_counter() - app.started


def run_text(page: Page, text: str, headline: str) -> float:
    """Types a graph and runs it; seconds from the click to its headline and views."""
    page.get_by_text("Type", exact=True).click()
    box = page.get_by_role("textbox", name=TEXT)
    box.fill(text)
    start = time.perf_counter()
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator("h3").first.filter(has_text=headline).wait_for(timeout=60_000)
    page.wait_for_function(READY, timeout=60_000)
    return time.perf_counter() - start


def answers_and_frames(rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds to a new instance of 32 nodes; milliseconds between frames, and of drawing, while 200 nodes play."""
    opened = checkpoint.load("graph-house")
    with visited() as app:
        page = app.page()
        app.open(page)
        took = []
        for seed in range(rounds + 1):
            text = graph(32, 12, seed)
            took.append(run_text(page, text, headline(opened, text)))
        app.open(page)
        text = graph(200, 300, 0)
        run_text(page, text, headline(opened, text))
        page.evaluate("() => window.depthscope.main.set({step: 0, playing: true, speed: 8})")
        root = page.locator(".ds").first
        page.wait_for_timeout(1000)
        root.evaluate("root => { root.depthscopeStats.frames.length = root.depthscopeStats.draw.length = 0; }")
        page.wait_for_timeout(6000)
        stats = root.evaluate("root => ({frames: root.depthscopeStats.frames, draw: root.depthscopeStats.draw})")
    frames = np.diff(stats["frames"])
    frames = frames[frames < 200]  # between two steps nothing moves and nothing is drawn
    return took[1:], frames.tolist(), stats["draw"]


def headline(opened: Any, text: str) -> str:
    """The headline that the page should show of a graph."""
    return sentence(record(opened, tasks.get("graph").parse(text)))


def measure(rounds: int) -> Sequence[Figure]:
    """Seconds and milliseconds in the browser."""
    took, frames, draw = answers_and_frames(rounds)
    return [
        absolute("first screen after a cold start", [first_screen() for _ in range(rounds)], "s", "less", 5),
        absolute("a new instance of 32 nodes", took, "s", "less", 0.5),
        absolute("a frame, T=64, N=200, four heads", frames, "ms", "less", 17),
        absolute("drawing it", draw, "ms", "less", None),
    ]


if __name__ == "__main__":
    main(measure, __doc__, 5)
