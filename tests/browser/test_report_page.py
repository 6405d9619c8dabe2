"""The offline page opens from a file with the network off, and plays."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from core import checkpoint, tasks, trace
from figures import report
from probes.readings import readings

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
