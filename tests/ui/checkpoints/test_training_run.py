"""Trainings as processes: started, watched, stopped without loss, gone with the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from depthscope.core import checkpoint
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.training import log as training_log
from depthscope.ui.checkpoints import training_run
from depthscope.ui.checkpoints.training_request import Request
from depthscope.ui.checkpoints.training_run import TrainingRuns

ROOT = Path(__file__).parents[3]
SMALL = {
    "model.width": 8, "model.heads": 2, "model.hidden": 8, "batch_size": 2, "validation": [1], "validate_every": 1000,
    "nodes": [4, 6], "difficulty": [1, 2],
}  # fmt: skip
QUICK = Request("graph", "house", 1, {**SMALL, "batches": 2})
LONG = Request("graph", "house", 1, {**SMALL, "batches": 100_000})


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[TrainingRuns]:
    made = TrainingRuns(tmp_path / "runs")
    yield made
    made.end()
    until(lambda: made.running is None)


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_training_runs_beside_and_is_handed_on(desk: TrainingRuns) -> None:
    came, done = [], threading.Event()

    def take_in(folder: Path, name: str) -> None:
        came.append((checkpoint.load(folder).training["seed"], name))
        done.set()

    name = desk.start(QUICK, take_in)
    assert desk.running == name
    assert desk.run(name).state == "running"
    with pytest.raises(InputError, match="one training runs at a time"):
        desk.start(QUICK)
    with pytest.raises(InputError, match="cancel it first"):
        desk.remove(name)
    assert done.wait(60)
    assert came == [(1, name)]
    assert [(run.name, run.state) for run in desk.runs()] == [(name, "done")]
    desk.remove(name)
    assert desk.runs() == []


@pytest.mark.slow
def test_a_cancelled_training_keeps_its_state_and_goes_on(desk: TrainingRuns) -> None:
    name = desk.start(LONG)
    folder = desk.run(name).folder
    until(lambda: training_log.read(folder).last > 0)
    desk.cancel()
    until(lambda: desk.running is None)
    assert desk.run(name).state == "stopped"
    assert desk.run(name).request == LONG
    again = TrainingRuns(folder.parent)  # the server was started anew
    before = training_log.read(folder).last
    assert again.resume(name) == name
    until(lambda: training_log.read(folder).last > before)
    again.end()
    until(lambda: again.running is None)


def test_a_training_that_fails_says_why(desk: TrainingRuns, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / training_run.REQUEST).write_text(dumps(QUICK.as_json()))
    assert (desk.run("mine").state, desk.run("mine").error) == ("stopped", None)  # before it had saved anything
    (folder / training_run.ERRORS).write_text("45%\rerror: the loss is nan at batch 7\n")
    assert (desk.run("mine").state, desk.run("mine").error) == ("failed", "the loss is nan at batch 7")
    (folder / training_run.ERRORS).write_text("Traceback (most recent call last):\n  x\nKeyError: 3\n")
    assert desk.run("mine").error == "KeyError: 3"


def test_what_cannot_be_trained_starts_nothing(desk: TrainingRuns, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        desk.start(Request("graph", "house", 0, {"alpha": 7.0}))
    with pytest.raises(InputError, match="no training"):
        desk.resume("../../etc")
    with pytest.raises(InputError, match="no training"):
        desk.remove("..")
    assert desk.running is None
    (tmp_path / "runs" / "spoiled").mkdir(parents=True)
    (tmp_path / "runs" / "spoiled" / training_run.REQUEST).write_text("{")
    assert desk.runs() == []


def test_a_child_whose_server_is_gone_stops() -> None:
    code = "from depthscope.ui.checkpoints.training_child import follow; follow()"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=30, check=False, stdin=subprocess.DEVNULL)
    assert ended.returncode == -signal.SIGTERM


@pytest.mark.slow
def test_a_killed_server_leaves_no_training(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from depthscope.ui.checkpoints.training_run import TrainingRuns; "
        "from tests.ui.checkpoints.test_training_run import LONG; d = TrainingRuns(Path(sys.argv[1])); d.start(LONG); "
        "print(d._process.pid, flush=True); time.sleep(60)"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    with server:
        assert server.stdout is not None
        child = int(server.stdout.readline())
        until(lambda: list(tmp_path.glob(f"*/{training_log.LOG}")))
        server.kill()
    until(lambda: not alive(child), 30)
    assert TrainingRuns(tmp_path).runs()[0].state == "stopped"


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    desk = TrainingRuns(tmp_path / "runs")
    for owner, what in ((Path, "mkdir"), (Path, "write_bytes"), (subprocess, "Popen")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, what, lambda *_, **__: full())
            with pytest.raises(InputError, match="cannot be written: the disk is full"):
                desk.start(QUICK)
    assert not list(tmp_path.glob("runs/*"))
    assert desk.runs() == []
