"""What is named when the app starts, and what it says where that fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from depthscope.core import kinds as adapters
from depthscope.ui.shell import startup


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(adapters, "_named", {})
    monkeypatch.delenv(adapters.VARIABLE, raising=False)
    startup._problem.clear()
    yield
    startup._problem.clear()


def started_with(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str | None:
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    return startup._problem()


def test_an_adapter_is_named_once_for_all_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("from torch import nn\n\n\nclass Model(nn.Module):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert started_with(monkeypatch, "--adapter", "mine:Model") is None
    assert adapters.find("mine:Model").__name__ == "Model"
    assert started_with(monkeypatch, "--adapter", "nowhere:Model") is None  # what the server was started with stays


def test_the_environment_names_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(adapters.VARIABLE, "depthscope.core.kinds.act:AdaptiveComputation")
    assert started_with(monkeypatch) is None
    assert adapters.find("depthscope.core.kinds.act:AdaptiveComputation") is adapters.find("act")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--adapter", "nowhere:Model"], "no module 'nowhere'"),
        (["--adapter", "<script>"], "MODULE:CLASS"),
        (["--adapter"], "cannot be read"),
        (["--theme", "dark"], "does not know '--theme'"),
    ],
)
def test_what_cannot_be_named_is_one_sentence(arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = started_with(monkeypatch, *arguments)
    assert problem is not None
    assert says in problem
    assert "\n" not in problem
