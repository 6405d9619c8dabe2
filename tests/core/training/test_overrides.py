"""Overrides of a recipe: what they change, what they refuse, and that a run made with them can be repeated."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from depthscope.core import checkpoint
from depthscope.core.cli import main, parser
from depthscope.core.errors import InputError
from depthscope.core.training import overrides, recipes, train

HOUSE = recipes.get("graph", "house")
TINY = {"model.width": 8, "model.heads": 2, "model.hidden": 8, "batches": 2, "batch_size": 4, "validation": [1]}


def test_fields_are_replaced_in_their_own_types() -> None:
    found = recipes.varied(
        HOUSE,
        {"alpha": 1, "difficulty": [1, 3], "validation": [2], "model.gate_bias": None, "model.depth_embedding": 20},
    )
    assert (found.alpha, type(found.alpha)) == (1.0, float)
    assert (found.difficulty, found.validation) == ((1, 3), (2,))
    assert (found.model.gate_bias, found.model.depth_embedding) == (None, 20)
    assert (found.task, found.name, found.model.width) == (HOUSE.task, HOUSE.name, HOUSE.model.width)
    assert recipes.varied(HOUSE, {}) is HOUSE
    assert recipes.varied(recipes.get("logic", "house-tokens"), {"curriculum": None}).curriculum is None
    grown = recipes.varied(recipes.get("logic", "house-tokens"), {"curriculum.start": 3}).curriculum
    assert grown == recipes.Curriculum(start=3)


def test_every_recipe_passes_its_own_check() -> None:
    for recipe in recipes.RECIPES:
        recipes.check(recipe)


def test_the_norm_is_not_taken_from_under_the_noise() -> None:
    with pytest.raises(InputError, match=re.escape("set model.state_noise=0 as well")):
        recipes.varied(HOUSE, {"model.state_norm": False})
    bare = recipes.varied(HOUSE, {"model.state_norm": False, "model.state_noise": 0})
    assert (bare.model.state_norm, bare.model.state_noise) == (False, 0.0)


@pytest.mark.parametrize(
    ("recipe", "changes", "says"),
    [
        (HOUSE, {"alfa": 1}, "there is no setting 'alfa'"),
        (HOUSE, {"model.gate": 1}, "there is no setting 'model.gate'"),
        (HOUSE, {"alpha.x": 1}, "alpha is 0.0 here"),
        (HOUSE, {"curriculum.start": 1}, "curriculum is null here"),
        (HOUSE, {"curriculum." + "9" * 5000: 1}, "(got curriculum." + "9" * 69 + ")"),
        (HOUSE, {"model": {}}, "model should be set field by field"),
        (HOUSE, {"name": "mine"}, "name cannot be set"),
        (HOUSE, {"model.attention": "full"}, "model.attention cannot be set"),
        (HOUSE, {"batches": 1.5}, "batches should be a whole number (got 1.5)"),
        (HOUSE, {"batches": True}, "batches should be a whole number"),
        (HOUSE, {"batches": None}, "batches should be a whole number"),
        (HOUSE, {"batches": 0}, "batches should be from 1"),
        (HOUSE, {"batches": 10**30}, "batches should be a whole number"),
        (HOUSE, {"learning_rate": float("nan")}, "learning_rate should be a number"),
        (HOUSE, {"learning_rate": -1}, "learning_rate should be from"),
        (HOUSE, {"alpha": 2}, "alpha should be from 0 to 1"),
        (HOUSE, {"bfloat16": 1}, "bfloat16 should be true or false"),
        (HOUSE, {"model.gate_bias": "none"}, "model.gate_bias should be a number or null"),
        (HOUSE, {"model.position": "ropes"}, "model.position should be one of none, rope"),
        (HOUSE, {"model.width": 63}, "config: width 63 is not a multiple"),
        (HOUSE, {"model.bracket_bias": True}, "no effect"),
        (HOUSE, {"model.readout": "cls"}, "readout at every node"),
        (HOUSE, {"model.identity": "vocabulary"}, "vocabulary should be at least 27"),
        (HOUSE, {"difficulty": [5, 1]}, "difficulty should rise"),
        (HOUSE, {"difficulty": [1, 2, 3]}, "two whole numbers"),
        (HOUSE, {"validation": []}, "whole numbers as in"),
        (HOUSE, {"samples": 8}, "samples should be from 32"),
        (recipes.get("logic", "house-tree"), {"data": "paper"}, "needs samples"),
        (recipes.get("logic", "paper"), {"data": "audited"}, "vocabulary should be at least 10"),
        (recipes.get("logic", "house-tokens"), {"curriculum.start": 9}, "curriculum.start should be from 1 to 6"),
    ],
)
def test_what_is_refused(recipe: recipes.Recipe, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        recipes.varied(recipe, changes)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("alpha=1e-3", "alpha", 1e-3),
        ("model.gate_bias=null", "model.gate_bias", None),
        ("difficulty=[1, 5]", "difficulty", [1, 5]),
        ("model.position=rope", "model.position", "rope"),
        ("a=b=c", "a", "b=c"),
        ("a=" + "[" * 100_000, "a", "[" * 100_000),
    ],
)
def test_settings_are_read_and_written(text: str, name: str, value: Any) -> None:
    assert overrides.assignment(text) == (name, value)
    assert overrides.assignment(*overrides.written({name: value})) == (name, value)


@pytest.mark.parametrize("text", ["alpha", "=1", ""])
def test_a_setting_without_a_field_or_value(text: str) -> None:
    with pytest.raises(InputError, match="FIELD=VALUE"):
        overrides.assignment(text)


def test_a_table_of_a_plan_is_flattened() -> None:
    table = {"model": {"gate_bias": "null", "width": 8}, "alpha": 1, "validation": [1, 2], "data": "paper"}
    due = {"model.gate_bias": None, "model.width": 8, "alpha": 1, "validation": [1, 2], "data": "paper"}
    assert overrides.flat(table) == due


def test_a_card_tells_how_to_repeat_the_run(tmp_path: Path) -> None:
    changes = {**TINY, "model.gate_bias": None, "model.activation": "relu"}
    train.train("graph", "house", tmp_path / "bare", changes=changes, threads=1)
    opened = checkpoint.load(tmp_path / "bare")
    assert opened.training["overrides"] == changes
    assert opened.name == "bare"
    text = (tmp_path / "bare" / "README.md").read_text()
    command = next(line.strip() for line in text.splitlines() if line.strip().startswith("depthscope train"))
    args = parser().parse_args(shlex.split(command)[1:])
    assert dict(map(overrides.assignment, args.overrides)) == changes


def test_the_command_takes_them_and_resumes_only_with_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "graph", "--recipe", "house", "--out", str(tmp_path / "run"), "--threads", "1", "--json"]
    for setting in overrides.written({**TINY, "batches": 4}):
        command += ["--set", setting]
    assert main([*command, "--max-seconds", "0"]) == 0
    capsys.readouterr()
    assert main([*command, "--resume", "--set", "alpha=1"]) == 2
    assert "or other --set" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["training"]["batches"] == 4
    assert main([*command, "--set", "alpha=much"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: alpha should be a number (got 'much')"
