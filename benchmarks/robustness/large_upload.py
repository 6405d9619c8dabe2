"""A large graph in the app, uploaded in a real browser: how soon it stands, as what, and whether anything hangs.

    python -m benchmarks.robustness.large_upload [--nodes 100000] [--edges 400000] [--json]

The graph is random (seeded). What is asked: its headline says what `python -m core` says, it is drawn in groups with a
notice that it is, one group can be opened, and meanwhile the page answers and a second visitor is served. Exits with 1
if any of it is not so. Needs Chromium. Times are of this machine with whatever else it does.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from benchmarks.speed.memory import memory
from benchmarks.speed.scale import edge_list
from benchmarks.speed.serving import ERRORS, READY, visited
from depthscope.core import checkpoint, tasks
from depthscope.core.trace import record
from depthscope.figures.summary import sentence

WAIT_MS = 600_000
WATCH = """() => {
  window.longest = 0; let before = performance.now();
  const beat = () => { const now = performance.now(); window.longest = Math.max(window.longest, now - before);
    before = now; setTimeout(beat, 20) };
  beat();
}"""
"""Keeps the longest time in which the page did nothing else."""


def measure(n_nodes: int, n_edges: int) -> dict[str, Any]:
    """Uploads the graph and looks at what comes."""
    text = "source: v0\ntarget: v1\n" + "".join(f"v{a} v{b}\n" for a, b in edge_list(n_nodes, n_edges).tolist())
    content = text.encode()
    opened = checkpoint.load("graph-house")
    expected = sentence(record(opened, tasks.get("graph").parse(content, "large.txt"), keep=["readout"]))
    with visited() as app:
        page, other = app.page(), app.page()

        def other_visit() -> float:
            start = time.perf_counter()
            app.open(other, timeout=WAIT_MS)
            return time.perf_counter() - start

        alone = other_visit()
        app.open(page, "?example=cycle&step=1", WAIT_MS)
        before = memory(app.pid)
        page.evaluate(WATCH)
        page.get_by_text("Upload", exact=True).first.click()
        box = page.locator(".st-key-upload_widget input[type=file]")
        start = time.perf_counter()
        box.set_input_files({"name": "large.txt", "mimeType": "text/plain", "buffer": content})
        beside = other_visit()
        page.locator("h3").first.filter(has_text=expected).wait_for(timeout=WAIT_MS)
        headline = time.perf_counter() - start
        foot = page.locator(".ds-structure footer")
        foot.filter(has_text="groups").wait_for(timeout=WAIT_MS)
        page.wait_for_function(READY, timeout=WAIT_MS)
        drawn, notice = time.perf_counter() - start, foot.inner_text()
        start = time.perf_counter()
        page.get_by_label("Open group").click()
        page.get_by_role("option").nth(1).click()
        foot.filter(has_text="Of “").wait_for(timeout=WAIT_MS)
        page.wait_for_function(READY, timeout=WAIT_MS)
        group, inside = time.perf_counter() - start, foot.inner_text()
        longest, after = page.evaluate("() => window.longest"), memory(app.pid)
        wrong = page.locator(ERRORS).all_inner_texts() + app.wrong()
    return {
        "nodes, edges, bytes": [n_nodes, n_edges, len(content)],
        "headline": expected,
        "notice": notice,
        "opened group": inside,
        "seconds to the headline": round(headline, 1),
        "seconds to the drawing": round(drawn, 1),
        "seconds to the opened group": round(group, 1),
        "longest the page was busy, seconds": round(longest / 1000, 2),
        "another visitor alone and meanwhile, seconds": [round(alone, 1), round(beside, 1)],
        "server before and after, MB": [before >> 20, after >> 20],
        "wrong": wrong,
    }


def main() -> int:
    """Prints the results, a line each or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=400_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result = measure(args.nodes, args.edges)
    print(json.dumps(result, indent=1) if args.json else "\n".join(f"{k}: {v}" for k, v in result.items()))
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
