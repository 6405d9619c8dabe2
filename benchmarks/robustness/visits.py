"""Visits to the app in a real browser: many at once, or one that opens everything; what is wrong, if anything.

    python -m benchmarks.robustness.visits --count 10 --seconds 120      each visitor with graphs of its own
    python -m benchmarks.robustness.visits --everything [--theme dark]   every page, checkpoint and theme

Needs Chromium. Times are of this machine with whatever else it does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import time
from collections.abc import Sequence
from typing import Any, Literal

from benchmarks.speed.browser import TEXT, graph, headline
from benchmarks.speed.memory import memory
from benchmarks.speed.serving import ERRORS, EXAMPLE, READY, STILL, visited
from depthscope.core import checkpoint

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
        Wrong headlines and errors, and the server's memory in MB: after one visit, while all are there (the most), as
        they leave, and once Streamlit has let go of their sessions.
    """
    opened = checkpoint.load("graph-house")
    wrong: list[str] = []
    took: list[float] = []
    levels: list[int] = []
    with visited() as app:
        first = app.page()
        app.open(first)
        first.context.close()
        before = memory(app.pid)
        pages = [app.page(reduced_motion="reduce" if calm else "no-preference") for _ in range(count)]
        for page in pages:
            page.goto(f"{app.url}/{EXAMPLE}")
        for page in pages:
            page.wait_for_function(READY, timeout=120_000)
        end, turn = time.monotonic() + seconds, 0
        headlines = [""] * count
        while time.monotonic() < end:
            turn += 1
            for i, page in enumerate(pages):  # all run something, then all are looked at
                text = graph(16 + i, 4 + turn % 5, 1000 * turn + i)
                headlines[i] = headline(opened, text)
                page.get_by_text("Type", exact=True).click()
                page.get_by_role("textbox", name=TEXT).fill(text)
                page.get_by_role("button", name="Run", exact=True).click()
            start = time.perf_counter()
            for i, (page, expected) in enumerate(zip(pages, headlines, strict=True)):
                try:
                    page.locator("h3").first.filter(has_text=expected).wait_for(timeout=30_000)
                except Exception:
                    wrong.append(f"visitor {i}: {page.locator('h3').first.inner_text()!r}, expected {expected!r}")
            took.append(time.perf_counter() - start)
            levels.append(memory(app.pid))
        for page in pages:
            page.context.close()
        time.sleep(FORGOTTEN)
        levels = [before, max(levels), levels[-1], memory(app.pid)]
        wrong += app.wrong()
    return {
        "visitors": count,
        "rounds": turn,
        "wrong": wrong,
        "seconds until all have their answer": statistics.median(took),
        "memory, MB": {x: y >> 20 for x, y in zip(("before", "most", "leaving", "after"), levels, strict=True)},
    }


LOCAL = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:")
"""How the address of a request starts that does not leave this machine."""


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
    requests: list[str] = []
    count, chosen = 0, [entry["name"] for entry in checkpoint.available() if names is None or entry["name"] in names]
    with visited() as app:
        for theme in themes:
            page = app.page(color_scheme=theme)
            page.on("request", lambda request: requests.append(request.url))
            for checkpoint_name, name in itertools.product(chosen, PAGES):
                now, count = f"{name or 'trace'} {checkpoint_name} {theme}", count + 1
                page.goto(f"{app.url}/{name}?checkpoint={checkpoint_name}")
                try:
                    page.wait_for_selector(f"{STILL} h3", timeout=60_000)
                    page.wait_for_selector(STILL, timeout=60_000)
                except Exception as error:
                    wrong.append(f"{now}: {str(error).splitlines()[0]}")
                wrong += [f"{now}: {text[:200]}" for text in page.locator(ERRORS).all_inner_texts()]
                wrong += [f"{now}: requests {url}" for url in requests if not LOCAL.match(url)]
                requests.clear()
        wrong += app.wrong()
    return {"opened": count, "wrong": wrong}


def main() -> None:
    """Prints the results, a line each or as JSON."""
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
        result = everything((args.theme,) if args.theme else ("light", "dark"), args.only)
    else:
        result = visits(args.count, args.seconds, args.calm)
    print(json.dumps(result, indent=1) if args.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
