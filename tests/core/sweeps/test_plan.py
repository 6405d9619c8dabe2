"""Plans of a sweep: what runs they list, and what is wrong with them in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from depthscope.core.errors import InputError
from depthscope.core.sweeps.plan import Measure, read_plan
from depthscope.core.training import recipes

SHIPPED = Path(__file__).parents[3] / "benchmarks" / "plans"


def plan(tmp_path: Path, text: str, suffix: str = "toml") -> Path:
    path = tmp_path / f"plan.{suffix}"
    path.write_text(text)
    return path


def test_a_cross_product(tmp_path: Path) -> None:
    text = """
    [[runs]]
    task = "graph"
    recipe = ["paper", "paper-perstep"]
    seeds = [0, 3]
    set = { batches = 10 }
    [runs.variants]
    full = {}
    "No gate!" = { model.gate_bias = "null" }
    """
    runs = read_plan(plan(tmp_path, text))
    assert [run.name for run in runs][:4] == [
        "graph-paper-full-s0", "graph-paper-full-s3", "graph-paper-no-gate-s0", "graph-paper-no-gate-s3",
    ]  # fmt: skip
    assert len(runs) == 8
    assert runs[2].changes == {"batches": 10, "model.gate_bias": None}
    assert (runs[2].varied.model.gate_bias, runs[2].varied.batches, runs[0].varied.batches) == (None, 10, 10)
    assert runs[0].measure == Measure(recipes.get("graph", "paper").validation)


def test_json_and_what_is_left_out(tmp_path: Path) -> None:
    group = {"task": "logic", "recipe": "house-tree", "measure": {"difficulty": "1-3,8", "instances": 5, "seed": 2}}
    more = {**group, "seeds": 4, "set": {"alpha": 1, "model.gate_bias": None}, "measure": False}
    first, second = read_plan(plan(tmp_path, json.dumps({"runs": [group, more]}), "json"))
    assert (first.name, first.changes) == ("logic-house-tree-full-s0", {})
    assert first.measure == Measure((1, 2, 3, 8), 5, "audited", 2)
    assert second.name == "logic-house-tree-alpha-1-model-gate-bias-null-s4"
    assert second.measure is None
    assert second.settings()["recipe"]["alpha"] == 1
    assert second.settings()["seed"] == 4


def test_the_shipped_plans_can_be_read() -> None:
    ablations = read_plan(SHIPPED / "ablations.toml")
    assert len(ablations) == 3 * (8 + 8 + 5)
    assert all(run.varied.batches <= 1500 for run in ablations)
    assert len(read_plan(SHIPPED / "eight-short.toml")) == 8


GOOD = 'task = "graph"\nrecipe = "house"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runs", "not readable as TOML"),
        ("", "should list runs"),
        ("runs = 3", "should list runs"),
        ("x = 1\n[[runs]]\n" + GOOD, "nothing else"),
        ("runs = [3]", "should be a table"),
        ("[[runs]]\nrecipe = 'house'", "task should be a name"),
        ("[[runs]]\ntask = 'graph'\nrecipe = []", "recipe a name"),
        ("[[runs]]\ntask = 'graph'\nrecipe = 'cake'", "no recipe 'cake'"),
        ("[[runs]]\nseed = 1\n" + GOOD, "unknown key 'seed'"),
        ("[[runs]]\nseeds = [true]\n" + GOOD, "seeds should be whole numbers"),
        ("[[runs]]\nseeds = [-1]\n" + GOOD, "seeds should be whole numbers"),
        ("[[runs]]\nseeds = []\n" + GOOD, "seeds should be whole numbers"),
        ("[[runs]]\nseeds = [1, 1]\n" + GOOD, "there twice"),
        ("[[runs]]\nset = 3\n" + GOOD, "set should be a table"),
        ("[[runs]]\nset = { alfa = 1 }\n" + GOOD, "no setting 'alfa'"),
        ("[[runs]]\nset = { model.state_norm = false }\n" + GOOD, "state noise"),
        ("[[runs]]\nname = '--'\n" + GOOD, "letters and digits"),
        ("[[runs]]\nname = 3\n" + GOOD, "letters and digits"),
        ("[[runs]]\nname = 'a'\nvariants = { b = {} }\n" + GOOD, "in place of a name"),
        ("[[runs]]\nvariants = { b = 1 }\n" + GOOD, "variants should be a table"),
        ("[[runs]]\nmeasure = true\n" + GOOD, "measure should be"),
        ("[[runs]]\nmeasure = { steps = 3 }\n" + GOOD, "no setting 'measure.steps'"),
        ("[[runs]]\nmeasure = { difficulty = '5-1' }\n" + GOOD, "difficulty"),
        ("[[runs]]\nmeasure = { instances = 0 }\n" + GOOD, "instances"),
        ("[[runs]]\nmeasure = { data = 'mine' }\n" + GOOD, "measure.data should be one of audited, paper"),
        ("[[runs]]\nseeds = " + str(list(range(10_001))) + "\n" + GOOD, "at most 10000 runs"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_plan(plan(tmp_path, text))
    assert says in str(caught.value)
    assert "plan.toml" in str(caught.value)


def test_a_huge_or_binary_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(InputError, match="larger"):
        read_plan(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not readable"):
        read_plan(path)
