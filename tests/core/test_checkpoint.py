"""Checkpoints: what is saved comes back; what is not whole gets one sentence."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import numpy as np
import pytest
import safetensors.torch
import torch

from depthscope.core import checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.files import atomic
from depthscope.core.files.digests import sealed
from depthscope.core.files.strict_json import dumps
from depthscope.core.model import DepthRecurrentTransformer

FILES = ["README.md", "config.json", "metrics.json", "model.safetensors"]


@pytest.fixture
def folder(saved: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of an untrained checkpoint, to be spoiled."""
    return shutil.copytree(saved["graph"], tmp_path / "copy")


def save_again(folder: Path, seed: int, name: str = "graph") -> DepthRecurrentTransformer:
    torch.manual_seed(seed)
    model = DepthRecurrentTransformer(ModelConfig("graph", vocabulary=2, width=16, heads=2, mlp_width=24))
    checkpoint.save(folder, model, name=name, recipe="r", training={}, metrics={}, card="")
    return model


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "down" / "mine"
    model = save_again(out, 1, name="mine")
    opened = checkpoint.load(out)
    assert sorted(p.name for p in out.iterdir()) == FILES
    assert sorted(p.name for p in out.parent.iterdir()) == ["mine"]
    assert opened.config == model.config
    assert not opened.model.training
    assert opened.sha256 == hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    assert opened.n_parameters == sum(p.numel() for p in model.parameters())
    assert all(p.requires_grad for p in opened.model.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, opened.model.state_dict()[name])


def test_ways_to_name_a_checkpoint(
    saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = saved["graph"].parent
    monkeypatch.chdir(root)
    monkeypatch.setattr(checkpoint, "CHECKPOINTS", root)
    ways = ["graph", saved["graph"], str(saved["graph"]), saved["graph"] / "model.safetensors", "./graph", "graph/"]
    assert len({checkpoint.load(way).sha256 for way in ways}) == 1
    assert checkpoint.load("graph").training["steps"] == [5, 12]
    assert checkpoint.load("graph").metrics == {"loss": 1.5}
    with pytest.raises(InputError, match="the shipped ones are: graph, logic, paper, tokens"):
        checkpoint.load("grpah")


def test_the_list(saved: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = saved["graph"].parent
    found = checkpoint.available(root)
    assert [entry["name"] for entry in found] == ["graph", "logic", "paper", "tokens"]
    opened = checkpoint.load(saved["graph"])
    assert found[0] == {
        "name": "graph",
        "task": "graph",
        "kind": "depth-recurrent",
        "recipe": "untrained",
        "parameters": opened.n_parameters,
        "difficulty": [1, 5],
        "steps": [5, 12],
        "sha256": opened.sha256,
    }
    (tmp_path / "spoiled").mkdir()
    (tmp_path / "spoiled" / "config.json").write_text("{")
    assert checkpoint.available(tmp_path) == []
    assert "not readable as JSON" in caplog.text
    assert checkpoint.available(tmp_path / "nowhere") == []


def test_saving_over_a_checkpoint_keeps_other_files(folder: Path) -> None:
    (folder / "probes.safetensors").write_bytes(b"kept")
    model = save_again(folder, 2)
    opened = checkpoint.load(folder)
    assert torch.equal(opened.model.token.weight, model.token.weight)
    assert (folder / "probes.safetensors").read_bytes() == b"kept"
    assert sorted(p.name for p in folder.iterdir()) == sorted([*FILES, "probes.safetensors"])


def test_a_save_that_fails_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    original = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == "config.json":
            raise OSError(28, "No space left on device")
        return original(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    for out in (folder, folder.parent / "new"):
        with pytest.raises(InputError, match="cannot be written: the disk is full"):
            save_again(out, 3)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_an_interrupted_write_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    atomic.write(path, "whole")

    def interrupted() -> None:
        with atomic.replacing(path) as temporary:
            temporary.write_text("ha")
            assert temporary.suffix == ".npz"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    with pytest.raises(InputError, match="there is a folder of that name"):
        atomic.write(tmp_path, "x")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    settings = json.loads((folder / "config.json").read_text())
    change(settings)
    (folder / "config.json").write_text(json.dumps(sealed(settings, {})))


def reweigh(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Changes the weights and the sha256 with them."""
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    change(weights)
    content = safetensors.torch.save(weights)
    (folder / "model.safetensors").write_bytes(content)
    edit(folder, lambda settings: settings.update(sha256=hashlib.sha256(content).hexdigest()))


def truncate(path: Path, left: int) -> None:
    path.write_bytes(path.read_bytes()[:left])


def pickled(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.ones(3)}, folder / name)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "weights cut short": (lambda f: truncate(f / "model.safetensors", 5000), "truncated"),
    "header cut short": (lambda f: truncate(f / "model.safetensors", 100), "truncated"),
    "empty weights": (lambda f: truncate(f / "model.safetensors", 0), "truncated"),
    "config cut short": (lambda f: truncate(f / "config.json", 100), "not readable as JSON"),
    "config is a list": (lambda f: (f / "config.json").write_text("[1]"), "should hold a JSON object"),
    "config too deep": (lambda f: (f / "config.json").write_text("[" * 200_000), "not readable as JSON"),
    "config is not text": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "not readable as JSON"),
    "config without architecture": (lambda f: edit(f, lambda s: s.pop("config")), "has no 'config'"),
    "config is a word": (lambda f: edit(f, lambda s: s.update(config="big")), "should be an object"),
    "unknown field": (lambda f: edit(f, lambda s: s["config"].update(magic=1)), "unknown field 'magic'"),
    "absurd width": (lambda f: edit(f, lambda s: s["config"].update(width=10**12, heads=1)), "width should be"),
    "large width": (lambda f: edit(f, lambda s: s["config"].update(width=8192, mlp_width=65536)), r"asks for \("),
    "width as text": (lambda f: edit(f, lambda s: s["config"].update(width="64")), "width should be"),
    "dropout as text": (lambda f: edit(f, lambda s: s["config"].update(dropout="x")), "dropout|no model"),
    "scale as text": (lambda f: edit(f, lambda s: s["config"].update(layer_scale="x")), "layer_scale|no model"),
    "weights changed": (
        lambda f: reweigh(f, lambda w: w["role"].add_(1)) or edit(f, lambda s: s.update(sha256="0")),
        "sha256",
    ),
    "no sha256": (lambda f: edit(f, lambda s: s.pop("sha256")), "sha256"),
    "nan": (lambda f: reweigh(f, lambda w: w["role"].fill_(torch.nan)), "role holds .* not finite"),
    "infinity": (lambda f: reweigh(f, lambda w: w["role"].view(-1)[3:4].fill_(torch.inf)), "not finite"),
    "weights missing": (lambda f: reweigh(f, lambda w: w.pop("block.out.bias")), "lacks the weights 'block.out.bias'"),
    "weights too many": (lambda f: reweigh(f, lambda w: w.update(more=torch.ones(1))), "'more' that its config.json"),
    "other shape": (
        lambda f: reweigh(f, lambda w: w.update(role=torch.ones(3, 16))),
        r"\(3, 16\).* asks for \(2, 16\)",
    ),
    "other type": (lambda f: reweigh(f, lambda w: w.update(role=torch.ones(2, 16).half())), "float16"),
    "no gate in config": (lambda f: edit(f, lambda s: s["config"].update(gate_bias=None)), "does not ask for"),
    "pickle instead": (lambda f: pickled(f, "pytorch_model.bin"), "depthscope import pytorch_model.bin"),
    "pickle renamed": (lambda f: pickled(f, "model.safetensors"), "pickle under another name"),
    "metrics spoiled": (lambda f: (f / "metrics.json").write_text("{"), "metrics.json is not readable"),
    "training is a list": (lambda f: edit(f, lambda s: s.update(training=[1])), "'training' should be an object"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_not_whole_gets_one_sentence(folder: Path, what: str) -> None:
    spoil, says = BROKEN[what]
    spoil(folder)
    with pytest.raises(InputError, match=says) as caught:
        checkpoint.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "a\0b", "x" * 5000, "../nowhere", "a/b/c", "~nobody/x", "model.pt", "core/"])
def test_names_of_nothing(name: str) -> None:
    with pytest.raises(InputError):
        checkpoint.load(name)


def test_devices_that_are_not_there(folder: Path) -> None:
    for device in ("nonsense", "cuda:99"):
        with pytest.raises(InputError, match="cannot be used"):
            checkpoint.load(folder, device)


def answering(files: Path | None) -> tuple[Callable[..., Any], Callable[..., str]]:
    """Stand-ins for the hub's metadata and download: a folder of files, or no connection."""

    def metadata(url: str, timeout: float) -> Any:
        if files is None:
            raise httpx2.ConnectError("no connection")
        path = files / url.rsplit("/", 1)[1]
        if not path.exists():
            raise huggingface_hub.errors.EntryNotFoundError("no such file")
        return type("Metadata", (), {"size": path.stat().st_size})

    def download(repository: str, file: str, local_files_only: bool = False) -> str:
        if files is None:
            raise FileNotFoundError(file)
        return str(files / file)

    return metadata, download


def test_the_hub(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    cases: list[tuple[Path | None, str]] = [(None, "cannot be reached"), (tmp_path, "has no config.json")]
    for files, says in cases:
        metadata, download = answering(files)
        monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        with pytest.raises(InputError, match=says):
            checkpoint.load("someone/something")
    (folder / "README.md").unlink()  # welcome, not due
    metadata, download = answering(folder)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert checkpoint.load("someone/something").name == "graph"


def test_json_is_strict() -> None:
    values = {"a": np.array([1.0, np.nan]), "b": np.float32(np.inf), 3: (np.int64(4), True, None), "c": {"d": "é"}}
    assert json.loads(dumps(values)) == {"a": [1.0, None], "b": None, "3": [4, True, None], "c": {"d": "é"}}
    assert "NaN" not in dumps(values)


def test_a_model_saved_by_the_hub_mixin_opens_both_ways(tmp_path: Path) -> None:
    model = DepthRecurrentTransformer(ModelConfig("graph", 2, 16, 2, 16)).eval()
    model.save_pretrained(tmp_path / "mine")
    again = DepthRecurrentTransformer.from_pretrained(tmp_path / "mine")
    opened = checkpoint.load(tmp_path / "mine")
    assert again.config == opened.config == model.config
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
        assert torch.equal(weight, opened.model.state_dict()[name])


def test_a_checkpoint_of_ours_opens_by_from_pretrained(tmp_path: Path) -> None:
    model = DepthRecurrentTransformer(ModelConfig("graph", 2, 16, 2, 16)).eval()
    checkpoint.save(tmp_path / "mine", model, name="mine", recipe="house", training={}, metrics={}, card="")
    again = DepthRecurrentTransformer.from_pretrained(tmp_path / "mine")
    assert again.config == model.config
    assert torch.equal(again.token.weight, model.token.weight)


@pytest.mark.slow
def test_opening_a_checkpoint_loads_no_compiler() -> None:
    """Drawing first values on weights without memory would load torch's compiler, which takes seconds."""
    code = (
        "import sys; from depthscope.core import checkpoint; checkpoint.load(sys.argv[1]); "
        "print('torch._dynamo' in sys.modules)"
    )
    for name in ("graph-house", "text-house-tokens"):
        ran = subprocess.run(
            [sys.executable, "-c", code, name],
            cwd=checkpoint.CHECKPOINTS.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.strip() == "False"
