"""What a browser has drawn against what the CSV under it says; where they differ, if anywhere.

    python -m benchmarks.robustness.drawn [--only graph-house logic-house-tree] [--pages dynamics probes]

Measures everything on each page, then takes the CSV under each figure that is shown and compares it with the points,
bars and cells that Plotly holds in the page: of a choice of curves the first. Needs Chromium and some minutes a page.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import math
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import plotly.graph_objects as go
from playwright.sync_api import Error, Page

from benchmarks.speed.serving import STILL, visited
from depthscope.figures.style.numbers import as_csv

PAGES = ("attention", "probes", "interventions", "dynamics", "frontier", "compare")

EDITS = "&edits=hold%20t%3D3"
"""Something to measure where there is nothing without it."""

MEASURE = re.compile(r"^(Measure.*|Trace this run back|Patch all .* cells|Run the edits)$")
"""The buttons that start a measurement."""

KEYS = """all => all.map(
  b => b.disabled || !b.offsetParent ? "" : b.closest("[class*=st-key-]")?.className + b.innerText
)"""

LONGEST = 600
"""Seconds that a page may take to measure all it offers."""

READ = """plot => plot.data.map((t, k) => {
  const full = plot._fullData.find(f => f.index === k) || t, bars = full.error_y || {};
  const list = v => typeof v === 'object' && v ? Array.from(v, list) : v;
  const ends = bars.array && {array: list(bars.array), arrayminus: list(bars.arrayminus)};
  const series = {type: full.type, name: t.name, text: list(t.text), x: list(full.x), y: list(full.y), z: list(full.z)};
  return Object.fromEntries(Object.entries({...series, error_y: ends}).filter(([_, value]) => value != null));
})"""
"""The series that Plotly holds, with typed arrays as plain ones."""


def _same(one: str, other: str) -> bool:
    """Whether two cells are the same text, or the same number but for rounding."""
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-5, abs_tol=1e-9)
    except ValueError:
        return one == other


def differences(table: str, drawn: str) -> list[str]:
    """A line for each cell in which two CSVs differ."""
    rows, others = (list(csv.reader(io.StringIO(text))) for text in (table, drawn))
    if len(rows) != len(others) or rows[0] != others[0]:
        return [f"{len(rows)} rows of {rows[0]}, drawn are {len(others)} of {others[0]}"]
    return [
        f"row {i}: {name} is {cell!r}, drawn {value!r}"
        for i, (row, other) in enumerate(zip(rows, others, strict=True))
        for name, cell, value in zip(rows[0], row, other, strict=True)
        if not _same(cell, value)
    ]


def _measure(page: Page) -> list[str]:
    """Presses every button that measures, one after the other, and waits until all is done."""
    pressed: list[str] = []
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        page.wait_for_selector(STILL, timeout=60_000)
        page.wait_for_timeout(700)
        if page.get_by_role("button", name="Cancel", exact=True).count():
            continue
        offers = page.get_by_role("button").filter(has_text=MEASURE)
        for k, key in enumerate(offers.evaluate_all(KEYS)):
            if key and key not in pressed:
                with suppress(Error):  # it may be gone: the page runs again while something is measured
                    offers.nth(k).click(timeout=5000)
                    pressed.append(key)
                break
        else:
            return pressed
    raise TimeoutError(f"not done after {LONGEST} s")


def _page_differences(page: Page) -> tuple[int, int, list[str]]:
    """Compares each figure of a page that has been measured with its CSV.

    Args:
        page: Shows the figures.

    Returns:
        How many figures were compared, how many points they have, and a line for each difference.
    """
    figures, points, wrong = 0, 0, []
    for button in page.locator("[class*='st-key-csv'] button").all():
        key = button.evaluate(
            "b => [...b.closest('[class*=st-key-csv]').classList].find(c => c.startsWith('st-key-csv'))"
        )
        stem = key.removeprefix("st-key-csv-")
        plots = page.locator(f"[class*='st-key-{stem}'] .js-plotly-plot").filter(visible=True)
        if not button.is_visible() or not plots.count():
            wrong += [f"{stem}: no figure over its CSV"] if button.is_visible() else []
            continue
        drawn = as_csv(go.Figure(plots.first.evaluate(READ)))
        with page.expect_download() as saved:
            button.click()
        table = saved.value.path().read_text()
        figures, points = figures + 1, points + table.count("\n") - 1
        wrong += [f"{stem}: {line}" for line in differences(table, drawn)[:3]]
    return figures, points, wrong


def check(names: Sequence[str], pages: Sequence[str]) -> dict[str, Any]:
    """Measures everything on the pages with each checkpoint and compares.

    Args:
        names: Checkpoints.
        pages: Some of `PAGES`.

    Returns:
        How many figures and points were compared on each page, and what differs.
    """
    compared: dict[str, Any] = {}
    wrong: list[str] = []
    with visited() as app:
        for name, at in itertools.product(names, pages):
            page = app.page()
            page.set_default_timeout(60_000)
            page.goto(f"{app.url}/{at}?checkpoint={name}{EDITS if at == 'interventions' else ''}")
            page.wait_for_selector(f"{STILL} h3", timeout=90_000)
            pressed = _measure(page)
            figures, points, differing = _page_differences(page)
            compared[f"{at} {name}"] = {"measured": len(pressed), "figures": figures, "points": points}
            wrong += [f"{at} {name}: {line}" for line in differing]
            page.context.close()
    return {"compared": compared, "wrong": wrong}


def main() -> None:
    """Prints what was compared and what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", default=["graph-house"], help="checkpoints")
    parser.add_argument("--pages", nargs="+", choices=PAGES, default=PAGES)
    args = parser.parse_args()
    print(json.dumps(check(args.only, args.pages), indent=1))


if __name__ == "__main__":
    main()
