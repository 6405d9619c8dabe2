"""The offline page opens from a file with the network off, and plays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from depthscope.core import checkpoint, tasks, trace
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.figures.report_page import report
from depthscope.probes.reading.of_trace import readings

SHIPPED = [entry["name"] for entry in checkpoint.available()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [n for n in ("graph-house", "logic-house-tree", "text-house-facts") if n in SHIPPED])
def test_a_report_plays_without_a_network(browser: Browser, tmp_path: Path, name: str, scheme: str) -> None:
    opened = checkpoint.load(name)
    instance = tasks.get(opened.config.task).generate(4, 2, "audited", 1)[0]
    recorded = trace.record(opened, instance)
    values, _ = readings(opened, recorded)
    file = tmp_path / "report.html"
    file.write_text(report.page(recorded, opened, values, about="</script>"), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}, offline=True)  # pyright: ignore[reportArgumentType]
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: complaints.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(file.as_uri())
    page.wait_for_function("() => window.depthscope?.main?.get().step > 2")
    page.keyboard.press("End")
    assert page.evaluate("() => window.depthscope.main.get().step") == recorded.steps
    assert not page.evaluate("() => window.depthscope.main.get().playing")
    assert page.locator(".ds-step").inner_text() == f"step {recorded.steps} / {recorded.steps}"
    lit = page.evaluate(
        """() => [...document.querySelectorAll(".ds-stage canvas")].map((c) =>
             new Set(c.getContext("2d").getImageData(0, 0, c.width, c.height).data).size)"""
    )
    assert min(lit) > 10, lit  # every view has drawn
    assert not complaints, complaints
    context.close()


def test_a_report_of_groups_does_not_offer_to_open_them(browser: Browser, tmp_path: Path) -> None:
    opened, n = checkpoint.load("graph-house"), 700
    instance = GraphInstance(tuple(map(str, range(n))), np.array([[i, i + 1] for i in range(n - 1)]), 0, 5)
    recorded = trace.record(opened, instance, 4)
    file = tmp_path / "report.html"
    file.write_text(report.page(recorded, opened, readings(opened, recorded)[0]), encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    page.wait_for_function("() => window.depthscope?.main?.get().step > 0")
    assert "the app opens groups" in page.locator(".ds-info b").inner_text()
    page.evaluate("() => window.depthscope.main.set({node: 0})")
    page.wait_for_function("() => document.querySelector('.ds-info').classList.contains('ds-chosen')")
    assert page.locator(".ds-opens").is_hidden()
    context.close()
