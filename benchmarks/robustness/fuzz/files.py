"""The files of a checkpoint as parsers: weights, settings, metrics, probes, the paper's `.pt`, zips, a run's state."""

from __future__ import annotations

import atexit
import io
import json
import shutil
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st

from benchmarks.robustness.fuzz.damage import MOST, damaged, documents
from benchmarks.robustness.fuzz.parser import Parser, of_text
from depthscope.core import checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.exchange import about, bundle, paper_import
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.training import log as training_log, recipes, train
from depthscope.probes.reading import linear_probe

CONFIG_KEYS = [
    "config", "task", "vocabulary", "width", "heads", "hidden", "attention", "readout", "activation", "position",
    "rope_base", "identity", "depth_embedding", "recall", "gate_bias", "layer_scale", "training", "difficulty",
    "steps",
    "sha256", "name", "kind", "recipe", "parameters", "graph", "logic", "edges", "full", "rope", "gru", "act",
]  # fmt: skip
PROBE_KEYS = [
    "checkpoint", "sha256", "concept", "data", "meaning", "seed", "n_train", "constant", "tests", "held_out", "title",
    "accuracy", "value", "low", "high", "selectivity", "controls", "untrained", "embedding", "features", "control_task",
    "n_test", "n_instances", "across",
]  # fmt: skip
TENSOR_KEYS = [
    "dtype",
    "shape",
    "data_offsets",
    "__metadata__",
    "F32",
    "F64",
    "BF16",
    "weight",
    "bias",
    "format",
    "values",
]


def parsers() -> list[Parser]:
    """One for each file."""

    def file(name: str, folder: Callable[[], Path], damage: Callable[[Sequence[bytes]], Any]) -> Parser:
        return Parser(name, partial(_swapped, folder, name), lambda: [_original(folder(), name)], damage)

    return [
        file("model.safetensors", _bare, tensors),
        file("config.json", _bare, partial(settings_of, keys=CONFIG_KEYS)),
        file("metrics.json", _whole, partial(settings_of, keys=["validation", "batch", "accuracy", "1"])),
        file("probes.safetensors", _probed, tensors),
        file("probes.json", _probed, partial(settings_of, keys=PROBE_KEYS)),
        Parser("training.jsonl", _logged, _log, of_text(["{", "}", "\n"], ["batch", "validation", "loss", "level"])),
        Parser("state of a run", _resumed, _state, tensors),
        Parser("the paper's .pt", _imported, lambda: [paper(task) for task in ("graph", "logic")], zipped),
        Parser("zip of a checkpoint", _unpacked, lambda: [bundle.pack(_whole(), "tiny")], zipped),
    ]


# samples


@cache
def _room() -> Path:
    root = Path(tempfile.mkdtemp(prefix="depthscope-fuzz-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root


@cache
def _whole() -> Path:
    """A checkpoint of a small model."""
    folder = _room() / "whole"
    torch.manual_seed(0)
    model = DepthRecurrentTransformer(ModelConfig("graph", 2, 8, 2, 8))
    training = {"difficulty": [1, 3], "steps": [3, 5], "seed": 0}
    metrics = {"validation": [{"batch": 1, "seconds": 0.5, "accuracy": {"1": 1.0, "2": 0.5}}]}
    checkpoint.save(folder, model, name="tiny", recipe="house", training=training, metrics=metrics, card="# tiny\n")
    return folder


@cache
def _bare() -> Path:
    """The same as save_pretrained would write it, without digests, so that what is in the files alone decides."""
    folder = _room() / "bare"
    shutil.copytree(_whole(), folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"config": settings["config"]}))
    return folder


@cache
def _probed() -> Path:
    """A shipped checkpoint, which has probes."""
    return Path(shutil.copytree(checkpoint.CHECKPOINTS / "graph-house", _room() / "probed"))


@cache
def _state() -> list[bytes]:
    """The state of a run that was stopped."""
    run = _run()
    run.learn()
    run.save_state()
    return [(run.out / train.STATE).read_bytes()]


@cache
def _original(folder: Path, file: str) -> bytes:
    return (folder / file).read_bytes()


def _log() -> list[bytes]:
    """What a run logs."""
    writer = training_log.Writer(_room() / "logged", 3)
    for batch in (1, 2, 3):
        writer.batch(batch, 0.1 * batch, 0.5, 0.5, 1)
    writer.validation({"batch": 3, "accuracy": {"1": 0.5}})
    return [(_room() / "logged" / training_log.LOG).read_bytes()]


def _run() -> train.Run:
    small = ModelConfig("graph", 2, 8, 2, 8)
    tiny = replace(recipes.HOUSE_GRAPH, name="tiny", model=small, batch_size=2, validation=())
    return train.Run(tiny, _room() / "run", 0, "cpu", 1)


def paper(task: str) -> bytes:
    """Weights of a small model under the names of the paper's release."""
    graph = task == "graph"
    vocabulary = paper_import.VOCABULARY[task]
    theirs_all: dict[str, Any] = {"depth_embedding": 2, "recall": False, "state_norm": False}
    config = (
        ModelConfig("graph", vocabulary, 32, 1, 8, "edges", "pair", "relu", identity="vocabulary", **theirs_all)
        if graph
        else ModelConfig("logic", vocabulary, 32, 1, 8, "full", "cls", "gelu", "rope", layer_scale=1e-4, **theirs_all)
    )  # fmt: skip
    ours = DepthRecurrentTransformer(config).state_dict()
    theirs = {old: ours[new] for old, new in paper_import.SHARED.items()}
    prefix, block = (
        ("thinking_block.layer.", paper_import.GRAPH_BLOCK) if graph else ("thinking_block.", paper_import.TOKEN_BLOCK)
    )
    for old, new in block.items():
        theirs |= {f"{prefix}{old}{kind}": ours[f"block.{new}{kind}"] for kind in ("weight", "bias")}
    if graph:
        theirs |= {"source_role_emb": ours["role"][0].clone(), "target_role_emb": ours["role"][1].clone()}
    else:
        for kind in ("weight", "bias"):
            parts = zip("qkv", ours[f"block.qkv.{kind}"].chunk(3), strict=True)
            theirs |= {f"{prefix}{part}_proj.{kind}": tensor.clone() for part, tensor in parts}
        theirs |= {f"{prefix}ls{i}.gamma": ours[f"block.scale{i}"] for i in (1, 2)}
    stream = io.BytesIO()
    torch.save(theirs, stream)
    return stream.getvalue()


# inputs

ODD_NAMES = ["../x", "/config.json", "C:\\config.json", "a/b/config.json", "é", "", ".DS_Store", "x\0y"]


def settings_of(samples: Sequence[bytes], keys: Sequence[str]) -> st.SearchStrategy[bytes]:
    """JSON in which a value is replaced, whole documents, and damaged text."""
    return st.one_of(
        _edited(samples, keys), _edited(samples, keys), documents(keys), damaged(samples), st.binary(max_size=99)
    )


@st.composite
def _edited(draw: st.DrawFn, samples: Sequence[bytes], keys: Sequence[str]) -> bytes:
    """A sample in which some value, however deep, is another."""
    found = json.loads(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        at = found
        while True:
            names = list(at) if isinstance(at, dict) else range(len(at))
            if not names:
                break
            name = draw(st.sampled_from(names))
            if isinstance(at[name], dict | list) and at[name] and draw(st.integers(0, 3)):
                at = at[name]
                continue
            if draw(st.booleans()):
                at[name] = json.loads(draw(documents(keys)))
            elif isinstance(at, dict):
                at[draw(st.sampled_from(keys))] = at.pop(name)
            else:
                del at[name]
            break
    return json.dumps(found).encode()


def tensors(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """A safetensors file with a header of its own, a wrong length, or damage anywhere."""
    headers = [sample[8 : 8 + int.from_bytes(sample[:8], "little")] for sample in samples]
    lengths = st.sampled_from([0, 1, 8, 1 << 20, 1 << 31, 1 << 63, (1 << 64) - 1])

    def file(header: bytes, rest: bytes, length: int | None) -> bytes:
        return (len(header) if length is None else length).to_bytes(8, "little") + header + rest

    datas = [sample[8 + len(header) :] for sample, header in zip(samples, headers, strict=True)]
    return st.one_of(
        st.builds(file, _edited(headers, TENSOR_KEYS), st.sampled_from(datas), st.none() | st.none() | lengths),
        st.builds(file, documents(TENSOR_KEYS) | damaged(headers), st.sampled_from([*datas, b""]), st.none()),
        damaged(samples),
        st.binary(max_size=99),
    )


def zipped(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Zips with damage inside a member, odd members, sizes that lie, and damage anywhere."""
    return st.one_of(_inside(samples), _inside(samples), _inside(samples), damaged(samples), st.binary(max_size=99))


@st.composite
def _inside(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(draw(st.sampled_from(samples)))) as archive:
        members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    for _ in range(draw(st.integers(1, 3))):
        i = draw(st.integers(0, len(members) - 1))
        name, content = members[i]
        kind = draw(st.sampled_from(["content", "content", "content", "name", "again", "gone", "bomb"]))
        if kind == "content":
            members[i] = name, draw(damaged([content]))
        elif kind == "name":
            odd = st.sampled_from(
                ["../x", "/config.json", "C:\\config.json", "a/b/config.json", "é", "", ".DS_Store", "x\0y"]
            )
            members[i] = draw(odd), content
        elif kind == "again":
            members.append(members[i])
        elif kind == "gone" and len(members) > 1:
            del members[i]
        elif kind == "bomb" and not draw(st.integers(0, 39)):
            members[i] = name, content + bytes(draw(st.sampled_from([1 << 20, 300 << 20])))
    stream = io.BytesIO()
    how = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
    if sum(len(content) for _, content in members) > MOST:
        how = zipfile.ZIP_DEFLATED
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(stream, "w", how, compresslevel=1) as archive:
        for name, content in members:
            archive.writestr(name or "x", content)
    data = stream.getvalue()
    if not draw(st.integers(0, 3)):  # a field of the table of contents that lies
        at = data.rfind(b"PK\x01\x02") + draw(st.sampled_from([8, 10, 20, 24, 28, 30, 42]))
        data = data[:at] + struct.pack("<I", draw(st.sampled_from([0, 1, 1 << 16, (1 << 32) - 1])))[:4] + data[at + 4 :]
    return data


# readers


def _swapped(folder_of: Callable[[], Path], file: str, data: bytes) -> object:
    """Opens a checkpoint in all ways with other bytes in one of its files."""
    folder = folder_of()
    original = _original(folder, file)
    (folder / file).write_bytes(data)
    looks: list[Callable[[Path], object]] = [checkpoint.load, about.about, checkpoint.entry]
    if file.startswith("probes"):
        looks = [
            lambda path: linear_probe.load(checkpoint.load(path)),
            lambda path: linear_probe.load_scores(checkpoint.load(path)),
        ]
    problems: list[InputError] = []
    try:
        for look in looks:  # each on its own, since one refuses what another does not look at
            try:
                look(folder)
            except InputError as error:
                problems.append(error)
    finally:
        (folder / file).write_bytes(original)
    if problems:
        raise problems[0]
    return None


def _logged(data: bytes) -> object:
    (_room() / training_log.LOG).write_bytes(data)
    return training_log.read(_room())


def _resumed(data: bytes) -> object:
    run = _run()
    run.out.mkdir(exist_ok=True)
    (run.out / train.STATE).write_bytes(data)
    run.load_state()
    run.learn()
    return run


def _imported(data: bytes) -> object:
    path = _room() / "theirs.pt"
    path.write_bytes(data)
    return paper_import.import_paper(path, "logic" if b"q_proj" in data else "graph")


def _unpacked(data: bytes) -> object:
    files = bundle.unpack(data)
    folder = _room() / "unpacked"
    bundle.write(files, folder)
    try:
        bundle.name_in(files)
        return checkpoint.load(folder), about.about(folder)
    finally:
        shutil.rmtree(folder)
