"""The pages of the documentation: links, names and generated tables are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import PAGE as SPEED, kept, table as speed_table
from benchmarks.tables.table import KEPT, PAGE as TABLES, Share, Table
from depthscope.__main__ import usage
from depthscope.probes.registry import NAMES
from depthscope.ui.widgets import figures

ROOT = Path(__file__).parents[2]
INSTRUMENT_NAMES = ("fit", "trivial", *NAMES)
EXAMPLES = ("changes",)  # instruments of the guides
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def prose(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page can be linked to."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_exists(page: Path) -> None:
    commands = re.findall(r"^  (\w+)", usage(), re.MULTILINE)
    text = page.read_text(encoding="utf-8")
    for command, name in re.findall(r"\bdepthscope ([a-z]+)(?: ([a-z-]+))?", "\n".join(re.findall(r"`[^`]+`", text))):
        assert command in commands, command
        assert command != "probe" or not name or name in (*INSTRUMENT_NAMES, *EXAMPLES), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:core|probes|figures|ui|benchmarks|tests)/[\w/]+\.\w+)`", text):
        assert "NAME" in name or (ROOT / name).exists(), name


def test_the_map_names_folders_that_are_there() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Where things are")[2]
    for row in section.partition("\n\n`depthscope/`")[0].splitlines():
        if row.startswith("| `"):
            first, *inner = re.findall(r"`([\w./]+)`", row)
            assert (ROOT / first).exists(), first
            assert all(any((ROOT / x / name).exists() for x in (first, ".")) for name in inner), row


def test_an_instrument_has_a_page_of_its_name() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "instruments").glob("*.md")}
    assert pages == {"README", *INSTRUMENT_NAMES}


@pytest.mark.parametrize("name", INSTRUMENT_NAMES)
def test_a_page_in_the_app_has_no_links_to_files(name: str) -> None:
    text = figures.documentation(name)
    assert text.startswith("### ")
    assert ".md)" not in text
    assert (figures.question(name) or "").endswith((".", "?"))


def test_the_results_are_a_page_of_claims() -> None:
    assert len((ROOT / "RESULTS.md").read_text(encoding="utf-8").splitlines()) <= 120


def share(cell: object) -> object:
    """A stored cell as the table had it."""
    return Share(**cell) if isinstance(cell, dict) else cell


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.json")), ids=lambda path: path.stem)
def test_the_tables_are_those_that_are_stored(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple({name: share(cell) for name, cell in row.items()} for row in content["rows"])
    stored = Table(content["name"], content["title"], content["command"], tuple(content["notes"]), rows)
    assert f"<!-- table {path.stem} -->\n{stored.markdown()}\n<!-- end" in TABLES.read_text(encoding="utf-8")


def test_the_benchmarks_are_those_that_are_stored() -> None:
    assert speed_table(kept()).markdown() in SPEED.read_text(encoding="utf-8")
