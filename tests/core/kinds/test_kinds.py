"""Adapters: named at start-up and only there, checked, and opened like any other checkpoint."""

from __future__ import annotations

import builtins
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from depthscope.core import checkpoint, kinds as adapters, tasks, trace
from depthscope.core.cli import main
from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.files.digests import sealed
from depthscope.core.kinds import check
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.protocol import Shapes

CONFIGS = dict(check.PRESENTATIONS)

DOCS = Path(__file__).parents[3] / "docs" / "guides" / "add-a-kind.md"
CONFIG = ModelConfig("graph", vocabulary=2, width=16, heads=2, mlp_width=16)
NAME = "neighbours:Neighbours"

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on Python's path with the example of the documentation; nothing is named yet."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "neighbours.py").write_text(blocks[0])
    (tmp_path / "training_loop.py").write_text(blocks[1].replace("range(500)", "range(2)"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(adapters, "_named", {})
    monkeypatch.delenv(adapters.VARIABLE, raising=False)
    yield tmp_path
    for module in ("neighbours", "training_loop", "broken", "mine"):
        sys.modules.pop(module, None)


@pytest.fixture
def saved_by_docs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint that the documentation's own training loop writes."""
    monkeypatch.chdir(folder)
    importlib.import_module("training_loop")
    sys.modules.pop("neighbours")
    return folder / "checkpoints" / "graph-neighbours"


def test_the_example_of_the_documentation_is_whole(folder: Path, capsys: Captured) -> None:
    assert main(["check", NAME, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["whole"]
    assert {x["presentation"] for x in found["checks"]} == {"", "graph", "tree"}
    assert main(["check", NAME, "--task", "logic"]) == 0
    assert capsys.readouterr().out.endswith(f"{NAME} is whole\n")


def test_what_the_documentation_trains_opens_once_named(saved_by_docs: Path, tmp_path: Path, capsys: Captured) -> None:
    assert json.loads((saved_by_docs / "config.json").read_text())["kind"] == NAME
    chain = tmp_path / "chain.txt"
    chain.write_text("a b\nb c\n")
    command = ["trace", str(saved_by_docs), str(chain), "--json"]
    assert main(command) == 2
    assert f"name it at start-up: --adapter {NAME}" in capsys.readouterr().err
    assert main([*command, "--adapter", NAME]) == 0
    assert len(json.loads(capsys.readouterr().out)["logits"]) > 1
    opened = checkpoint.load(saved_by_docs)
    assert opened.kind == NAME
    kept = trace.record(opened, tasks.get("graph").generate(2, 1)[0], 4)
    assert (kept.attention, kept.gate) == (None, None)


def test_the_environment_names_adapters_too(
    saved_by_docs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv(adapters.VARIABLE, f" {NAME}, ")
    assert main(["frontier", str(saved_by_docs), "--difficulty", "1", "--steps", "2", "--instances", "2"]) == 0
    capsys.readouterr()
    monkeypatch.setenv(adapters.VARIABLE, "nowhere:Nothing")
    assert main(["list"]) == 2
    assert "there is no module 'nowhere'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "kind", [NAME, "os:system", "antigravity:x", "neighbours", "../neighbours:Neighbours", "", "a" * 5000]
)
def test_a_checkpoint_never_causes_an_import(
    kind: str, folder: Path, saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "neighbours.py").write_text("raise SystemExit('imported')")
    content = (saved["graph"] / "model.safetensors").read_bytes()
    settings = json.loads((saved["graph"] / "config.json").read_text()) | {"kind": kind}
    (folder / "model.safetensors").write_bytes(content)
    (folder / "config.json").write_text(json.dumps(sealed(settings, {})))
    asked: list[str] = []
    original = builtins.__import__

    def watched(name: str, *rest: Any, **options: Any) -> Any:
        asked.append(name)
        return original(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", watched)
    by_name = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name, *rest: (asked.append(name), by_name(name, *rest))[1])
    before = set(sys.modules)
    with pytest.raises(InputError, match=r"no checkpoint loads by itself|no kind of model"):
        checkpoint.load(folder)
    checkpoint.available(folder.parent)
    assert not {name.split(".")[0] for name in asked} & {"neighbours", "antigravity"}
    assert not {"neighbours", "antigravity"} & (set(sys.modules) - before)


@pytest.mark.parametrize("kind", [3, None, ["gru"], {"a": 1}])
def test_a_kind_that_is_no_name(kind: Any, folder: Path, saved: dict[str, Path]) -> None:
    settings = json.loads((saved["graph"] / "config.json").read_text()) | {"kind": kind}
    (folder / "config.json").write_text(json.dumps(sealed(settings, {})))
    (folder / "model.safetensors").write_bytes((saved["graph"] / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match="'kind' should be a name"):
        checkpoint.load(folder)


def test_a_checkpoint_without_a_kind_is_the_houses_own(folder: Path, saved: dict[str, Path]) -> None:
    settings = json.loads((saved["graph"] / "config.json").read_text())
    assert settings.pop("kind") == "depth-recurrent"
    (folder / "config.json").write_text(json.dumps(sealed(settings, {})))
    (folder / "model.safetensors").write_bytes((saved["graph"] / "model.safetensors").read_bytes())
    opened = checkpoint.load(folder)
    assert opened.kind == "depth-recurrent"
    assert type(opened.model) is DepthRecurrentTransformer


@pytest.mark.parametrize(("kind", "name"), [("act", "graph"), ("fixed-depth", "tree"), ("gru", "reading")])
def test_built_in_kinds_are_saved_and_opened(kind: str, name: str, tmp_path: Path) -> None:
    model = adapters.make(kind, CONFIGS[name])
    checkpoint.save(tmp_path / "it", model, name="it", recipe="", training={}, metrics={}, card="")
    opened = checkpoint.load(tmp_path / "it")
    assert (opened.kind, type(opened.model)) == (kind, type(model))
    assert checkpoint.available(tmp_path)[0]["kind"] == kind
    instance = tasks.get(opened.config.task).generate(2, 1)[0]
    again = checkpoint.Checkpoint("it", model.eval(), model.config, "", {}, {}, "", 0, None, kind)
    np.testing.assert_array_equal(trace.record(opened, instance).logits, trace.record(again, instance).logits)


BROKEN = {
    "no such module": ("", "nowhere:Thing", "there is no module 'nowhere'"),
    "no such part": ("", "broken.part:Thing", "there is no module 'broken.part'"),
    "no such class": ("", "broken:Thing", "has no 'Thing'"),
    "not a class": ("Thing = 3", "broken:Thing", "not a class of torch.nn.Module"),
    "no module of torch": ("class Thing: pass", "broken:Thing", "not a class of torch.nn.Module"),
    "syntax": ("class Thing(:", "broken:Thing", "importing 'broken' failed: SyntaxError"),
    "raises": ("1 / 0", "broken:Thing", "ZeroDivisionError"),
    "leaves": ("raise SystemExit('bye')", "broken:Thing", "SystemExit: bye"),
    "lacks a library": ("import nothing_of_that_name", "broken:Thing", "No module named 'nothing_of_that_name'"),
    "a path": ("", "../broken.py:Thing", "named as MODULE:CLASS"),
    "no class": ("", "broken", "named as MODULE:CLASS"),
    "markup": ("", "<b>:x", "named as MODULE:CLASS"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_named(what: str, folder: Path, capsys: Captured) -> None:
    source, name, says = BROKEN[what]
    (folder / "broken.py").write_text(source)
    for command in (["check", name], ["list", "--adapter", name]):
        assert main(command) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert says in err
        assert err.count("\n") == 1
        assert err.startswith("error: ")


class Echo(nn.Module):
    """Whole, and does nothing; the classes below spoil one thing each."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.shapes = Shapes(config.width, 0, False)
        self.token = nn.Embedding(config.vocabulary, config.width)
        self.head = nn.Linear(config.width, 1)

    def prepare(self, batch: Any) -> Any:
        return batch

    def initial(self, context: Any) -> torch.Tensor:
        return self.token(context.token_ids)

    def step(self, state: torch.Tensor, t: int, context: Any, sink: Any = None) -> torch.Tensor:
        return torch.tanh(state)

    def readout(self, state: torch.Tensor, batch: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.head(state[..., torch.arange(len(batch)), batch.answer, :]).squeeze(-1), None


class NoReadout(nn.Module):
    prepare = initial = step = Echo.step


class OtherConfig(Echo):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.config = CONFIG  # its own idea of what it should be


class Wide(Echo):
    def step(self, state: torch.Tensor, t: int, context: Any, sink: Any = None) -> torch.Tensor:
        return torch.cat([state, state], dim=-1)


class Infinite(Echo):
    def step(self, state: torch.Tensor, t: int, context: Any, sink: Any = None) -> torch.Tensor:
        return state / 0


class Random(Echo):
    def step(self, state: torch.Tensor, t: int, context: Any, sink: Any = None) -> torch.Tensor:
        return state + torch.randn_like(state)


class Remembers(Echo):
    def initial(self, context: Any) -> torch.Tensor:
        self.seen = 0.0
        return super().initial(context)

    def step(self, state: torch.Tensor, t: int, context: Any, sink: Any = None) -> torch.Tensor:
        self.seen = self.seen + state.mean()
        return torch.tanh(state + self.seen)


class InPlace(Echo):
    def step(self, state: torch.Tensor, t: int, context: Any, sink: Any = None) -> torch.Tensor:
        return state.tanh_()


class MeanOfAll(Echo):
    def step(self, state: torch.Tensor, t: int, context: Any, sink: Any = None) -> torch.Tensor:
        return torch.tanh(state + state.mean(1, keepdim=True))


class LastStateOnly(Echo):
    def readout(self, state: torch.Tensor, batch: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.head(state[torch.arange(len(batch)), batch.answer]).squeeze(-1), None


class EmptyGate(Echo):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.shapes = Shapes(config.width, 0, True)


class NoEdgeList(Echo):
    def step(self, state: torch.Tensor, t: int, context: Any, sink: Any = None) -> torch.Tensor:
        return torch.tanh(state + (context.allowed.float() @ state if context.allowed is not None else 0))


class Unsaved(Echo):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.register_buffer("scale", torch.ones(1), persistent=False)


class NoSteps(Echo):
    def steps_for(self, read: Any) -> int:
        return 0


class Fails(Echo):
    def __init__(self, config: ModelConfig) -> None:
        raise KeyError("nothing works")


class Refuses(Echo):
    def __init__(self, config: ModelConfig) -> None:
        raise ValueError("reads nothing at all")


SPOILED: dict[type[nn.Module], tuple[str, str]] = {
    NoReadout: ("readout", "no such method"),
    OtherConfig: ("config, shapes and parameters", "`config` should be"),
    Wide: ("states of the right shape, and finite", "after 1 steps should be a tensor of shape"),
    Infinite: ("states of the right shape, and finite", "not finite"),
    Random: ("deterministic in eval mode", "differ"),
    Remembers: ("a step depends on its state and t alone", "kept state of step 2"),
    InPlace: ("a step leaves its input as it is", "before and after"),
    MeanOfAll: ("padding changes nothing", "with others, and alone"),
    LastStateOnly: ("readout of one state and of many", ""),
    EmptyGate: ("a traced step is the plain step, and fills the sink", "sink.gate unwritten"),
    NoEdgeList: ("an edge list gives what the mask gives", "edge_index"),
    Unsaved: ("weights survive a file", "'scale' is not in the state_dict"),
    NoSteps: ("steps_for and notes, where there are any", "from 1"),
    Fails: ("made with a ModelConfig", "KeyError"),
    Refuses: ("reads something", "reads nothing at all"),
}


def test_a_class_that_does_nothing_is_whole() -> None:
    assert all(finding.ok for finding in check.check(Echo))


@pytest.mark.parametrize("adapter", SPOILED)
def test_what_is_missing_or_wrong_is_said(adapter: type[nn.Module], capsys: Captured) -> None:
    name, says = SPOILED[adapter]
    wrong = {x.name: x.says for x in check.check(adapter) if not x.ok}
    assert says in wrong[name]
    assert main(["check", f"{__name__}:{adapter.__name__}", "--json"]) == 2
    out, err = capsys.readouterr()
    assert not json.loads(out)["whole"]
    assert "is not whole" in err
    assert err.count("\n") == 1


def test_an_unknown_task(capsys: Captured) -> None:
    assert main(["check", f"{__name__}:Echo", "--task", "chess"]) == 2
    assert "no task 'chess'" in capsys.readouterr().err


def test_a_model_that_is_not_saved_whole_does_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "_named", {})
    checkpoint.save(tmp_path / "it", Unsaved(CONFIG), name="it", recipe="", training={}, metrics={}, card="")
    adapters.name(f"{__name__}:Unsaved")
    with pytest.raises(InputError, match="keeps 'scale' out of its state_dict"):
        checkpoint.load(tmp_path / "it")


def test_a_class_of_a_script_has_no_name_to_be_saved_under() -> None:
    scripted = type("Scripted", (Echo,), {"__module__": "__main__"})
    with pytest.raises(ValueError, match="not of a script"):
        adapters.kind_of(scripted(CONFIG))
