"""A read-only server trains nothing and offers to keep and fetch nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from depthscope.core.errors import InputError
from depthscope.ui.checkpoints.training_request import Request
from depthscope.ui.checkpoints.training_run import TrainingRuns
from depthscope.ui.shell import startup


@pytest.mark.parametrize(("value", "is_so"), [("", False), ("0", False), ("1", True), ("yes", True)])
def test_the_environment_says_so(monkeypatch: pytest.MonkeyPatch, value: str, is_so: bool) -> None:
    monkeypatch.setenv("DEPTHSCOPE_READ_ONLY", value)
    assert startup.read_only() == is_so


def test_no_training_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEPTHSCOPE_READ_ONLY", "1")
    with pytest.raises(InputError, match="read-only"):
        TrainingRuns(tmp_path).start(Request("graph", "house", 0))
    with pytest.raises(InputError, match="read-only"):
        TrainingRuns(tmp_path).resume("any")
    assert not list(tmp_path.iterdir())
