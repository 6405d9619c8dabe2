"""The whole command is timed on a copy, so that no shipped probes change."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.speed import probe_fit
from benchmarks.speed.figure import Figure, absolute, main
from depthscope.core import checkpoint


def test_the_whole_command_is_timed_on_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> None:
        folder = Path(command[4])
        assert (folder / "model.safetensors").is_file()
        assert checkpoint.CHECKPOINTS not in folder.parents
        asked.append(command)

    monkeypatch.setattr(subprocess, "run", run)
    figure = probe_fit.whole("graph-house")
    assert asked[0][1:4] == ["-m", "probes", "fit"]
    assert not Path(asked[0][4]).exists()
    assert (figure.what, figure.unit, figure.better) == ("depthscope probe fit graph-house, whole", "s", "less")
    assert (figure.asked, figure.rounds, figure.holds) == (60, 1, True)


def test_every_shipped_checkpoint_has_a_row_or_those_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = lambda name: absolute(name, [1.0], "s", "less")  # noqa: E731
    monkeypatch.setattr(probe_fit, "whole", made)
    monkeypatch.setattr(probe_fit, "against_loop", lambda rounds: made(f"loop {rounds}"))
    shipped = [entry["name"] for entry in checkpoint.available()]
    assert [x.what for x in probe_fit.measure(2)] == ["loop 2", *shipped]
    assert [x.what for x in probe_fit.measure(2, ["graph-act"])] == ["loop 2", "graph-act"]


def test_names_are_taken_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    def measure(rounds: int, names: list[str]) -> list[Figure]:
        seen.append((rounds, names))
        return [absolute("x", [1.0], "s", "less", 2)]

    monkeypatch.setattr("sys.argv", ["probe_fit", "a", "--rounds", "3"])
    main(measure, None, 5, ["a", "b"])
    assert seen == [(3, ["a"])]
    monkeypatch.setattr("sys.argv", ["probe_fit", "c"])
    with pytest.raises(SystemExit):
        main(measure, None, 5, ["a", "b"])
    assert "no checkpoint 'c'" in capsys.readouterr().err
