"""Weights in the format of the paper's release become ours: the only place that reads a `.pt` file.

The paper's code saves a plain state dict for each of its three tasks. Sizes are read off the tensors; what cannot be
read off them (heads, activation, rotary base) is that of the recipe `paper`.

Source: arXiv 2603.21676 and its public code, for the names.
"""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from depthscope.core.checkpoint import save
from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.core.files.strict_json import plain
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.training.recipes import RECIPES

MAX_DESCRIPTION = 8 << 10
"""Bytes of the list of tensors, twice that of the paper; torch needs half a minute to complain of a long one."""

HEAD_WIDTH = 32
"""Width of one head in all three of the paper's models; the weights alone do not tell the number of heads."""

PAPER = {recipe.task: recipe for recipe in RECIPES if recipe.name == "paper"}
"""What the paper trained, by task."""

SHARED = {
    "token_emb.weight": "token.weight",
    "emb_norm.weight": "embedding_norm.weight",
    "emb_norm.bias": "embedding_norm.bias",
    "thinking_block.depth_emb.weight": "block.depth.weight",
    "thinking_block.gate_proj.weight": "block.gate.weight",
    "thinking_block.gate_proj.bias": "block.gate.bias",
    **{f"head.{i}.{kind}": f"head.{i}.{kind}" for i in (0, 1, 4) for kind in ("weight", "bias")},
}
"""Their name -> ours, for what the three models have in common."""

GRAPH_BLOCK = {
    "self_attn.in_proj_": "qkv.",
    "self_attn.out_proj.": "out.",
    "linear1.": "up.",
    "linear2.": "down.",
    "norm1.": "norm1.",
    "norm2.": "norm2.",
}
TOKEN_BLOCK = {"out_proj.": "out.", "ffn.0.": "up.", "ffn.3.": "down.", "norm1.": "norm1.", "norm2.": "norm2."}
ROPE = ("rope.inv_freq", "rope.cos_cache", "rope.sin_cache")


def import_paper(file: Path, task: str) -> tuple[DepthRecurrentTransformer, tuple[str, ...]]:
    """Reads a state dict of the paper's code.

    Args:
        file: As `torch.save` wrote it.
        task: "graph", "logic" or "text".

    Returns:
        The model in eval mode, and sentences about what was assumed.

    Raises:
        InputError: If the file cannot be read as weights alone, or they are not those of the task's model.
    """
    if task not in PAPER:
        raise InputError(f"the paper has no task {task!r}; its tasks are {', '.join(PAPER)}")
    theirs = _read(file)
    config = _config(theirs, task, file)
    with torch.device("meta"):  # no memory before the shapes are known to be right
        model = DepthRecurrentTransformer(config)
    ours = _renamed(theirs, task, file)
    expected = model.state_dict()
    for name, tensor in ours.items():
        if tensor.shape != expected[name].shape:
            got, wanted = tuple(tensor.shape), tuple(expected[name].shape)
            raise InputError(f"{file}: the weights that become {name} have shape {got}, but {wanted} is expected")
    model.load_state_dict(ours, assign=True)
    notes = [f"{config.heads} heads of width {HEAD_WIDTH}, as in the paper; the weights do not tell"]
    if task != "graph":
        _check_rope(theirs, model, file)
        notes.append("the tables of rotary positions are computed; those in the file are the same and were left out")
    return model.eval(), tuple(notes)


def task_of(file: Path) -> str:
    """The task of the paper's model whose weights a file holds, by how many tokens it knows.

    Raises:
        InputError: If the file cannot be read as weights alone, or it is no model of the paper.
    """
    vocabulary, _ = _size(_read(file), "token_emb.weight", file)
    for task, recipe in PAPER.items():
        if recipe.model.vocabulary == vocabulary:
            return task
    known = ", ".join(f"{recipe.model.vocabulary} ({task})" for task, recipe in PAPER.items())
    raise InputError(f"{file} has {vocabulary} tokens, but the models of the paper have {known}")


def card(name: str, file: str, task: str, notes: tuple[str, ...]) -> str:
    """The card of an imported checkpoint."""
    lines = "\n".join(f"- {note}" for note in notes)
    return f"""# {name}

Weights of the paper's {task} model (Chen 2026, arXiv 2603.21676), imported from `{file}`:

    depthscope import {file} --task {task} --out {name}

{lines}
"""


def convert(file: Path, task: str, out: Path, name: str, called: str | None = None) -> tuple[str, ...]:
    """Writes a checkpoint of the weights in a file of the paper's format.

    Args:
        file: As `torch.save` wrote it.
        task: "graph", "logic" or "text".
        out: Folder of the checkpoint.
        name: Its name.
        called: What the card calls the file; None for its name.

    Returns:
        Sentences about what was assumed.

    Raises:
        InputError: As `import_paper`.
    """
    model, notes = import_paper(file, task)
    about = card(name, called or file.name, task, notes)
    training = {key: plain(getattr(PAPER[task], key)) for key in ("difficulty", "steps", "data")}
    save(out, model, name=name, recipe="paper", training=training, metrics={}, card=about)
    return notes


def _read(file: Path) -> dict[str, Tensor]:
    """The tensors of a state dict, as float32; nothing but tensors is ever made from the file."""
    size = file.stat().st_size
    if size > bundle.MAX_BYTES:
        raise InputError(f"{file} is too large: a checkpoint may have {bundle.MAX_BYTES >> 20} MB (got {size >> 20:,})")
    if not zipfile.is_zipfile(file):
        raise InputError(f"{file} is truncated or was not written by torch.save (which writes a zip file)")
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            described = max((e.file_size for e in archive.infolist() if e.filename.endswith("data.pkl")), default=0)
        if described > MAX_DESCRIPTION:
            raise InputError(
                f"{file} should hold the names and sizes of a model of the paper, and no more; their list is at most "
                f"{MAX_DESCRIPTION:,} bytes long (got {described:,})"
            )
        if unpacked > bundle.MAX_BYTES:
            raise InputError(f"{file} unpacks to more than {bundle.MAX_BYTES >> 20} MB, the most a checkpoint may have")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = torch.load(file, map_location="cpu", weights_only=True)
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # the restricted unpickler raises whatever a damaged or hostile file makes it raise
        reason = str(error).strip().split("\n")[0][:120]
        raise InputError(f"{file} cannot be read as weights alone ({type(error).__name__}: {reason})") from None
    if not isinstance(values, dict) or not all(isinstance(v, Tensor) for v in values.values()):
        raise InputError(f"{file} should hold a state dict, names and tensors, as the paper's code saves it")
    tensors = {str(name): tensor for name, tensor in values.items()}
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or not tensor.is_floating_point() or tensor.device.type != "cpu":
            raise InputError(f"{file}: {name:.80} should be a dense tensor of floating-point numbers")
    if sum(t.numel() * t.element_size() for t in tensors.values()) > unpacked:  # a view that repeats what is stored
        raise InputError(f"{file} describes more weights than it holds")
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{file}: {name:.80} holds weights that are not finite numbers (NaN or infinity)")
    return {name: tensor.float().contiguous() for name, tensor in tensors.items()}


def _config(theirs: dict[str, Tensor], task: str, file: Path) -> ModelConfig:
    """The architecture, its sizes read off the tensors."""
    if ("source_role_emb" in theirs) != (task == "graph"):
        other = "a graph model" if task != "graph" else "a model of logic or text"
        raise InputError(f"{file} does not hold a {task} model of the paper, but rather {other}; see --task")
    up = "thinking_block.layer.linear1.weight" if task == "graph" else "thinking_block.ffn.0.weight"
    vocabulary, width = _size(theirs, "token_emb.weight", file)
    rows, _ = _size(theirs, "thinking_block.depth_emb.weight", file)
    hidden, _ = _size(theirs, up, file)
    paper = PAPER[task].model
    if vocabulary != paper.vocabulary:
        others = [name for name, recipe in PAPER.items() if recipe.model.vocabulary == vocabulary]
        hint = f"; it looks like the {others[0]} model" if others else ""
        raise InputError(f"{file} has {vocabulary} tokens, but the paper's {task} task has {paper.vocabulary}{hint}")
    if width % HEAD_WIDTH:
        raise InputError(
            f"{file} has states of width {width}, which is not a multiple of {HEAD_WIDTH}, a head of the paper"
        )
    return replace(paper, width=width, heads=width // HEAD_WIDTH, mlp_width=hidden, depth_embedding=rows)


def _size(theirs: dict[str, Tensor], name: str, file: Path) -> tuple[int, int]:
    if name not in theirs:
        raise InputError(f"{file} lacks {name!r}, which the paper's model has")
    if theirs[name].ndim != 2:
        raise InputError(f"{file}: {name} has shape {tuple(theirs[name].shape)}, but should be a matrix")
    rows, columns = theirs[name].shape
    return rows, columns


def _renamed(theirs: dict[str, Tensor], task: str, file: Path) -> dict[str, Tensor]:
    """Our state dict; each of their tensors is used once, and none is left."""
    left = {name: tensor for name, tensor in theirs.items() if name not in ROPE or task == "graph"}

    def take(*names: str) -> list[Tensor]:
        for name in names:
            if name not in left:
                raise InputError(f"{file} lacks {name!r}, which the paper's {task} model has")
        return [left.pop(name) for name in names]

    ours = {new: take(old)[0] for old, new in SHARED.items()}
    prefix, block = ("thinking_block.layer.", GRAPH_BLOCK) if task == "graph" else ("thinking_block.", TOKEN_BLOCK)
    for old, new in block.items():
        for kind in ("weight", "bias"):
            ours[f"block.{new}{kind}"] = take(f"{prefix}{old}{kind}")[0]
    if task == "graph":
        ours["role"] = _joined(torch.stack, take("source_role_emb", "target_role_emb"), "the role vectors", file)
    else:
        for kind in ("weight", "bias"):
            parts = take(*(f"{prefix}{part}_proj.{kind}" for part in "qkv"))
            ours[f"block.qkv.{kind}"] = _joined(torch.cat, parts, "the query, key and value projections", file)
        for i in (1, 2):
            ours[f"block.scale{i}"] = take(f"{prefix}ls{i}.gamma")[0]
    if left:
        raise InputError(f"{file} has {next(iter(left))!r:.120}, which the paper's {task} model has not")
    return ours


def _joined(join: Any, parts: list[Tensor], what: str, file: Path) -> Tensor:
    shapes = {tuple(part.shape) for part in parts}
    if len(shapes) != 1 or not parts[0].ndim:
        raise InputError(f"{file}: {what} differ in shape: {', '.join(map(str, sorted(shapes)))}")
    return join(parts)


def _check_rope(theirs: dict[str, Tensor], model: DepthRecurrentTransformer, file: Path) -> None:
    """Compares their tables of rotary positions with ours, up to the rounding of large angles."""
    if ROPE[1] not in theirs and ROPE[2] not in theirs:
        return
    for name, i in ((ROPE[1], 0), (ROPE[2], 1)):
        table = theirs.get(name, torch.empty(0))
        ours = model.rope(len(table) if table.ndim else 0, torch.device("cpu"))
        if ours is None or table.shape != ours[i].shape or not torch.allclose(table, ours[i], rtol=0, atol=1e-3):
            raise InputError(
                f"{file}: {name} differs from the rotary positions of the paper (base 10000, head width 32)"
            )
