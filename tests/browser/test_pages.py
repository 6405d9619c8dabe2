"""The pages as a person meets them, in a real browser."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pytest
from playwright.sync_api import expect

from depthscope.core import checkpoint
from depthscope.probes.reading import linear_probe

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

NewVisit = Callable[..., "Visit"]

OWN_GRAPH = nx.DiGraph([("météo", "données"), ("données", "modèle"), ("modèle", "carte"), ("bruit", "carte")])


def upload(visit: Visit, name: str, content: bytes) -> None:
    visit.page.get_by_text("Upload", exact=True).filter(
        visible=True
    ).first.click()  # one that is being redrawn is hidden
    box = visit.page.locator(".st-key-upload_widget input[type=file]")
    box.set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_first_screen_plays_a_wave_without_a_click(server: str, visit: NewVisit, scheme: str) -> None:
    here = visit(scheme)
    here.open(server)
    assert "12 hops" in here.headline()
    here.wait_for_cursor("c.playing")
    here.wait_for_cursor("c.step > 2")
    expect(here.page.locator(".ds canvas:visible").nth(3)).to_be_visible()
    light = here.page.evaluate(
        "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor.match(/\\d+/g)[0] > 128"
    )
    assert light == (scheme == "light")
    expect(here.page.locator("[data-testid=stAlert]")).to_have_count(0)


def test_keys_move_the_cursor_without_running_the_server(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?step=3")
    here.wait_for_cursor("c.step === 3 && !c.playing")
    runs = here.runs
    here.page.keyboard.press("ArrowRight")
    here.page.keyboard.press("ArrowRight")
    here.wait_for_cursor("c.step === 5")
    here.page.keyboard.press(" ")
    here.wait_for_cursor("c.playing && c.step > 6")
    here.page.keyboard.press(" ")
    here.wait_for_cursor("!c.playing")
    step = here.cursor()["step"]
    here.page.wait_for_function(f"() => new URLSearchParams(location.search).get('step') === '{step}'")
    assert here.runs == runs


def test_upload_of_a_graphml_file(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(server)
    upload(here, "chaîne.graphml", "\n".join(nx.generate_graphml(OWN_GRAPH)).encode())
    expect(
        here.page.locator("h3").filter(has_text="carte").or_(here.page.locator("h3").filter(has_text="météo"))
    ).to_be_visible()
    expect(here.page.get_by_text("Open: chaîne.graphml")).to_be_visible()
    here.settled()
    here.page.get_by_role("link", name="Compare").click()
    here.page.wait_for_url("**/compare*text=*")
    here.settled()
    here.page.get_by_role("link", name="Trace").click()
    expect(here.page.get_by_text("Open: chaîne.graphml")).to_be_visible()


def test_a_bad_upload_gets_a_sentence_and_what_was_open_stays(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?example=cycle")
    before = here.headline()
    upload(here, "broken.graphml", b"<graphml><graph><node id='a'/>")
    box = here.page.locator("[data-testid=stAlert]")
    expect(box).to_be_visible()
    assert "Traceback" not in box.inner_text()
    assert len(box.inner_text()) > 20
    here.settled()
    assert here.headline() == before
    expect(here.page.locator(".ds canvas:visible").nth(3)).to_be_visible()
    assert "example=cycle" in here.page.url


def test_a_link_restores_everything_on_a_fresh_server(fresh_server: str, visit: NewVisit) -> None:
    first = visit()
    query = "checkpoint=graph-house&difficulty=4&seed=7&answer=0&steps=17&step=6&reading=change+of+state"
    first.open(f"{fresh_server}/compare?{query}")
    first.wait_for_cursor("c.step === 6 && !c.playing && c.reading === 'change of state'")
    expect(first.page.locator(".ds-step").first).to_contain_text("17")
    first.page.get_by_role("link", name="Trace").click()
    first.page.wait_for_url("**/?*seed=7*")
    first.settled()
    assert "no path" in first.headline()


def test_back_returns_to_the_instance_before(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?example=cycle")
    before = here.headline()
    here.page.get_by_text("3 hops, reachable").click()
    here.page.wait_for_url("**example=three-hops*")
    here.settled()
    assert here.headline() != before
    here.page.go_back()
    expect(here.page.locator("h3").first).to_have_text(before)
    assert "example=cycle" in here.page.url


def test_labels_are_text_and_never_markup(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(server)
    evil, linked = "</script><img/src=x/onerror=window.owned=1>", "**B** http://192.0.2.1"
    here.page.get_by_text("Type", exact=True).click()
    here.page.get_by_role("textbox", name="Edge list").fill(f'A "{evil}"\n"{evil}" "{linked}"\n')
    here.page.get_by_role("button", name="Run", exact=True).click()
    here.page.wait_for_url("**text=*")
    here.settled()
    here.page.evaluate("() => window.depthscope.main.set({playing: false})")
    expect(here.page.locator(".ds-hidden").first).to_contain_text("</script><img")
    assert linked in here.headline().replace("\u2060", "")
    assert here.page.locator("a[href*='192.0.2.1']").count() == 0
    assert here.page.evaluate("() => window.owned") is None


def test_compare_moves_both_sides_with_one_cursor(server: str, visit: NewVisit) -> None:
    here = visit(width=1920, height=1080)
    here.open(f"{server}/compare?step=2")
    sides = here.page.locator(".ds-hidden caption")
    expect(sides.filter(has_text="step 2,")).to_have_count(3)
    here.page.keyboard.press("ArrowRight")
    expect(sides.filter(has_text="step 3,")).to_have_count(3)


def test_ends_follow_a_choice_and_stay_in_the_link(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?example=libraries&step=1")
    here.page.get_by_label("To", exact=True).fill("sockets")
    here.page.get_by_role("option", name="sockets").click()
    here.page.wait_for_url("**target=sockets*")
    here.settled()
    assert "sockets is 4 hops from app" in here.headline()
    here.page.locator("h3").first.click()
    here.page.evaluate("() => window.depthscope.main.set({node: 1, playing: false})")
    here.page.keyboard.press("s")
    here.page.wait_for_url("**source=web*")
    here.settled()
    assert "There is no path from web to sockets" in here.headline()


def test_the_numbers_can_be_taken_away(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/?example=three-hops&step=1")
    here.page.get_by_text("About this trace").click()
    files = {}
    for name in ("Trace as npz", "Readings as CSV", "Instance as text"):
        with here.page.expect_download() as download:
            here.page.get_by_role("button", name=name).click()
        files[name] = download.value.path()
    with np.load(files["Trace as npz"], allow_pickle=False) as trace:
        rows, n, _ = trace["hidden"].shape
        assert trace["logits"].shape == (rows,)
        assert trace["tokens"].shape == (n,)
    readings = files["Readings as CSV"].read_text().splitlines()
    probes = ",probe: reached within t" if linear_probe.load(checkpoint.load("graph-house")) else ""
    assert readings[0] == f"step,node,label,model readout{probes},truth,known"
    assert len(readings) == 1 + rows * n
    assert len(files["Instance as text"].read_text()) > n


def test_a_tablet_has_room_for_the_stage(server: str, visit: NewVisit) -> None:
    here = visit(width=820, height=1180)
    here.open(server)
    expect(here.page.locator(".ds canvas:visible").nth(3)).to_be_visible()
    assert here.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize(("name", "against"), [("logic-gru", "logic-house-tokens"), ("graph-act", "graph-house")])
def test_models_of_other_kinds_open_in_every_page(server: str, visit: NewVisit, name: str, against: str) -> None:
    here = visit()
    for page in ("", "compare"):
        here.open(f"{server}/{page}?checkpoint={name}&against={against}&step=3")
        here.wait_for_cursor("c.step === 3 && !c.playing")
        expect(here.page.locator("[data-testid=stAlert]")).to_have_count(0)
        expect(here.page.locator(".ds canvas:visible").nth(3)).to_be_visible()


def test_one_checkpoint_is_compared_on_an_instance_and_its_twin(server: str, visit: NewVisit) -> None:
    here = visit("dark")
    here.open(f"{server}/compare?checkpoint=graph-house&example=three-hops&step=2&beside=twin")
    assert "the first ends with reachable (right), the second with unreachable (right)" in here.headline().lower()
    expect(here.page.get_by_text("Where these two runs differ")).to_be_visible()
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name="CSV of the differences").click()
    rows = download.value.path().read_text().splitlines()
    assert rows[0] == "step,node,first,second,difference"
    assert len(rows) == 1 + 12 * 13  # T = 11, 13 nodes
    here.page.get_by_text("Instance", exact=True).first.click()
    here.page.wait_for_url("**beside-example=*")
    here.settled()
    here.page.get_by_role("button", name="Take the open one over").click()
    here.page.wait_for_url("**beside-text=*")
    here.settled()
    assert "the answers are the same at every step" in here.headline()
    expect(here.page.locator("[data-testid=stAlert]")).to_have_count(0)


def test_two_checkpoints_are_compared_on_a_batch_and_by_their_settings(server: str, visit: NewVisit) -> None:
    here = visit()
    here.open(f"{server}/compare?checkpoint=graph-house&against=graph-house-perstep&example=three-hops&step=2")
    expect(here.page.get_by_text("What they were made with")).to_be_visible()
    expect(here.page.get_by_text("settings differ")).to_be_visible()
    here.page.get_by_role("button", name="Measure", exact=True).first.click()
    expect(here.page.get_by_text("the two agree on")).to_be_visible(timeout=120_000)


VIEWS = ("structure", "wavefront", "trajectories", "answer")


def test_a_view_is_saved_as_svg(server: str, visit: NewVisit) -> None:
    here, names = visit(), ["a<b", '"quoted" & ‮right', "naïve"]
    here.open(f"{server}/?example=three-hops&step=2")
    table = io.StringIO()
    csv.writer(table).writerows(itertools.pairwise([*names, "end"]))
    upload(here, "names.csv", table.getvalue().encode())
    expect(here.page.locator("h3").first).to_contain_text("3 hops")
    here.settled()
    for view in VIEWS:
        with here.page.expect_download() as download:
            here.page.get_by_role("button", name=f"Save the {view} as PNG").click(modifiers=["Shift"])
        assert download.value.suggested_filename.endswith(".svg")
        root = ElementTree.fromstring(download.value.path().read_bytes())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert {"path", "text", "rect"} <= kinds <= {"svg", "g", "path", "text", "rect", "image"}
        words = {element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")}
        if view == "structure":
            assert all(any(name in word for word in words) for name in names)
    here.page.get_by_role("button", name="Pictures").click()
    here.page.get_by_role("button", name="SVG", exact=True).or_(
        here.page.get_by_role("radio", name="SVG")
    ).first.click()
    expect(here.page.get_by_role("button", name="Save the answer as SVG, with Shift as PNG")).to_be_visible()


def test_a_view_is_saved_as_a_picture(server: str, visit: NewVisit) -> None:
    here = visit("dark")
    here.open(f"{server}/?example=three-hops&step=2")
    with here.page.expect_download() as download:
        here.page.get_by_role("button", name="Save the structure as PNG").click()
    assert download.value.suggested_filename == "graph-house-structure-step-2.png"
    assert download.value.path().read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    here.page.keyboard.press("ArrowRight")
    here.wait_for_cursor("c.step === 3")
