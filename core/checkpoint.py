"""Checkpoints on disk: one folder of weights, config, metrics and card, in the Hugging Face layout.

    <name>/model.safetensors   weights; never a pickle
    <name>/config.json         {"version", "name", "kind", "config": fields of ModelConfig, "recipe", "training",
                               "sha256", "parameters", "files", "digest"}; the kind is looked up in `core.kinds`, never
                               imported; the last two and sha256 are the index, see `core.files.digests`
    <name>/metrics.json        what was measured
    <name>/README.md           the card
    <name>/training.jsonl      what its training logged, see `core.training.log`; not read here

Owns reading, checking and writing them. What is trained is `core.training.train`'s business; weights of the paper's
release come in through `core.exchange.paper_import`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from depthscope.core import kinds as adapters
from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.files import atomic, digests, hub, places
from depthscope.core.files.strict_json import dumps, plain

CHECKPOINTS = places.ROOT / "checkpoints"
"""Where the shipped checkpoints lie."""

WEIGHTS, CONFIG, METRICS, CARD = "model.safetensors", "config.json", "metrics.json", "README.md"
PROBES = ("probes.safetensors", "probes.json")
"""What `probes` keeps beside the weights; fetched along with them, read there."""
VERSION = 1
"""Of the format of config.json; those that name none are of the first."""

MAX_WEIGHT_BYTES = 2 << 30
MAX_JSON_BYTES = 8 << 20
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Checkpoint:
    """Weights, config and metrics of one trained model.

    Attributes:
        name: Name it goes by.
        model: The model, in eval mode: a `core.protocol.RecurrentModel` that is a torch.nn.Module.
        config: Its architecture.
        recipe: Name of the recipe it was trained with.
        training: What it was trained on: "difficulty" [low, high], "steps" [low, high], "seed", "data", ...
        metrics: What was measured when it was made.
        sha256: Of model.safetensors.
        n_parameters: Number of weights.
        folder: Where it lies; None if nowhere.
        kind: Kind of the model, a name in `core.kinds`.
    """

    name: str
    model: Any
    config: ModelConfig
    recipe: str
    training: dict[str, Any]
    metrics: dict[str, Any]
    sha256: str
    n_parameters: int
    folder: Path | None
    kind: str = adapters.DEFAULT


def load(name_or_path: str | Path, device: str = "cpu") -> Checkpoint:
    """Opens a checkpoint.

    Args:
        name_or_path: Name of a shipped checkpoint, a folder, a .safetensors file with config.json beside it, or the id
            "owner/name" of a repository on the Hugging Face hub.
        device: Where its weights go.

    Raises:
        InputError: If there is no such checkpoint, or it is not whole: a file is missing, truncated, changed, does not
            fit the config, or holds weights that are not finite numbers.
    """
    weights = _find(name_or_path)
    folder = weights.parent
    settings, config = read_settings(folder)
    kind = _kind(settings, folder / CONFIG)
    model = _empty_model(kind, config, folder / CONFIG)
    content = _read_weights(weights)
    tensors = _tensors(content, weights)
    _check_tensors(tensors, model, weights)
    sha256 = digests.of(content)
    bare = set(settings) == {"config"}
    if settings.get("sha256", sha256 if bare else None) != sha256:
        raise InputError(f"{weights} does not match the sha256 in its config.json: it was changed or belongs elsewhere")
    if not is_original(folder, CARD, settings):
        logging.getLogger(__name__).warning("%s was edited since the checkpoint was written", folder / CARD)
    model.load_state_dict(tensors, assign=True)
    _check_whole(model, kind)
    try:
        model.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"the device {device!r} cannot be used: {str(error).splitlines()[0]:.60}") from None
    return Checkpoint(
        name=str(settings.get("name", folder.name)),
        model=model.eval(),
        config=config,
        recipe=str(settings.get("recipe", "")),
        training=_dictionary(settings, "training", folder / CONFIG),
        metrics=read_metrics(folder, settings),
        sha256=sha256,
        n_parameters=sum(p.numel() for p in model.parameters()),
        folder=folder,
        kind=kind,
    )


def save(
    folder: Path,
    model: nn.Module,
    *,
    name: str,
    recipe: str,
    training: dict[str, Any],
    metrics: dict[str, Any],
    card: str,
) -> None:
    """Writes a checkpoint, whole or not at all.

    A new folder appears in one move. In a folder that is there already each file is moved over its predecessor once all
    are written, and other files stay. The kind is the model's class: built in, or MODULE:CLASS.

    Raises:
        InputError: If it cannot be written.
        ValueError: If its class could not be named at start-up again.
    """
    config: Any = model.config
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    content = safetensors.torch.save(tensors, metadata={"format": "pt"})
    settings = {
        "version": VERSION,
        "name": name,
        "kind": adapters.kind_of(model),
        "config": asdict(config),
        "recipe": recipe,
        "training": training,
        "parameters": sum(p.numel() for p in model.parameters()),
        "sha256": digests.of(content),
    }
    beside = {CARD: card.encode(), METRICS: (dumps(metrics, indent=2) + "\n").encode()}
    files = {**beside, WEIGHTS: content, CONFIG: written(digests.sealed(plain(settings), beside))}
    with atomic.folder(Path(folder)) as temporary:
        for file, data in files.items():
            (temporary / file).write_bytes(data)


def roots() -> tuple[Path, ...]:
    """Folders whose checkpoints are opened by name; the last is the one that new ones are kept in.

    In a checkout there is one. An installed package has the shipped ones, and the user's own in `places.home()`.
    """
    return (CHECKPOINTS,) if places.IS_CHECKOUT else (CHECKPOINTS, places.home() / "checkpoints")


def folder_of(name: str) -> Path:
    """Where the checkpoint of a name lies; among the shipped ones if there is none."""
    return next((root / name for root in roots() if (root / name / CONFIG).is_file()), CHECKPOINTS / name)


def available(*within: Path) -> list[dict[str, Any]]:
    """What `depthscope list` prints: one object a checkpoint, by name; folders that cannot be read are logged."""
    entries = []
    for path in (path for root in within or roots() for path in sorted(root.glob(f"*/{CONFIG}"))):
        try:
            entries.append(entry(path.parent))
        except InputError as error:
            logging.getLogger(__name__).warning("%s", error)
    return entries


def entry(folder: Path) -> dict[str, Any]:
    """What `available` says of the checkpoint in a folder; its weights are not read.

    Raises:
        InputError: If its config.json cannot be read.
    """
    settings, config = read_settings(folder)
    training = _dictionary(settings, "training", folder / CONFIG)
    return {
        "name": settings.get("name", folder.name),
        "task": config.task,
        "kind": _kind(settings, folder / CONFIG),
        "recipe": settings.get("recipe", ""),
        "parameters": settings.get("parameters"),
        "difficulty": training.get("difficulty"),
        "steps": training.get("steps"),
        "sha256": settings.get("sha256"),
    }


def read_settings(folder: Path) -> tuple[dict[str, Any], ModelConfig]:
    """What a checkpoint's config.json says, and the architecture in it.

    Raises:
        InputError: If it cannot be read, was changed since it was written, or the architecture makes no sense.
    """
    settings = _read_json(folder / CONFIG)
    version = settings.get("version", 1)
    if not isinstance(version, int) or version > VERSION:
        raise InputError(
            f"{folder / CONFIG} is of version {version!r:.20}, and this program reads up to {VERSION}; "
            "install a newer one"
        )
    config = _config(settings, folder / CONFIG)
    digests.check_settings(settings, folder / CONFIG)
    return settings, config


def read_metrics(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured when a checkpoint was made; empty where it does not say.

    Args:
        folder: Of the checkpoint.
        settings: What its config.json says.

    Raises:
        InputError: If its metrics.json cannot be read, or was changed since it was written.
    """
    path = folder / METRICS
    metrics = _read_json(path) if path.exists() else {}
    digests.check(settings, path, path.read_bytes() if path.exists() else None)
    return metrics


def is_original(folder: Path, file: str, settings: Mapping[str, Any]) -> bool:
    """Whether a file that people may edit is as the index of its checkpoint has it, or the index does not say."""
    path = folder / file
    try:
        digests.check(settings, path, path.read_bytes() if path.is_file() else None)
    except InputError:
        return False
    return True


def enter(folder: Path, files: Mapping[str, bytes]) -> None:
    """Enters files that lie in a checkpoint's folder in its index, if it has one.

    Args:
        folder: Of the checkpoint.
        files: Content by name.

    Raises:
        InputError: If its config.json cannot be read or written, or was changed since it was written.
    """
    settings, _ = read_settings(folder)
    if digests.FILES in settings:
        index = settings[digests.FILES] | {name: digests.of(content) for name, content in files.items()}
        atomic.write(folder / CONFIG, written(digests.indexed(settings, index)))


def seal(folder: Path) -> dict[str, str]:
    """Accepts the files of a checkpoint as they are: its index is written anew.

    Returns:
        SHA-256 by name of all files that the index then covers.

    Raises:
        InputError: If it does not open with these files, or cannot be written.
    """
    settings, weights = _read_json(folder / CONFIG), folder / WEIGHTS
    if set(settings) == {"config"}:
        raise InputError(f"{folder} has no index: it was written elsewhere, with its architecture alone")
    config, kind = _config(settings, folder / CONFIG), _kind(settings, folder / CONFIG)
    content = _read_weights(weights)
    _check_tensors(_tensors(content, weights), _empty_model(kind, config, folder / CONFIG), weights)
    there = {name: (folder / name).read_bytes() for name in (CARD, METRICS, *PROBES) if (folder / name).is_file()}
    known = {key: value for key, value in settings.items() if key in digests.KNOWN}
    sealed = digests.sealed({**known, "sha256": digests.of(content)}, there)
    atomic.write(folder / CONFIG, written(sealed))
    return {WEIGHTS: sealed["sha256"], **sealed[digests.FILES], CONFIG: sealed[digests.DIGEST]}


def written(settings: Mapping[str, Any]) -> bytes:
    """config.json as it is written."""
    return (dumps(settings, indent=2) + "\n").encode()


def _find(name_or_path: str | Path) -> Path:
    """The weights file of what a user named."""
    name = str(name_or_path)
    if "\0" in name or not name.strip() or max(len(part.encode()) for part in name.split("/")) > 255:
        raise InputError(f"{name!r:.80} is not the name of a checkpoint")
    named = folder_of(name)
    path = named if named.parent in roots() and (named / CONFIG).is_file() else Path(name)
    if path.suffix in PICKLES and not path.is_dir():
        raise InputError(
            f"{name!r:.200} is a pickle, which is not opened as a checkpoint; "
            f"turn it into one with: depthscope import {path.name} --task TASK --out DIR"
        )
    if path.is_dir():
        for file in (CONFIG, WEIGHTS):
            if not (path / file).is_file():
                raise InputError(_missing(path / file))
        return path / WEIGHTS
    if path.is_file():
        if path.suffix != ".safetensors":
            raise InputError(f"{name!r:.200} is not a checkpoint: give its folder or its .safetensors file")
        return path
    local = path.is_absolute() or name[0] == "." or Path(name.split("/")[0]).exists()
    if HUB_ID.fullmatch(name) and not local:
        return hub.download(name, (CONFIG, WEIGHTS), (METRICS, CARD, *PROBES)) / WEIGHTS
    if len(name) > 200 or "/" in name:
        raise InputError(f"there is no checkpoint at {name[:200]!r}")
    names = ", ".join(entry["name"] for entry in available()) or "none yet"
    raise InputError(f"there is no checkpoint {name!r:.200}; the shipped ones are: {names}")


def _missing(path: Path) -> str:
    """What to say when a folder lacks a file."""
    pickles = [p.name for p in sorted(path.parent.iterdir()) if p.suffix in PICKLES]
    if path.name == WEIGHTS and pickles:
        return (
            f"{path.parent} has a pickle ({pickles[0]}) in place of {WEIGHTS}; "
            f"turn it into a checkpoint with: depthscope import {pickles[0]} --task TASK --out DIR"
        )
    return f"{path.parent} is not a whole checkpoint: {path.name} is missing"


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise InputError(f"{path} is larger than {MAX_JSON_BYTES >> 20} MB, which no {path.name} is")
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path.parent} is not a whole checkpoint: {path.name} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not readable as JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} should hold a JSON object (got a {type(values).__name__})")
    if path.name == CONFIG and "config" not in values and "vocabulary" in values:
        return {"config": values}  # as save_pretrained writes it: the architecture alone, no sha256
    return values


def _dictionary(settings: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = settings.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{path}: {key!r} should be an object (got {value!r:.80})")
    return value


def _config(settings: dict[str, Any], path: Path) -> ModelConfig:
    if "config" not in settings:
        raise InputError(f"{path} has no 'config', the architecture")
    try:
        return ModelConfig.from_dict(_dictionary(settings, "config", path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _kind(settings: dict[str, Any], path: Path) -> str:
    kind = settings.get("kind", adapters.DEFAULT)
    if not isinstance(kind, str):
        raise InputError(f"{path}: 'kind' should be a name (got {kind!r:.80})")
    return kind


class _Uninitialised(TorchFunctionMode):
    """Draws no first values: on weights without memory normal_ and randn load torch's compiler, for seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs.get("tensor", args[0] if args else None)
        return (torch.empty if func in (torch.randn, torch.rand) else func)(*args, **kwargs)


def _empty_model(kind: str, config: ModelConfig, path: Path) -> Any:
    """The model without memory behind its weights, so that an absurd config costs nothing."""
    try:
        with _Uninitialised(), torch.device("meta"):
            return adapters.make(kind, config)
    except InputError as error:
        raise InputError(f"{path} cannot be opened: {error}") from None
    except Exception as error:  # whatever an adapter's own code raises
        says = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path} describes no model that can be built: {says}") from None


def _check_whole(model: nn.Module, kind: str) -> None:
    """Every tensor of the model came from the file; what is not saved cannot be restored."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise InputError(
                f"a model of kind {kind!r:.120} keeps {name!r:.80} out of its state_dict, so it is not saved"
            )


def _read_weights(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_WEIGHT_BYTES:
        raise InputError(f"{path} has {size >> 30} GiB of weights; at most {MAX_WEIGHT_BYTES >> 30} GiB are opened")
    return path.read_bytes()


def _tensors(content: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name."""
    if content[:4] == b"PK\x03\x04" or content[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise InputError(
            f"{path} is a pickle under another name, which is not opened as a checkpoint; "
            f"turn it into one with: depthscope import {path.name} --task TASK --out DIR"
        )
    try:
        return safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} is truncated or is not a safetensors file ({error!s:.200})") from None


def _check_tensors(tensors: dict[str, Tensor], model: nn.Module, path: Path) -> None:
    """Compares names, shapes and types with what the config asks for, and looks at every number."""
    expected = model.state_dict()
    for name in expected:
        if name not in tensors:
            raise InputError(f"{path} lacks the weights {name!r:.100} that its config.json asks for")
    for name, tensor in tensors.items():
        if name not in expected:
            raise InputError(f"{path} has weights {name!r:.120} that its config.json does not ask for")
        if tensor.shape != expected[name].shape:
            got, wanted = tuple(tensor.shape), tuple(expected[name].shape)
            raise InputError(f"{path}: {name} has shape {got}, but its config.json asks for {wanted}")
        if tensor.dtype != expected[name].dtype:
            raise InputError(f"{path}: {name} is {tensor.dtype}, but should be {expected[name].dtype}")
        if not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{path}: {name} holds weights that are not finite numbers (NaN or infinity)")
