"""What is uploaded becomes a checkpoint of the visit, or one sentence."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
import torch

from depthscope.core import checkpoint
from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.core.files import hub
from depthscope.ui.checkpoints import upload
from depthscope.ui.checkpoints.upload import from_files, from_hub
from depthscope.ui.visit import uploads
from depthscope.ui.visit.uploads import UploadStore
from tests.core.exchange.test_paper_import import reference
from tests.probes.hand_made import untrained


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UploadStore:
    made = UploadStore(tmp_path / "shelf")
    monkeypatch.setattr(uploads, "store", lambda: made)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    untrained(tmp_path / "made", "tree")
    return tmp_path / "made"


def test_a_zip_and_its_files_are_the_same_checkpoint(folder: Path) -> None:
    zipped = from_files([("a.zip", bundle.pack(folder, "x"))], None)
    loose = from_files(list(bundle.read(folder).items()), None)
    assert zipped is loose
    assert zipped.name.startswith("tree-")  # by its config
    assert zipped.entry["sha256"] == checkpoint.load(folder).sha256


def test_bare_weights_with_the_architecture_alone(folder: Path) -> None:
    import json

    settings = json.loads((folder / "config.json").read_text())["config"]
    weights = (folder / "model.safetensors").read_bytes()
    held = from_files([("wild <b>.safetensors", weights), ("config.json", json.dumps(settings).encode())], None)
    assert held.name.startswith("wild-b-")
    assert held.entry["parameters"] == checkpoint.load(folder).n_parameters
    assert held.entry["sha256"] == checkpoint.load(folder).sha256


@pytest.mark.slow
@pytest.mark.parametrize("task", ["graph", "logic"])
def test_the_papers_pt(task: str) -> None:
    out = io.BytesIO()
    torch.save(reference(task).state_dict(), out)
    held = from_files([("../their model.pt", out.getvalue())], task)
    assert held.name.startswith("their-model-")
    assert (held.entry["task"], held.entry["recipe"], held.source) == (task, "paper", "imported")
    assert from_files([("model.pt", out.getvalue())], None).entry["task"] == task  # its tokens tell
    other = "text" if task == "logic" else "logic"
    with pytest.raises(InputError) as raised:
        from_files([("model.pt", out.getvalue())], other)
    assert "model.pt" in str(raised.value)
    assert "/" not in str(raised.value)  # no folder of the server


class Evil:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("/tmp/depthscope-was-here"),))


@pytest.mark.parametrize("inside", ["bare", "saved"])
def test_a_pickle_under_the_name_pt_is_never_run(inside: str) -> None:
    content = pickle.dumps(Evil())
    if inside == "saved":
        out = io.BytesIO()
        torch.save({"a": Evil()}, out)
        content = out.getvalue()
    with pytest.raises(InputError) as raised:
        from_files([("model.pt", content)], "graph")
    assert "\n" not in str(raised.value)
    assert not Path("/tmp/depthscope-was-here").exists()


def test_what_does_not_belong_together(folder: Path) -> None:
    packed = ("a.zip", bundle.pack(folder, "x"))
    with pytest.raises(InputError, match="choose its files first"):
        from_files([], None)
    with pytest.raises(InputError, match="comes alone"):
        from_files([("config.json", b"{}"), packed], None)
    with pytest.raises(InputError, match="at most"):
        from_files([(f"{i}.json", b"") for i in range(20)], None)
    with pytest.raises(InputError, match=r"model.safetensors is missing"):
        from_files([("config.json", b"{}")], None)


@pytest.mark.parametrize(
    "name",
    ["", "house", "/etc/passwd", "../up", "a/b/c", "./a", "a/../b", "C:\\x", "https://x.y/z", "o/n\n", "a/" + "b" * 99],
)
def test_only_an_id_of_a_repository_goes_to_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> Path:
        raise AssertionError("it asked the network")

    monkeypatch.setattr(hub, "download", never)
    with pytest.raises(InputError, match="owner/name"):
        from_hub(name)


def test_the_hub_gives_files_or_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "download", lambda *_, **__: folder)
    held = from_hub("someone/their-tree")
    assert (held.source, held.name.partition("-")[0]) == ("from the hub", "tree")

    def offline(*_: object, **__: object) -> Path:
        raise InputError("the hub cannot be reached")

    monkeypatch.setattr(upload.hub, "download", offline)
    with pytest.raises(InputError, match="cannot be reached"):
        from_hub("someone/else")
