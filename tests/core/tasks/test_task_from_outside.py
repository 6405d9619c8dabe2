"""A task from outside, three classes a node: it trains, runs, and is measured without an edit in the house."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from depthscope.core import checkpoint, tasks, trace
from depthscope.core.cli import main
from depthscope.core.errors import InputError
from depthscope.figures.linked_views.payload import payload
from depthscope.figures.summary import sentence
from depthscope.probes import cli as probes
from depthscope.probes.reading.of_trace import readings

NAME = "tests.brackets:TASK"
QUICK = ("--set", "batches=40", "--set", "validate_every=40", "--set", "batch_size=16", "--threads", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkpoint of the task, trained for seconds on the command line."""
    out = tmp_path_factory.mktemp("outside") / "brackets"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "_named", {})
        patch.setenv(tasks.VARIABLE, "")  # restored afterwards, also where `main` sets it for the processes it starts
        assert main(["train", "brackets", "--recipe", "house", "--task", NAME, "--out", str(out), *QUICK]) == 0
        yield out


def asked(folder: Path, *words: str, capsys: pytest.CaptureFixture[str], program: object = main) -> dict:
    assert program([*words, "--task", NAME, "--json"]) == 0  # pyright: ignore[reportCallIssue]
    return json.loads(capsys.readouterr().out)


def test_it_is_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", NAME]) == 0
    assert capsys.readouterr().out.endswith("is whole\n")


def test_it_is_traced(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "word.txt").write_text("([])(]\n")
    npz = tmp_path / "trace.npz"
    answer = asked(folder, "trace", str(folder), str(tmp_path / "word.txt"), "--steps", "5", "--out", str(npz),
                   capsys=capsys)  # fmt: skip
    assert (answer["task"], answer["label"], len(answer["logits"])) == ("brackets", 0, 6)
    with np.load(npz, allow_pickle=False) as kept:
        assert kept["readout"].shape == (6, 7, 3)
        share = np.exp(kept["readout"].astype(np.float64))
        share /= share.sum(-1, keepdims=True)
        asked_class = share[:, 0, 1]
        np.testing.assert_allclose(np.log(asked_class / (1 - asked_class)), kept["logits"], atol=1e-4)


def test_several_classes_are_seen_as_the_asked_one_against_the_rest(folder: Path) -> None:
    opened = checkpoint.load(folder)
    made = trace.record(opened, tasks.get("brackets").parse("([])(]"), 4)
    assert made.readout is not None
    assert made.node_logits is not None
    assert (made.readout.shape, made.node_logits.shape, made.classes) == (
        (5, 7, 3),
        (5, 7),
        ("open", "closed", "wrong"),
    )
    np.testing.assert_allclose(made.node_logits[:, 0], made.logits, atol=1e-4)
    task = tasks.get("brackets")
    np.testing.assert_array_equal(task.contrast(made.encoding, made.readout), made.node_logits[:, 0])
    np.testing.assert_array_equal(task.score(made.instance, made.encoding, made.readout), made.logits < 0)
    values, _ = readings(opened, made)
    assert list(values) == ["true kind", "model readout"]
    packed = payload(made, values, title="brackets", trained_steps=None)
    assert packed["meta"]["layout"] == "lines"  # pyright: ignore[reportIndexIssue]
    assert sentence(made).startswith("In this word a bracket is wrong; the model says ")


def test_its_frontier(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(folder, "frontier", str(folder), "--difficulty", "1-3", "--steps", "4", "--instances", "20",
                  capsys=capsys)  # fmt: skip
    assert np.shape(found["accuracy"]) == (3, 4)


def test_its_instances(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = asked(folder, "generate", "brackets", "--difficulty", "3", "--count", "4", capsys=capsys)
    assert [x["label"] for x in drawn] == [1, 0, 1, 0]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("instrument", ["wavefront", "lens", "patch"])
def test_instruments(folder: Path, instrument: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = (instrument, str(folder), "--instances", "4", "--steps", "5")
    assert asked(folder, *words, capsys=capsys, program=probes.main)


def test_a_checkpoint_of_it_opens_only_once_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_named", {})
    with pytest.raises(InputError, match="task should be one of graph, logic, text"):
        checkpoint.load(folder)
    monkeypatch.setenv(tasks.VARIABLE, NAME)
    tasks.name_all()
    assert checkpoint.load(folder).config.task == "brackets"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("brackets", "named as MODULE:TASK"),
        ("tests.nowhere:TASK", "no module 'tests.nowhere'"),
        ("tests.brackets:Missing", "has no 'Missing'"),
        ("tests.brackets.instance:Brackets", "is not a task: it is of the class type"),
        ("depthscope.core.tasks.graph:TASK", "there is a task 'graph' already"),
    ],
)
def test_what_is_no_task(name: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--task", name]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err


def test_a_task_that_lacks_something_is_told_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "tests.brackets.broken:TASK"]) == 2
    out, err = capsys.readouterr()
    assert "WRONG parse reads back what render says: " in out
    assert "WRONG full: drawing: " in out
    assert "is not whole" in err
