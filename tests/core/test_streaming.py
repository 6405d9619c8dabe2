"""Files of many instances: read line by line, answered as they come, and cut short without a torn line."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from depthscope.core import answer_many, tasks
from depthscope.core.answer_many import answered
from depthscope.core.checkpoint import load
from depthscope.core.errors import InputError
from depthscope.core.tasks import many as lines

ROOT = Path(__file__).parents[2]


def test_an_endless_row_of_instances_is_answered_as_it_comes(
    saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_many, "AT_ONCE", 8)
    opened, drawn, taken = load(saved["graph"]), tasks.get("graph").generate(3, 12), 0

    def endless() -> Iterator[Any]:
        nonlocal taken
        for instance in itertools.cycle(drawn):
            taken += 1
            yield instance

    first = list(itertools.islice(answered(opened, endless(), 5), 20))
    assert taken == 24  # three groups of eight, and nothing ahead of them
    due = list(answered(opened, drawn, 5))
    assert [x["label"] for x in first] == [due[i % 12]["label"] for i in range(20)]
    for a, b in zip(first[12:], first[:8], strict=True):
        assert a["logits"] == pytest.approx(b["logits"], abs=1e-4)


def test_large_instances_make_small_groups(saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_many, "CELLS_AT_ONCE", 100)
    opened, drawn = load(saved["graph"]), tasks.get("graph").generate(6, 10)
    groups = list(answer_many._groups(opened, drawn))
    assert len(groups) > 2
    assert [x for part, _ in groups for x in part] == drawn


def test_a_file_is_read_as_its_text_is(tmp_path: Path) -> None:
    text = '\ufeff{"input": "a b\\nb ü", "target": "ü"}\n\n{"input": "x y"}'
    path = tmp_path / "x.jsonl"
    path.write_text(text, encoding="utf-8")
    assert list(lines.stream("graph", path)) == lines.read("graph", text.removeprefix("\ufeff"), "x.jsonl")
    path.write_bytes(b'{"input": "a b"}\n{"input": "\xff b"}\n')
    found = lines.stream("graph", path)
    assert next(found)[0] == 1
    with pytest.raises(InputError, match="'line 2' is not UTF-8"):
        next(found)
    path.write_text("\n \n")
    with pytest.raises(InputError, match="has no lines"):
        list(lines.stream("graph", path))


@pytest.mark.slow
def test_ctrl_c_leaves_whole_lines(saved: dict[str, Path], tmp_path: Path) -> None:
    path, task = tmp_path / "many.jsonl", tasks.get("graph")
    drawn = [json.dumps({"input": task.render(x)}) for x in task.generate(8, 20)]
    path.write_text("\n".join(drawn * 60))
    command = [sys.executable, "-m", "core", "trace", str(saved["graph"]), str(path), "--steps", "50"]
    out = tmp_path / "answers.jsonl"

    def heed_ctrl_c() -> None:  # a test run started in the background passes on that it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipe = subprocess.PIPE
    with (
        out.open("w") as file,
        subprocess.Popen(command, cwd=ROOT, stderr=pipe, stdout=file, preexec_fn=heed_ctrl_c) as running,
    ):
        while out.stat().st_size == 0 and running.poll() is None:  # printed while most are still to be run
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, b"")
    text = out.read_text()
    found = [json.loads(line) for line in text.splitlines()]
    assert text.endswith("\n")
    assert 1 <= len(found) < 1200
    assert all(len(x["logits"]) == 51 for x in found)
