"""The sweep: nothing is made twice, nothing is lost however it ends, and one run's failure is its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors

from depthscope.core import checkpoint, frontier
from depthscope.core.cli import main
from depthscope.core.errors import InputError
from depthscope.core.files import locks
from depthscope.core.sweeps import records as ledger, run as sweep
from depthscope.core.sweeps.records import FOLDER, LOCK
from depthscope.core.training import train

ROOT = Path(__file__).parents[3]
PATIENCE = 300.0
TINY = {
    "model.width": 8, "model.heads": 2, "model.hidden": 8, "batches": 4, "batch_size": 4,
    "validation": [1], "validate_every": 1000,
}  # fmt: skip
MEASURE = {"difficulty": [1, 3], "instances": 6}

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthscope.core.training.batches.validation_count", lambda task: 8)


def plan(folder: Path, *groups: dict[str, Any], batches: int = 4) -> Path:
    """A plan of tiny runs."""
    runs = []
    for group in groups or ({},):
        tiny = {"task": "graph", "recipe": "house", "name": "tiny", "measure": MEASURE, **group}
        runs.append({**tiny, "set": {**TINY, "batches": batches, **group.get("set", {})}})
    path = folder / "plan.json"
    path.write_text(json.dumps({"runs": runs}))
    return path


def made(path: Path, out: Path, **options: Any) -> list[dict[str, Any]]:
    return sweep.run(sweep.read_plan(path), out, **{"workers": 1, **options})


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "core", "sweep", *map(str, arguments)]


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def saved_batch(folder: Path) -> int:
    """Batches done by the state of an unfinished run; 0 if there is none."""
    try:
        with safetensors.safe_open(folder / train.STATE, "pt") as file:
            return int(json.loads(file.metadata()["progress"])["batch"])
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_runs_are_trained_measured_and_recorded(tmp_path: Path) -> None:
    path, out = plan(tmp_path, {"seeds": [0, 1]}), tmp_path / "out"
    found = made(path, out)
    assert [r["name"] for r in found] == ["graph-house-tiny-s0", "graph-house-tiny-s1"]
    for record in found:
        assert (record["status"], record["batch"], record["batches"], record["error"]) == ("done", 4, 4, None)
        opened = checkpoint.load(out / record["name"])
        assert (opened.sha256, opened.n_parameters) == (record["sha256"], record["parameters"])
        assert opened.training["seed"] == record["seed"]
        assert opened.training["threads"] == 1
        assert record["validation"] == opened.metrics["validation"]
        assert (record["difficulty"], record["steps"], record["n"]) == ([1, 3], [9, 11], [6, 6])
        for i, (difficulty, steps) in enumerate([(1, 9), (3, 11)]):
            due = frontier.run(opened, [difficulty], steps, 6)
            for name in ("accuracy", "low", "high"):
                assert record[name][i] == pytest.approx(getattr(due, name)[0, -1])
    assert found == sweep.records(out)
    assert found[0]["sha256"] != found[1]["sha256"]


def test_a_finished_run_is_never_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = plan(tmp_path), tmp_path / "out"
    first = made(path, out)
    monkeypatch.setattr("depthscope.core.sweeps.work.train", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr("depthscope.core.sweeps.work.frontier.run", lambda *_, **__: pytest.fail("measured again"))
    assert made(path, out) == first
    monkeypatch.undo()
    monkeypatch.setattr("depthscope.core.sweeps.work.train", lambda *_, **__: pytest.fail("trained again"))
    plan(tmp_path, {"measure": {"difficulty": 2, "instances": 4}})
    again = made(path, out)
    assert (again[0]["difficulty"], again[0]["n"], again[0]["status"]) == ([2], [4], "done")
    shutil.rmtree(out / FOLDER)  # the checkpoints are still there
    anew = made(path, out)
    assert {**anew[0], "seconds": 0} == {**again[0], "seconds": 0}


def test_a_run_that_is_gone_is_made_again(tmp_path: Path) -> None:
    path, out = plan(tmp_path, {"measure": False}), tmp_path / "out"
    first = made(path, out)[0]
    (out / first["name"]).rename(tmp_path / "elsewhere")
    assert made(path, out)[0]["sha256"] == first["sha256"]
    assert (out / first["name"] / "config.json").exists()


def test_a_failure_stops_no_other_run_and_is_tried_again(tmp_path: Path, capsys: Captured) -> None:
    too_far = {"name": "far", "measure": {"difficulty": [1, 30], "data": "paper", "instances": 4}}
    lost = {"name": "lost", "set": {"learning_rate": 1000, "clip": 1e9, "model.state_norm": False, "alpha": 1,
            "model.state_noise": 0, "model.gate_bias": None, "batches": 60}}  # fmt: skip
    path, out = plan(tmp_path, too_far, lost, {}), tmp_path / "out"
    assert main(["sweep", str(path), "--out", str(out), "--workers", "1", "--json"]) == 2
    printed = capsys.readouterr()
    far, diverged, good = json.loads(printed.out)
    assert printed.err.splitlines()[-1].startswith("error: 2 of 3 runs are not done; graph-house-far-s0: ")
    assert (far["status"], far["difficulty"]) == ("failed", [1])
    assert "at most 24 hops" in far["error"]
    assert (diverged["status"], diverged["sha256"]) == ("failed", None)
    assert "the loss is" in diverged["error"]
    assert (good["status"], good["error"]) == ("done", None)
    path = plan(tmp_path, {**too_far, "measure": False})
    assert made(path, out)[0]["status"] == "done"


@pytest.mark.slow
def test_what_is_in_the_way(tmp_path: Path) -> None:
    path, out = plan(tmp_path, {"measure": False}), tmp_path / "out"
    made(path, out)
    with pytest.raises(InputError, match="other settings"):
        made(plan(tmp_path, batches=5), out)
    shutil.rmtree(out / FOLDER)
    with pytest.raises(InputError, match="other settings"):
        made(plan(tmp_path, batches=5), out)
    with locks.held(out / LOCK, lambda: True), pytest.raises(InputError, match="another sweep is at work"):
        made(plan(tmp_path), out)


def test_a_worker_waits_for_its_run_and_heeds_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose sweep is over does nothing, also when the run is held by one that was left behind."""
    path, out = plan(tmp_path), tmp_path / "out"
    run = sweep.read_plan(path)[0]
    monkeypatch.setattr("depthscope.core.sweeps.work.train", lambda *_, **__: pytest.fail("trained"))
    sweep._enter([run], out)
    new = ledger.begin(out)
    with locks.alone_in(out / run.name):
        sweep.work(run, out, new, 1, "cpu")  # no sweep is at work
        with locks.held(out / LOCK):
            sweep.work(run, out, "old", 1, "cpu")  # another has taken its place
            assert [r["status"] for r in sweep.records(out)] == ["queued"]
            waiting = threading.Thread(target=sweep.work, args=(run, out, new, 1, "cpu"))
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()  # for the one that was left behind
            ledger.stop(out, new)
            waiting.join(PATIENCE)
            sweep.work(run, out, new, 1, "cpu")  # it was stopped
    assert [r["status"] for r in sweep.records(out)] == ["queued"]


def test_a_worker_of_an_earlier_sweep_writes_nothing_into_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = plan(tmp_path), tmp_path / "out"
    run = sweep.read_plan(path)[0]
    sweep._enter([run], out)

    def replaced(*_: Any, **__: Any) -> None:
        ledger.begin(out)
        raise InputError("this is not for the new sweep")

    monkeypatch.setattr("depthscope.core.sweeps.work.train", replaced)
    with locks.held(out / LOCK):
        sweep.work(run, out, ledger.begin(out), 1, "cpu")
        assert [r["status"] for r in sweep.records(out)] == ["running"]


KILLED = """
import sys
from depthscope.core.sweeps import run as sweep
from depthscope.core.training import train
train.SAVE_SECONDS = 0.0
sweep.run(sweep.read_plan(sys.argv[1]), sys.argv[2], workers=1)
"""


@pytest.mark.slow
def test_kill_9_in_the_middle_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = plan(tmp_path, batches=100), tmp_path / "out"
    due = made(path, tmp_path / "whole")[0]
    folder = out / due["name"]
    with subprocess.Popen([sys.executable, "-c", KILLED, path, out], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        until(lambda: saved_batch(folder) > 3)
        process.kill()
    before = saved_batch(folder)
    assert 3 < before < 100
    assert sweep.records(out)[0]["status"] == "queued"
    learned, learn = [], train.Run.learn
    monkeypatch.setattr(train.Run, "learn", lambda run: (learned.append(run.progress.batch), learn(run))[1])
    found = made(path, out)[0]
    assert learned == list(range(before, 100))
    assert found["status"] == "done"
    assert {k: found[k] for k in ("sha256", "accuracy")} == {k: due[k] for k in ("sha256", "accuracy")}


@contextmanager
def started(path: Path, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process group of its own, which hears Ctrl-C, once a worker is in the middle of a run."""

    def heed_ctrl_c() -> None:  # a test run started in the background passes on that it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command(path, "--out", out), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        start_new_session=True, preexec_fn=heed_ctrl_c,
    ) as process:  # fmt: skip
        before = max([r["batch"] for r in sweep.records(out)], default=0) if out.exists() else 0
        until(lambda: _at_work(out) and max(r["batch"] for r in sweep.records(out)) > before)
        assert process.poll() is None
        yield process
        process.kill()


def _at_work(out: Path) -> bool:
    try:
        return any(r["status"] == "running" for r in sweep.records(out))
    except InputError:  # the tables are not there yet
        return False


@pytest.mark.slow
def test_ctrl_c_and_a_killed_conductor_leave_everything_resumable(tmp_path: Path) -> None:
    batches = 150
    path, out = plan(tmp_path, {"seeds": [0, 1]}, batches=batches), tmp_path / "out"
    with started(path, out) as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the conductor and all its workers
        assert process.wait(PATIENCE) == 130
    found = sweep.records(out)
    assert {r["status"] for r in found} <= {"queued", "done"}
    assert any(0 < r["batch"] < batches for r in found)
    assert all(r["batch"] == saved_batch(out / r["name"]) for r in found if r["status"] == "queued")
    with started(path, out) as process:
        process.kill()
        process.wait(PATIENCE)
    until(lambda: not any(locks.is_held(lock) for lock in out.glob(f"*/{locks.ALONE}")))  # the workers left, too
    resumed, due = made(path, out), made(path, tmp_path / "whole")
    assert [r["status"] for r in resumed] == ["done", "done"]
    assert [r["sha256"] for r in resumed] == [r["sha256"] for r in due]


def die(*_: Any) -> None:
    os._exit(1)


@pytest.mark.slow
def test_a_killed_worker_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = plan(tmp_path, {"seeds": [0, 1]}), tmp_path / "out"
    monkeypatch.setattr(sweep, "work", die)
    with pytest.raises(InputError, match="a worker was killed"):
        made(path, out, workers=2)
    assert [r["status"] for r in sweep.records(out)] == ["queued", "queued"]


@pytest.mark.slow
def test_a_task_from_outside_is_known_to_every_worker(tmp_path: Path) -> None:
    runs = {"task": "brackets", "seeds": [0, 1], "measure": {"difficulty": [1], "instances": 4}}
    path, out = plan(tmp_path, {**runs, "set": {"model.depth_embedding": 0}}), tmp_path / "out"
    options = ("--task", "tests.brackets:TASK", "--workers", "2", "--json")
    done = subprocess.run(command(path, "--out", out, *options), cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert [record["status"] for record in json.loads(done.stdout)] == ["done", "done"]


@pytest.mark.slow
def test_dask_with_two_local_workers(tmp_path: Path) -> None:
    path, out = plan(tmp_path, {"seeds": [0, 1]}), tmp_path / "out"
    done = subprocess.run(
        command(path, "--out", out, "--backend", "dask", "--workers", "2", "--json"),
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    due = made(path, tmp_path / "here")
    assert [r["sha256"] for r in json.loads(done.stdout)] == [r["sha256"] for r in due]


CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=int(sys.argv[1]), dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_a_dask_scheduler_by_its_address(tmp_path: Path, threads: int) -> None:
    path, out, script = plan(tmp_path), tmp_path / "out", tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    with subprocess.Popen(
        [sys.executable, script, str(threads)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as cluster:  # fmt: skip
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        arguments = command(path, "--out", out, "--backend", "dask", "--scheduler", address)
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
        cluster.communicate("", timeout=PATIENCE)
    assert done.returncode == (0 if threads == 1 else 2), done.stderr
    assert ("done     graph-house-tiny-s0 4/4" in done.stdout) == (threads == 1)
    assert ("--nthreads 1" in done.stderr) == (threads == 2)


def test_the_table_and_what_the_command_refuses(tmp_path: Path, capsys: Captured) -> None:
    path, out = plan(tmp_path), tmp_path / "out"
    made(path, out)
    capsys.readouterr()
    assert main(["sweep", "--show", str(out)]) == 0
    assert capsys.readouterr().out.startswith("done     graph-house-tiny-s0 4/4 ")
    assert main(["sweep", "--show", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == sweep.records(out)
    for arguments, says in (
        ([], "needs a PLAN"),
        ([path], "needs a PLAN"),
        ([path, "--show", out], "no plan"),
        (["--show", tmp_path], "no sweep at"),
        ([tmp_path / "none.toml", "--out", out], "No such file"),
        ([path, "--out", out, "--scheduler", "tcp://x:1"], "is for --backend dask"),
    ):
        assert main(["sweep", *map(str, arguments)]) == 2
        err = capsys.readouterr().err
        assert says in err
        assert err.count("\n") == 1
