"""A graph too large to draw, in a real browser: groups, one opened by hand, and scrubbing without the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from benchmarks.speed.scale import edge_list

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]
N = 900


def upload(here: Visit, server: str, text: str, said: str) -> None:
    """Opens a graph from a file."""
    here.open(f"{server}/?example=cycle")
    here.page.get_by_text("Upload", exact=True).first.click()
    box = here.page.locator(".st-key-upload_widget input[type=file]")
    box.set_input_files({"name": "large.txt", "mimeType": "text/plain", "buffer": text.encode()})
    expect(here.page.locator("h3").first).to_contain_text(said, timeout=90_000)
    here.settled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_groups_are_drawn_and_one_is_opened(server: str, visit: NewVisit, scheme: str) -> None:
    here = visit(scheme)
    edges = [(i, i + 1) for i in range(9)] + [(a, b) for a, b in edge_list(N, 2 * N).tolist() if min(a, b) > 9]
    edges += [(3, i) for i in range(10, 60)]
    upload(here, server, "source: v0\ntarget: v9\n" + "".join(f"v{a} v{b}\n" for a, b in edges), "v9 is 9 hops from v0")
    foot, choice = here.page.locator(".ds-structure footer"), here.page.get_by_label("Open group")
    expect(foot).to_contain_text("groups by hops from the source; source and target apart")
    here.page.evaluate("() => window.depthscope.main.set({step: 6, playing: false})")
    expect(here.page.locator(".ds tbody")).to_contain_text("4 hops (")
    runs = here.runs
    for step in range(10):
        here.page.evaluate(f"() => window.depthscope.main.set({{step: {step}}})")
    here.page.evaluate("() => window.depthscope.main.set({step: 6})")
    total = int(foot.inner_text().split()[0].replace(",", ""))
    here.page.evaluate(f"() => window.depthscope.main.set({{node: {total + 4}}})")  # the group of 4 hops
    expect(here.page.locator(".ds-facts")).to_contain_text("100% reached by step 6")
    assert here.runs == runs  # the server has heard nothing of it
    here.page.get_by_role("button", name="open group").click()
    expect(foot).to_contain_text("Of “4 hops”")
    here.settled()
    expect(choice).to_have_value("4 hops")
    assert here.cursor()["step"] == 6

    here.page.get_by_text("communities", exact=True).click()
    expect(foot).to_contain_text("by communities (label propagation)")
    here.page.get_by_text("a sample of nodes", exact=True).click()
    expect(foot).to_contain_text("are drawn: the ends")
    here.settled()
    assert here.cursor()["step"] == 6


def test_a_thousand_steps(server: str, visit: NewVisit) -> None:
    here = visit()
    upload(here, server, "".join(f"v{i} v{i + 1}\n" for i in range(1000)), "1,000 hops from")
    assert "right from step 1000 on" in here.headline()
    expect(here.page.locator(".ds-step")).to_contain_text("/ 1008")
    here.page.evaluate("() => window.depthscope.main.set({step: 500, playing: false})")
    expect(here.page.locator(".ds-step")).to_contain_text("500 / 1008")
    expect(here.page.locator(".ds-structure footer")).to_contain_text("1,001 nodes in")
