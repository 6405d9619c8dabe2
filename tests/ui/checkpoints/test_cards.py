"""Cards say what the list says; what strangers wrote on them is text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from depthscope.core import checkpoint
from depthscope.core.exchange.about import about
from depthscope.core.files.digests import sealed
from depthscope.ui.checkpoints import cards as checkpoint_cards
from tests.probes.hand_made import untrained

HOSTILE = "</script><img src=x onerror=alert(1)> ![x](http://evil.example/x.png) \u202eRTL 🙂 | `x` " + "x" * 10_000


def page() -> None:
    from depthscope.ui.checkpoints import page as checkpoints

    checkpoints.draw(checkpoints.headline())


def test_the_page_has_a_card_for_each_of_the_list() -> None:
    at = AppTest.from_function(page, default_timeout=30).run()
    assert not at.exception
    labels = [button.key for button in at.button]
    entries = checkpoint.available()
    assert {f"open {entry['name']}" for entry in entries} <= set(labels)
    text = " ".join(element.value for element in (*at.markdown, *at.caption))
    for entry in entries:
        assert f"{entry['parameters']:,} weights" in text
        assert entry["sha256"][:12] in text
    assert f"### {len(entries)} checkpoints can be opened here" in text


def test_an_empty_folder_says_what_to_do_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthscope.ui.visit.view.in_folder", list)
    at = AppTest.from_function(page, default_timeout=30).run()
    assert not at.exception
    assert "No checkpoint yet" in at.markdown[0].value
    assert "Train one here" in at.info[0].value


def test_a_spoiled_folder_is_passed_over_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spoiled").mkdir()
    (tmp_path / "spoiled" / "config.json").write_text("{")
    monkeypatch.setattr(checkpoint, "CHECKPOINTS", tmp_path)
    found = checkpoint_cards.unreadable()
    assert list(found) == ["spoiled"]
    assert found["spoiled"].startswith("config.json is not readable as JSON")


def hostile(folder: Path) -> Any:
    untrained(folder, "graph")
    settings = json.loads((folder / "config.json").read_text())
    recipe = dict.fromkeys(("supervision", "alpha", "samples", "batch_size", "curriculum", "start"), HOSTILE)
    settings |= {"name": HOSTILE, "recipe": HOSTILE}
    settings["training"] = {"data": HOSTILE, "seed": {HOSTILE: HOSTILE}, "machine": [HOSTILE] * 9, "recipe": recipe}
    (folder / "config.json").write_text(json.dumps(sealed(settings, {})))
    (folder / "README.md").write_text(HOSTILE)
    return about(folder)


def test_what_a_stranger_wrote_is_escaped_and_clipped(tmp_path: Path) -> None:
    said = hostile(tmp_path / "made")
    table = checkpoint_cards.table(said)
    assert len(table) < 6000
    assert not re.search(r"(?<!\\)[<`!]", table)
    assert "\u202e" not in table
    assert all(row.count("|") - row.count("\\|") == 3 for row in table.splitlines())
    assert checkpoint_cards.badges(said.entry, said) == [("along edges", "blue")]


def test_a_card_says_what_it_goes_on_from() -> None:
    folder = checkpoint.load("text-house-sum-on-paper-equal").folder
    assert folder is not None
    said = checkpoint_cards.table(about(folder)).replace("\\", "")  # Markdown escaped
    assert "| Goes on from | text-house-on-paper-equal |" in said
    assert "Goes on from" not in checkpoint_cards.table(about(folder.parent / "text-house-on-paper-equal"))


def test_badges_of_odd_types_are_left_out(tmp_path: Path) -> None:
    said = hostile(tmp_path / "made")
    said.training["recipe"] = {"supervision": ["node"], "alpha": "0"}
    said.training["data"] = ["paper"]
    assert checkpoint_cards.badges(said.entry, said) == [("along edges", "blue")]


@pytest.mark.slow
def test_a_strangers_card_is_text_and_ours_loads_no_picture() -> None:
    def cards() -> None:
        from depthscope.ui.checkpoints import cards as checkpoint_cards
        from tests.ui.checkpoints.test_cards import HOSTILE

        checkpoint_cards.card_text(HOSTILE, trusted=False)
        checkpoint_cards.card_text("# title\n" + HOSTILE, trusted=True)

    at = AppTest.from_function(cards).run()
    assert "\u202e" not in at.code[0].value
    assert len(at.code[0].value) < 12_100
    assert "![" not in at.markdown[0].value.replace("!\\[", "")
    assert not at.markdown[0].allow_html


def test_lines_of_a_card_stay() -> None:
    assert checkpoint_cards.visible("a\nb\u200fc\x00") == "a\nb c "
