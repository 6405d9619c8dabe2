"""Many at once say what one at a time says, in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from depthscope.core import tasks, trace
from depthscope.core.answer_many import answered
from depthscope.core.errors import InputError
from depthscope.core.exchange.npz import answer_object
from depthscope.core.tasks import many as lines
from tests.probes.hand_made import untrained


@pytest.mark.parametrize(("kind", "task"), [("graph", "graph"), ("tree", "logic"), ("text", "text")])
def test_a_batch_says_what_each_run_says(tmp_path: Path, kind: str, task: str) -> None:
    opened = untrained(tmp_path, kind)
    instances = [x for difficulty in (3, 1, 2) for x in tasks.get(task).generate(difficulty, 3, "audited", 0)]
    done: list[int] = []
    found = list(answered(opened, instances, progress=done.append))
    assert done[-1] == len(instances)
    for instance, answer in zip(instances, found, strict=True):
        alone = answer_object(opened.name, instance, trace.record(opened, instance).logits)
        assert answer["logits"] == pytest.approx(alone["logits"], abs=1e-4)
        assert {k: answer[k] for k in ("label", "steps", "task")} == {k: alone[k] for k in ("label", "steps", "task")}
    assert [a["steps"] for a in answered(opened, instances[:2], steps=4)] == [4, 4]


def test_a_table_is_read_as_lines_are() -> None:
    text = 'input,source,target\n"a b\nb c",a,c\n"x y",,\n'
    assert lines.is_table(text)
    assert not lines.is_table("a,b\nb,c\n")
    found = lines.entries(text, "mine.CSV")
    assert [(e.number, e.input, e.source, e.target) for e in found] == [
        (2, "a b\nb c", "a", "c"),
        (3, "x y", None, None),
    ]
    assert [instance.difficulty for _, instance in lines.read("graph", text, "mine.csv")] == [2, 1]
    with pytest.raises(InputError, match="row 3 has nothing"):
        lines.entries("input\na b\n,\n", "x.csv")
    with pytest.raises(InputError, match="no lines"):
        lines.entries("input\n", "x.csv")
