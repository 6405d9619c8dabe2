"""The index of a checkpoint: a change to any file is named, and can be accepted by whoever made it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from depthscope.core import checkpoint
from depthscope.core.cli import main
from depthscope.core.errors import InputError
from depthscope.core.exchange import about
from depthscope.core.files import digests
from depthscope.probes.reading import linear_probe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint.CHECKPOINTS / "graph-house", tmp_path / "mine"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_order_and_spacing_do_not_matter(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings, sort_keys=True, indent=7))
    assert checkpoint.load(folder).name == "graph-house"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("config.json", '"state_noise": 0.3', '"state_noise": 0.2'),
        ("config.json", '"digest"', '"digesu"'),
        ("config.json", '"files"', '"fales"'),
        ("metrics.json", "0.5", "0.6"),
    ],
)
def test_a_change_is_named_and_can_be_accepted(
    folder: Path, file: str, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder / file, old, new)
    for look in (checkpoint.load, about.about):
        with pytest.raises(InputError, match=rf"{file} was changed .* depthscope seal {folder}"):
            look(folder)
    assert main(["seal", str(folder), "--json"]) == 0
    covered = json.loads(capsys.readouterr().out)["sha256"]
    assert set(covered) == {p.name for p in folder.iterdir()}
    opened = checkpoint.load(folder)
    assert linear_probe.load_scores(opened) is not None


def test_a_damaged_name_is_no_name(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    del settings["files"], settings["digest"]
    (folder / "config.json").write_text(json.dumps(settings))
    assert checkpoint.load(folder).n_parameters  # as earlier versions wrote it
    (folder / "config.json").write_text(json.dumps(settings | {"trainimg": settings.pop("training")}))
    with pytest.raises(InputError, match="unknown field 'trainimg'"):
        checkpoint.load(folder)


def test_an_edited_card_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    change(folder / "README.md", "#", "##")
    assert checkpoint.load(folder).name == "graph-house"
    assert "README.md was edited" in caplog.text
    assert not about.about(folder).card_is_original


def test_probes_are_covered(folder: Path) -> None:
    opened = checkpoint.load(folder)
    change(folder / "probes.json", '"held_out"', '"held_oot"')
    with pytest.raises(InputError, match="changed since it was stored; fit the probes anew"):
        linear_probe.load_scores(opened)
    data = (folder / "probes.safetensors").read_bytes()
    (folder / "probes.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match="changed since it was stored; fit the probes anew"):
        linear_probe.load(opened)
    (folder / "probes.safetensors").unlink()
    with pytest.raises(InputError, match="missing; fit the probes anew"):
        linear_probe.load(opened)


def test_what_is_entered_is_covered(folder: Path) -> None:
    checkpoint.enter(folder, {"probes.json": b"new"})
    settings, _ = checkpoint.read_settings(folder)
    assert settings["files"]["probes.json"] == digests.of(b"new")
    with pytest.raises(InputError, match=r"probes\.json was changed"):
        digests.check(settings, folder / "probes.json", (folder / "probes.json").read_bytes())


def test_replaced_while_open(folder: Path) -> None:
    """What is open stays as it was; a reader between two files of a replacement is told so."""
    from depthscope.core.checkpoint import CHECKPOINTS

    opened = checkpoint.load(folder)
    before = {name: tensor.clone() for name, tensor in opened.model.state_dict().items()}
    shutil.copy(CHECKPOINTS / "graph-house-perstep" / "model.safetensors", folder)
    with pytest.raises(InputError, match="does not match the sha256"):
        checkpoint.load(folder)
    for path in (CHECKPOINTS / "graph-house-perstep").iterdir():
        shutil.copy(path, folder)
    assert checkpoint.load(folder).sha256 != opened.sha256
    assert all(bool((before[name] == tensor).all()) for name, tensor in opened.model.state_dict().items())
    with pytest.raises(InputError, match="belongs to other weights"):
        linear_probe.load(opened)
