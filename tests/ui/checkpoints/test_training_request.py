"""What a page trains: the command line that does the same, and how long it takes by what was timed."""

from __future__ import annotations

import shlex

import pytest

from depthscope.core import checkpoint
from depthscope.core.cli import parser
from depthscope.core.errors import InputError
from depthscope.core.exchange.about import About, about
from depthscope.core.training import recipes
from depthscope.core.training.overrides import assignment
from depthscope.ui.checkpoints.training_request import Request, duration, estimate, from_json, offers

CHANGES = {"batches": 400, "alpha": 0.5, "model.gate_bias": None}


def test_the_command_says_what_is_asked() -> None:
    request = Request("graph", "house", 3, CHANGES)
    words = shlex.split(request.command("runs/x y"))
    args = parser().parse_args(words[1:])
    assert words[0] == "depthscope"
    assert (args.task, args.recipe, args.seed, str(args.out), args.threads) == ("graph", "house", 3, "runs/x y", 1)
    assert dict(map(assignment, args.overrides)) == CHANGES
    assert not args.resume
    assert request.arguments("x", resume=True)[-1] == "--resume"
    assert request.varied.model.gate_bias is None
    assert from_json(request.as_json()) == request


@pytest.mark.parametrize(
    "said", [None, {}, [], {"task": "graph"}, {"task": 1, "recipe": 2, "seed": "x", "changes": {}}]
)
def test_a_request_that_is_none(said: object) -> None:
    with pytest.raises(InputError):
        from_json(said)


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(InputError, match="alpha"):
        _ = Request("graph", "house", 0, {"alpha": 3.0}).varied


def test_every_recipe_is_offered_once_and_the_quick_ones_first() -> None:
    found = offers()
    assert found[:2] == [("graph", "house"), ("logic", "house-tree")]
    assert sorted(found) == sorted((r.task, r.name) for r in recipes.RECIPES)


@pytest.mark.skipif(not (checkpoint.CHECKPOINTS / "graph-house").is_dir(), reason="graph-house is not shipped")
def test_the_estimate_is_the_pace_of_the_one_that_was_timed() -> None:
    said = about(checkpoint.CHECKPOINTS / "graph-house")
    found = estimate(Request("graph", "house"), [said])
    assert found is not None
    assert found.seconds == pytest.approx(said.training["seconds"] * said.training["threads"])
    half = estimate(Request("graph", "house", 0, {"batches": 400}), [said])
    assert half is not None
    assert half.seconds == pytest.approx(found.seconds / 2)
    assert estimate(Request("graph", "paper"), [said]) is None
    silent = About(said.entry, said.config, {"seconds": 3}, {}, "")
    assert estimate(Request("graph", "house"), [silent]) is None


def test_times_in_words() -> None:
    assert [duration(s) for s in (0.2, 40, 100, 3000, 9000)] == ["1 s", "40 s", "2 min", "50 min", "2.5 h"]
