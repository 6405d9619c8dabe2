"""A checkpoint as files and as a zip: what goes in comes out, and what nobody should send gets one sentence."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from depthscope.core import checkpoint
from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.core.files import places
from depthscope.core.training import train

GOOD = {"config.json": b"{}", "model.safetensors": b"weights"}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_a_packed_checkpoint_is_the_one_that_is_unpacked(saved: dict[str, Path], tmp_path: Path) -> None:
    files = bundle.unpack(bundle.pack(saved["graph"], "a/b c"))
    assert files == {path.name: path.read_bytes() for path in saved["graph"].iterdir()}
    bundle.write(files, tmp_path / "again")
    assert checkpoint.load(tmp_path / "again").sha256 == checkpoint.load(saved["graph"]).sha256
    with zipfile.ZipFile(io.BytesIO(bundle.pack(saved["graph"], "a/b c"))) as archive:
        assert all(name.startswith("a-b-c/") for name in archive.namelist())


def test_the_folder_in_a_zip_and_what_systems_add_do_not_matter() -> None:
    members = {f"deep/down/{name}": content for name, content in GOOD.items()}
    assert bundle.unpack(zipped(members | {"__MACOSX/config.json": b"x", "deep/.DS_Store": b""})) == GOOD
    assert bundle.gather([("C:\\x\\config.json", b"{}"), ("mine.safetensors", b"weights")]) == GOOD
    assert bundle.unpack(zipped(members | {f"deep/down/{train.STATE}": b"goes on from here"})) == GOOD


def cut(content: bytes) -> bytes:
    return content[:-30]


def lie_about_size(content: bytes) -> bytes:
    """Both headers of the last member say that it is tiny, so that only reading it shows what it is."""
    return content.replace(struct.pack("<I", len(BOMB)), struct.pack("<I", 5))


def encrypted(content: bytes) -> bytes:
    at = content.index(b"PK\x01\x02")
    return content[: at + 8] + b"\x01\x00" + content[at + 10 :]


def many(content: bytes) -> bytes:
    at = content.rindex(b"PK\x05\x06")
    return content[: at + 8] + b"\xff\xff\xff\xff" + content[at + 12 :]


BOMB = bytes(2 << 20)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"hello", "no zip"),
    "empty": (lambda: b"", "no zip"),
    "cut off": (lambda: cut(zipped(GOOD)), "no zip"),
    "spoiled": (lambda: zipped(GOOD, zipfile.ZIP_STORED).replace(b"weights", b"WEIGHTS"), "damaged"),
    "too many members": (lambda: zipped({f"{i}.json": b"" for i in range(70)}), "too many members"),
    "says it has too many": (lambda: many(zipped(GOOD)), "too many members"),
    "a bomb": (lambda: zipped({"model.safetensors": BOMB, "config.json": b"{}"}), "unpacks to more than 1 MB"),
    "a path that leads out": (lambda: zipped(GOOD | {"../../README.md": b"x"}), "leads out of it"),
    "a Windows path that leads out": (lambda: zipped(GOOD | {"..\\README.md": b"x"}), "leads out of it"),
    "an absolute path": (lambda: zipped({"/etc/config.json": b"{}"}), "leads out of it"),
    "a drive": (lambda: zipped({"C:config.json": b"{}"}), "leads out of it"),
    "a pickle": (lambda: zipped({"archive/data.pkl": b"x"}), "ending .pt"),
    "two checkpoints": (
        lambda: zipped({f"{f}/{n}": c for f in "ab" for n, c in GOOD.items()}),
        "two files config.json",
    ),
    "something else": (lambda: zipped(GOOD | {"run.py": b"x"}), "'run.py' is no file of a checkpoint"),
    "no weights": (lambda: zipped({"config.json": b"{}"}), "model.safetensors is missing"),
    "no config": (lambda: zipped({"model.safetensors": b""}), "config.json is missing"),
    "encrypted": (lambda: encrypted(zipped(GOOD)), "encrypted"),
    "packed otherwise": (lambda: zipped(GOOD, zipfile.ZIP_LZMA), "plain zip"),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_not_one_checkpoint_gets_one_sentence(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(bundle, "MAX_UNPACKED", 1 << 20)
    make, says = HOSTILE[what]
    with pytest.raises(InputError, match=says) as raised:
        bundle.unpack(make())
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_header_that_lies_about_its_size_is_not_believed() -> None:
    with pytest.raises(InputError):
        bundle.unpack(lie_about_size(zipped({"model.safetensors": BOMB, "config.json": b"{}"})))


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("graph-house", "graph-house"),
        ("../../etc/passwd", "etc-passwd"),
        ("</script><b>", "script-b"),
        ("\u202egnp.exe 🙂", "gnp.exe"),
        ("x" * 10_000, "x" * bundle.MAX_NAME),
        ("", "checkpoint"),
        ("...", "checkpoint"),
        ("con.txt", "my-con.txt"),
        ("COM1", "my-COM1"),
        ("COMIC", "COMIC"),
    ],
)
def test_names_are_safe(given: str, safe: str) -> None:
    assert bundle.sanitised(given) == safe
    assert bundle.sanitised(safe) == safe


def test_what_is_kept_is_found_by_its_new_name(saved: dict[str, Path], tmp_path: Path) -> None:
    kept = bundle.keep(saved["graph"], "mine", tmp_path)
    assert [entry["name"] for entry in checkpoint.available(tmp_path)] == ["mine"]
    ours, theirs = checkpoint.load(kept), checkpoint.load(saved["graph"])
    assert (ours.sha256, ours.training, ours.config) == (theirs.sha256, theirs.training, theirs.config)
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    with pytest.raises(InputError, match="already"):
        bundle.keep(saved["logic"], "mine", tmp_path)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_installed_package_keeps_checkpoints_in_the_users_folder(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "IS_CHECKOUT", False)
    monkeypatch.setenv("DEPTHSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(checkpoint, "CHECKPOINTS", tmp_path / "site-packages")
    bundle.keep(saved["graph"], "shipped", tmp_path / "site-packages")
    assert bundle.keep(saved["graph"], "mine") == tmp_path / "home" / "checkpoints" / "mine"
    assert [entry["name"] for entry in checkpoint.available()] == ["shipped", "mine"]
    assert checkpoint.load("mine").sha256 == checkpoint.load("shipped").sha256
    for name in ("mine", "shipped"):
        with pytest.raises(InputError, match=f"there is a checkpoint {name} already"):
            bundle.keep(saved["logic"], name)
    assert [path.name for path in (tmp_path / "site-packages").iterdir()] == ["shipped"]


def test_a_bare_config_is_completed_when_it_is_kept(saved: dict[str, Path], tmp_path: Path) -> None:
    config = json.loads((saved["graph"] / "config.json").read_text())["config"]
    files = bundle.read(saved["graph"]) | {"config.json": json.dumps(config).encode()}
    bundle.write({name: files[name] for name in bundle.DUE}, tmp_path / "bare")
    entry = checkpoint.entry(bundle.keep(tmp_path / "bare", "whole", tmp_path))
    assert (entry["name"], entry["sha256"]) == ("whole", checkpoint.load(saved["graph"]).sha256)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "/tmp/x", "x" * 50, "-rf", "nul"])
def test_a_name_that_is_no_name_is_refused(saved: dict[str, Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="would do"):
        bundle.keep(saved["graph"], name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_a_checkpoints_files_are_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no files"):
        bundle.write({"../x": b""}, tmp_path / "a")


def test_the_name_in_a_config() -> None:
    assert bundle.name_in({"config.json": b'{"name": "a"}'}) == "a"
    for content in (b"{", b"[1]", b'{"name": 3}', b'{"name": ""}', b"\xff"):
        assert bundle.name_in({"config.json": content}) is None
    assert bundle.name_in({}) is None
