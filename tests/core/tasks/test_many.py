"""Many instances in one text: each line is read as `trace` reads it, and what is wrong is said with its number."""

from __future__ import annotations

import json

import pytest

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks import many as lines
from tests.core.conftest import CONFIGS


def test_every_line_is_an_instance_and_keeps_its_number() -> None:
    text = '\n{"input": "a b\\nb c", "source": "a", "target": "c"}\n\n{"input": "x y", "source": "y", "target": "x"}\n'
    found = lines.read("graph", text, "mine.jsonl")
    assert [number for number, _ in found] == [2, 4]
    assert [instance.difficulty for _, instance in found] == [2, None]
    assert lines.measurable(CONFIGS["graph"], text, "mine.jsonl") == [instance for _, instance in found]


def test_what_is_generated_comes_back() -> None:
    task = tasks.get("logic")
    drawn = task.generate(3, 5)
    text = "\n".join(json.dumps({"input": task.render(x)}) for x in drawn)
    assert [x.text for x in lines.measurable(CONFIGS["logic"], text, "x")] == [x.text for x in drawn]


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("graph", '{"input": "a b"}\n{"input": 3}', "line 2 should be an object"),
        ("graph", '{"input": "a b"}\n\nnope', "line 3 is not JSON"),
        ("graph", '{"input": "a b", "source": "zz"}', "line 1: .*'zz'"),
        ("logic", '{"input": "T &"}', "line 1: "),
        ("logic", '{"input": "T", "source": "a"}', "line 1: .*for graphs"),
        ("graph", "\n", "has no lines"),
        ("paper", json.dumps({"input": "".join(f"n{i} n{i + 1}\n" for i in range(30))}), "line 1: .*26"),
    ],
)
def test_what_cannot_be_measured_names_its_line(kind: str, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        lines.measurable(CONFIGS[kind], text, "mine.jsonl")
