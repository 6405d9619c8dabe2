"""Checkpoints that a visit brings along: taken in whole, seen by whoever has them, deleted with the last."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from depthscope.core import checkpoint
from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.core.files.digests import sealed
from depthscope.ui.visit import uploads, view as opening
from depthscope.ui.visit.uploads import UploadStore
from tests.probes.hand_made import untrained


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    untrained(tmp_path / "made", "graph")
    return bundle.read(tmp_path / "made")


@pytest.fixture
def store(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path / "store")


def test_a_visit_sees_its_own_and_another_one_by_the_whole_name(store: UploadStore, files: dict[str, bytes]) -> None:
    held = store.add(files, "mine", "uploaded", "ann")
    assert held.name.startswith("mine-")
    assert held.entry["name"] == held.name
    assert held.entry["task"] == "graph"
    assert [x.name for x in store.of("ann")] == [held.name]
    assert store.of("bob") == []
    assert store.of(None) == []
    assert store.find("mine", "bob") is None
    assert store.find(held.name, "bob") is held
    assert store.of("bob") == [held]
    store.release(held.name, "ann")
    assert held.folder.is_dir()  # bob has it
    store.release(held.name, "bob")
    assert not held.folder.exists()
    assert store.find(held.name, "ann") is None


def test_the_same_files_are_the_same_checkpoint_and_others_are_another(
    store: UploadStore, files: dict[str, bytes], tmp_path: Path
) -> None:
    first, again = (store.add(files, "mine", "uploaded", "ann") for _ in range(2))
    assert first is again
    untrained(tmp_path / "other", "graph", seed=8)
    second = store.add(bundle.read(tmp_path / "other"), "mine", "uploaded", "ann")
    assert second.name != first.name
    assert len(store.of("ann")) == 2


def weights(files: dict[str, bytes], change: str) -> bytes:
    tensors = safetensors.torch.load(files["model.safetensors"])
    name = next(name for name in sorted(tensors) if tensors[name].ndim == 2 and len(tensors[name]) > 1)
    if change == "shape":
        tensors[name] = tensors[name][:1].contiguous()
    elif change == "nan":
        tensors[name][0, 0] = torch.nan
    else:
        del tensors[name]
    return safetensors.torch.save(tensors)


def settings(files: dict[str, bytes], **changes: object) -> bytes:
    said = json.loads(files["config.json"])
    return json.dumps(sealed({**said, **changes}, {})).encode()


SPOILED = {
    "truncated": (lambda f: {"model.safetensors": f["model.safetensors"][:-100]}, "model.safetensors is truncated"),
    "shape": (lambda f: {"model.safetensors": weights(f, "shape")}, "has shape (1, "),
    "NaN": (lambda f: {"model.safetensors": weights(f, "nan")}, "not finite numbers"),
    "lacking": (lambda f: {"model.safetensors": weights(f, "lack")}, "lacks the weights"),
    "no JSON": (lambda f: {"config.json": b"{"}, "config.json is not readable as JSON"),
    "another kind": (lambda f: {"config.json": settings(f, kind="os:system")}, "no checkpoint loads by itself"),
    "a field": (lambda f: {"config.json": settings(f, config={"task": "graph", "wide": 3})}, "unknown field 'wide'"),
    "a range": (lambda f: {"config.json": settings(f, training={"steps": "x"})}, "training.steps should be two"),
    "training": (lambda f: {"config.json": settings(f, training=3)}, "'training' should be an object"),
    "a name": (lambda f: {"config.json": settings(f, recipe=[1])}, "recipe should be a text"),
    "metrics": (lambda f: {"metrics.json": b"[]"}, "metrics.json should hold a JSON object"),
    "a pickle": (lambda f: {"model.safetensors": b"\x80\x04]."}, "is a pickle under another name"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_not_whole_is_named_in_one_sentence_and_leaves_nothing(
    store: UploadStore, files: dict[str, bytes], what: str, tmp_path: Path
) -> None:
    spoil, says = SPOILED[what]
    with pytest.raises(InputError) as raised:
        store.add({**files, **spoil(files)}, "mine", "uploaded", "ann")
    assert says in str(raised.value)
    assert str(tmp_path) not in str(raised.value)  # where it lies on the server is nobody's business
    assert "\n" not in str(raised.value)
    assert store.of("ann") == []
    assert list((tmp_path / "store").iterdir()) == []


def test_weights_that_fit_a_config_but_no_task_are_refused(store: UploadStore, tmp_path: Path) -> None:
    opened = untrained(tmp_path / "made", "graph")
    model = type(opened.model)(replace(opened.config, vocabulary=1))
    checkpoint.save(tmp_path / "odd", model, name="odd", recipe="", training={}, metrics={}, card="")
    with pytest.raises(InputError, match="fit its config"):
        store.add(bundle.read(tmp_path / "odd"), "odd", "uploaded", "ann")


def test_a_full_shelf_drops_what_nobody_is_there_for(
    store: UploadStore, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"ann"}
    monkeypatch.setattr(uploads, "_is_here", lambda visitor: visitor in here)
    first = store.add(files, "first", "uploaded", "ann")
    monkeypatch.setattr(uploads, "MAX_STORE_BYTES", int(1.5 * first.size))
    with pytest.raises(InputError, match="remove one first"):
        store.add(files, "second", "uploaded", "bob")
    here.clear()
    second = store.add(files, "second", "uploaded", "bob")
    assert not first.folder.exists()
    assert store.of("bob") == [second]


def test_it_is_opened_like_one_in_the_folder(
    store: UploadStore, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "store", lambda: store)
    monkeypatch.setattr(uploads, "visitor", lambda: "ann")
    held = uploads.add(files, "mine", "uploaded")
    assert opening.offered()[-1] == held.entry
    opened = opening.opened(held.name)
    assert (opened.name, opened.sha256) == (held.name, held.entry["sha256"])
    monkeypatch.setattr(uploads, "visitor", lambda: "bob")
    assert held.entry not in opening.offered()
    with pytest.raises(InputError, match="There is no checkpoint"):
        opening.listed("mine")
    assert opening.listed(held.name) == held.entry  # as a link has it
    assert held.entry in opening.offered()
