"""Training: silent loss, resumption to the bit, and what a run refuses."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812

from depthscope.core import checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.files import atomic
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.training import recipes, train
from depthscope.core.training.batches import Lessons
from depthscope.core.training.recipes import Curriculum, Recipe

TINY = replace(
    recipes.get("graph", "house"),
    name="tiny",
    model=ModelConfig("graph", 2, 16, 2, 16, dropout=0.1),
    batches=12,
    batch_size=4,
    validation=(1,),
    validate_every=6,
)
TINY_LOGIC = replace(
    recipes.get("logic", "house-tokens"),
    name="tiny",
    model=ModelConfig("logic", 10, 16, 2, 16, attention="full", position="rope", bracket_bias=True),
    batches=12,
    batch_size=4,
    validation=(1,),
    validate_every=6,
    curriculum=Curriculum(start=1, threshold=0.4, memory=0.5),
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "RECIPES", (TINY, TINY_LOGIC))
    monkeypatch.setattr("depthscope.core.training.batches.validation_count", lambda task: 8)


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["graph", "logic"])
def test_a_stopped_run_resumes_to_the_same_bytes(tmp_path: Path, task: str) -> None:
    train.train(task, "tiny", tmp_path / "whole", threads=1)
    for _ in range(20):
        resume = (tmp_path / "parts").exists()
        train.train(task, "tiny", tmp_path / "parts", threads=1, resume=resume, max_seconds=0.0)
        if not (tmp_path / "parts" / train.STATE).exists():
            break
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    opened = checkpoint.load(tmp_path / "parts")
    assert opened.training["finished"]
    assert [entry["batch"] for entry in opened.metrics["validation"]] == [6, 12]


@pytest.mark.slow
def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    for seed in (0, 1):
        train.train("graph", "tiny", tmp_path / str(seed), seed=seed, threads=1)
    assert weights(tmp_path / "0") != weights(tmp_path / "1")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    train.train("graph", "tiny", tmp_path / "run", threads=1, max_seconds=0.0)
    with pytest.raises(InputError, match="unfinished run"):
        train.train("graph", "tiny", tmp_path / "run", threads=1)
    with pytest.raises(InputError, match="another recipe or seed"):
        train.train("graph", "tiny", tmp_path / "run", seed=5, threads=1, resume=True)
    train.train("graph", "tiny", tmp_path / "run", threads=1, resume=True)
    with pytest.raises(InputError, match="finished checkpoint"):
        train.train("graph", "tiny", tmp_path / "run", threads=1)


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    train.train("graph", "tiny", tmp_path / "run", threads=1, max_seconds=0.0)
    state = tmp_path / "run" / train.STATE
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged"):
        train.train("graph", "tiny", tmp_path / "run", threads=1, resume=True)


def loss_of(recipe: Recipe, alpha: float, steps: int) -> float:
    torch.manual_seed(0)
    model = DepthRecurrentTransformer(replace(recipe.model, dropout=0.0))
    lesson = Lessons(recipe, 0).draw(0, 5)[0]
    return float(train.loss_and_answer(model, replace(recipe, alpha=alpha), lesson, steps)[0].detach())


def test_alpha_mixes_the_last_step_with_the_mean_over_steps() -> None:
    answer_only = replace(TINY, supervision="answer")
    torch.manual_seed(0)
    model = DepthRecurrentTransformer(replace(TINY.model, dropout=0.0))
    lesson = Lessons(answer_only, 0).draw(0, 5)[0]
    each = model(lesson.batch, 4, every_step=True)[0].detach()
    losses = [float(F.binary_cross_entropy_with_logits(logits, lesson.label.float())) for logits in each]
    silent, perstep = losses[-1], sum(losses) / 4
    assert loss_of(answer_only, 0.0, 4) == pytest.approx(silent, abs=1e-6)
    assert loss_of(answer_only, 1.0, 4) == pytest.approx(perstep, abs=1e-6)
    assert loss_of(answer_only, 0.25, 4) == pytest.approx(0.75 * silent + 0.25 * perstep, abs=1e-6)


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [train.learning_rate(TINY, i) for i in range(TINY.batches)]
    assert max(rates) <= TINY.learning_rate
    assert rates[-1] < 0.1 * TINY.learning_rate
    assert rates[1:] == sorted(rates[1:], reverse=True)


@pytest.mark.slow
def test_the_curriculum_grows() -> None:
    run = train.Run(TINY_LOGIC, Path("unused"), 0, "cpu", 1)
    assert run.progress.level == 1
    for _ in range(40):
        run.learn()
        if run.progress.level > 1:
            return
    pytest.fail("after 40 batches it is still at the first level")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_resumes(tmp_path: Path, how: signal.Signals) -> None:
    """The real command, killed or interrupted, then resumed: the run goes on from its last save."""
    command = [sys.executable, "-m", "core", "train", "graph", "--recipe", "house", "--threads", "1"]
    command += ["--set", "batch_size=4", "--set", "validation=[1]", "--out"]
    out = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([*command, str(out), "--max-seconds", "0.2"], check=True, capture_output=True, env=environment)
    progress = _progress(out)
    process = subprocess.Popen([*command, str(out), "--resume"], stderr=subprocess.PIPE, env=environment)
    assert isinstance(process.stderr, io.BufferedReader)
    said = b""
    while b"level=" not in said and (more := process.stderr.read1()):  # it trains, and is not still being imported
        said += more
    process.send_signal(how)
    process.communicate(timeout=60)
    assert _progress(out) >= progress
    run = [*command, str(out), "--resume", "--max-seconds", "0.2"]
    done = subprocess.run(run, check=True, capture_output=True, text=True, env=environment)
    assert "stopped after" in done.stderr
    assert _progress(out) > progress
    assert not list(tmp_path.glob(".*tmp*"))


def _progress(out: Path) -> int:
    import safetensors

    with safetensors.safe_open(out / train.STATE, "pt") as file:
        return int(json.loads(file.metadata()["progress"])["batch"])


@pytest.mark.slow
def test_a_second_training_in_the_folder_is_refused(tmp_path: Path) -> None:
    def meanwhile(progress: train.Progress) -> bool:
        if progress.batch == 3:
            for resume in (False, True):
                with pytest.raises(InputError, match="another training is at work"):
                    train.train("graph", "tiny", tmp_path / "run", threads=1, resume=resume)
        return False

    train.train("graph", "tiny", tmp_path / "run", threads=1, watch=meanwhile)
    train.train("graph", "tiny", tmp_path / "alone", threads=1)
    assert weights(tmp_path / "run") == weights(tmp_path / "alone")


def test_what_a_kill_left_while_saving_goes(tmp_path: Path) -> None:
    train.train("graph", "tiny", tmp_path / "run", threads=1, max_seconds=0.0)
    (tmp_path / "run" / ".abc.tmp.safetensors").write_bytes(b"half")
    train.train("graph", "tiny", tmp_path / "run", threads=1, resume=True)
    assert not list((tmp_path / "run").glob(".*"))


def test_what_a_kill_left_while_saving_the_checkpoint_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = (tmp_path / ".run.2.abcdefgh.tmp", tmp_path / ".other.abcdefgh.tmp")
    for other in others:
        other.mkdir()
    train.train("graph", "tiny", tmp_path / "run", threads=1, max_seconds=0.0)
    with monkeypatch.context() as patched:
        patched.setattr(atomic.shutil, "rmtree", lambda *_args, **_named: None)  # a killed process does not tidy up
        patched.setattr(Path, "replace", _no_room)
        with pytest.raises(InputError, match="disk is full"), atomic.folder(tmp_path / "run") as temporary:
            (temporary / "model.safetensors").write_bytes(b"half")
    assert len(list(tmp_path.glob(".run.????????.tmp"))) == 1
    train.train("graph", "tiny", tmp_path / "run", threads=1, resume=True)
    assert sorted(tmp_path.glob(".*")) == sorted(others)


def _no_room(*_args: object) -> None:
    raise OSError(errno.ENOSPC, "")


def test_a_changed_state_is_named(tmp_path: Path) -> None:
    train.train("graph", "tiny", tmp_path / "run", threads=1, max_seconds=0.0)
    state = tmp_path / "run" / train.STATE
    content = state.read_bytes()
    state.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match="its digest does not match"):
        train.train("graph", "tiny", tmp_path / "run", threads=1, resume=True)


@pytest.mark.slow
def test_a_state_from_before_a_setting_was_known_goes_on(tmp_path: Path) -> None:
    train.train("graph", "tiny", tmp_path / "whole", threads=1)
    train.train("graph", "tiny", tmp_path / "run", threads=1, max_seconds=0.0)
    state = tmp_path / "run" / train.STATE
    with safetensors.safe_open(state, "pt") as file:
        meta, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    settings = json.loads(meta["settings"])
    assert settings["recipe"].pop("start") is None
    assert settings["recipe"]["model"].pop("geometric") is False
    del settings["recipe"]["batches"]  # which has no default
    for now, refused in ((settings, True), (settings | {"recipe": settings["recipe"] | {"batches": 12}}, False)):
        old = {"settings": json.dumps(now), "progress": meta["progress"]}
        safetensors.torch.save_file(tensors, state, metadata=old)
        if refused:
            with pytest.raises(InputError, match="a run of another recipe"):
                train.train("graph", "tiny", tmp_path / "run", threads=1, resume=True)
    train.train("graph", "tiny", tmp_path / "run", threads=1, resume=True)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


@pytest.mark.slow
def test_a_training_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    train.train("logic", "tiny", tmp_path / "first", threads=1)
    first = checkpoint.load(tmp_path / "first")
    changes = {"start": str(tmp_path / "first"), "learning_rate": 1e-12, "weight_decay": 0, "batches": 1}
    train.train("logic", "tiny", tmp_path / "same", threads=1, seed=1, changes=changes)
    other = {**changes, "model.readout": "cls", "supervision": "answer"}
    train.train("logic", "tiny", tmp_path / "other", threads=1, seed=1, changes=other)
    same, after = (checkpoint.load(tmp_path / name) for name in ("same", "other"))
    for name, tensor in first.model.state_dict().items():
        torch.testing.assert_close(same.model.state_dict()[name], tensor)
        if not name.startswith("head."):  # which is of the other readout
            torch.testing.assert_close(after.model.state_dict()[name], tensor)
    assert f"after `{tmp_path / 'first'}`" in (tmp_path / "same" / "README.md").read_text()
    assert "after `" not in (tmp_path / "first" / "README.md").read_text()


@pytest.mark.slow
def test_a_resumed_training_does_not_begin_again(tmp_path: Path) -> None:
    train.train("graph", "tiny", tmp_path / "first", threads=1)
    changes = {"start": str(tmp_path / "first")}
    train.train("graph", "tiny", tmp_path / "whole", threads=1, changes=changes)
    train.train("graph", "tiny", tmp_path / "parts", threads=1, changes=changes, max_seconds=0.0)
    (tmp_path / "first").rename(tmp_path / "gone")
    train.train("graph", "tiny", tmp_path / "parts", threads=1, changes=changes, resume=True)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_start_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    train.train("graph", "tiny", tmp_path / "first", threads=1)
    start = str(tmp_path / "first")
    with pytest.raises(InputError, match="is of kind 'depth-recurrent' for graph, which this recipe is not"):
        train.train("logic", "tiny", tmp_path / "a", changes={"start": start})
    with pytest.raises(InputError, match=r"is not built as this recipe: \S+ is .* there and .* here"):
        train.train("graph", "tiny", tmp_path / "b", changes={"start": start, "model.width": 32})
    with pytest.raises(InputError, match=r"block\.recall\.weight is \(16, 16\) there and missing here"):
        train.train("graph", "tiny", tmp_path / "c", changes={"start": start, "model.recall": False})
    with pytest.raises(InputError, match="there is no checkpoint"):
        train.train("graph", "tiny", tmp_path / "d", changes={"start": str(tmp_path / "none")})
    with pytest.raises(InputError, match="start should be a name or null"):
        train.train("graph", "tiny", tmp_path / "e", changes={"start": 3})


def test_the_card_says_how_far_a_stopped_training_came(tmp_path: Path) -> None:
    train.train("graph", "tiny", tmp_path, threads=1, max_seconds=0.0)
    assert "Seed 0, 1 of 12 batches of 4 in" in (tmp_path / "README.md").read_text()
    train.train("graph", "tiny", tmp_path, threads=1, resume=True)
    assert "Seed 0, 12 batches of 4 in" in (tmp_path / "README.md").read_text()
