"""The live log: written by a run, read while it runs; what was written twice counts once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depthscope.core.config import ModelConfig
from depthscope.core.training import log as training_log, recipes, train
from depthscope.core.training.log import LOG, Writer, read

TINY = replace(
    recipes.get("graph", "house"),
    name="tiny",
    model=ModelConfig("graph", 2, 16, 2, 16),
    batches=10,
    batch_size=4,
    validation=(1, 2),
    validate_every=5,
)


def test_what_is_logged_is_read(tmp_path: Path) -> None:
    log = Writer(tmp_path / "run", 1000)
    for batch in range(1, 8):
        log.batch(batch, batch / 10, 1 / batch, 0.5, 2)
    log.validation({"batch": 6, "accuracy": {3: 0.75, 4: 1.0}})
    found = read(tmp_path / "run")
    np.testing.assert_array_equal(found.batch, [1, 2, 4, 6])  # every second one, and the first
    np.testing.assert_allclose(found.loss, [1, 1 / 2, 1 / 4, 1 / 6])
    assert found.validation == ((6, {3: 0.75, 4: 1.0}),)
    assert found.last == 6


def test_a_run_that_goes_on_from_an_earlier_save_is_read_once(tmp_path: Path) -> None:
    first = Writer(tmp_path, 100)
    for batch in range(1, 31):
        first.batch(batch, batch, 9.0, 0.5, 1)
        if batch % 10 == 0:
            first.validation({"batch": batch, "accuracy": {1: 0.1}})
    with (tmp_path / LOG).open("a") as file:
        file.write('{"batch": 31, "sec')  # killed here
    second = Writer(tmp_path, 100)
    for batch in range(16, 26):
        second.batch(batch, batch, 1.0, 0.5, 1)
        if batch == 20:
            second.validation({"batch": 20, "accuracy": {1: 0.9}})
    found = read(tmp_path)
    np.testing.assert_array_equal(found.batch, np.arange(1, 26))
    np.testing.assert_array_equal(found.loss, [9.0] * 15 + [1.0] * 10)
    assert found.validation == ((10, {1: 0.1}), (20, {1: 0.9}))


def test_no_log_and_lines_of_others(tmp_path: Path) -> None:
    assert read(tmp_path).last == 0
    (tmp_path / LOG).write_bytes(b'[1]\n{}\n\xff\n{"batch": 1}\n{"batch": "x"}\n{"batch": 1, "validation": 3}\n3\n')
    found = read(tmp_path)
    assert len(found.batch) == len(found.validation) == 0


@pytest.mark.slow
def test_a_stopped_and_resumed_training_logs_every_batch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "RECIPES", (TINY,))
    monkeypatch.setattr("depthscope.core.training.batches.validation_count", lambda task: 8)
    train.train("graph", "tiny", tmp_path / "whole", threads=1)
    train.train("graph", "tiny", tmp_path / "parts", threads=1, max_seconds=0.0)
    assert read(tmp_path / "parts").last == 1
    train.train("graph", "tiny", tmp_path / "parts", threads=1, resume=True)
    whole, parts = read(tmp_path / "whole"), read(tmp_path / "parts")
    np.testing.assert_array_equal(whole.batch, np.arange(1, 11))
    for name in ("batch", "loss", "accuracy", "level"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    assert whole.validation == parts.validation
    assert [batch for batch, _ in whole.validation] == [5, 10]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert weights[0] == weights[1]


def test_the_log_has_no_part_in_what_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "RECIPES", (TINY,))
    monkeypatch.setattr("depthscope.core.training.batches.validation_count", lambda task: 8)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / training_log.LOG).write_text("nonsense")
    for name in "ab":
        train.train("graph", "tiny", tmp_path / name, threads=1)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]
