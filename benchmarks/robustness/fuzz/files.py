"""The files of a checkpoint as parsers: weights, settings, metrics, probes, the paper's `.pt`, zips, a run's state."""

from __future__ import annotations

import atexit
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch

from benchmarks.robustness.fuzz.damage import tensors, text, zipped
from benchmarks.robustness.fuzz.parser import Parser
from depthscope.core import checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.exchange import about, bundle, paper_import
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.training import log as training_log, recipes, train
from depthscope.probes.reading import linear_probe


def parsers() -> list[Parser]:
    """One for each file."""

    def file(name: str, folder: Callable[[], Path]) -> Parser:
        damage = tensors if name.endswith(".safetensors") else text
        return Parser(name, partial(_swapped, folder, name), lambda: [_original(folder(), name)], damage)

    return [
        file("model.safetensors", _bare),
        file("config.json", _bare),
        file("metrics.json", _whole),
        file("probes.safetensors", _probed),
        file("probes.json", _probed),
        Parser("training.jsonl", _logged, _log),
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
    tiny = replace(recipes.get("graph", "house"), name="tiny", model=small, batch_size=2, validation=())
    return train.Run(tiny, _room() / "run", 0, "cpu", 1)


def paper(task: str) -> bytes:
    """Weights of a small model under the names of the paper's release."""
    graph = task == "graph"
    paper = paper_import.PAPER[task].model
    config = replace(paper, width=32, heads=1, mlp_width=8, depth_embedding=2)
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
