"""Kinds of recurrent models: built in by name, others by the MODULE:CLASS that a user named at start-up.

A checkpoint says its kind in config.json. Only built-in kinds and those that a user named are ever made: what a
config.json says is looked up here, and nothing is imported for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from depthscope.core.config import ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.kinds.act import AdaptiveComputation
from depthscope.core.kinds.fixed_depth import FixedDepth
from depthscope.core.kinds.gru import TokenReader
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.named import MODULE_NAME, imported, name_each

DEFAULT = "depth-recurrent"
"""The kind of a checkpoint that names none."""

BUILT_IN: dict[str, type[nn.Module]] = {
    DEFAULT: DepthRecurrentTransformer,
    "act": AdaptiveComputation,
    "gru": TokenReader,
    "fixed-depth": FixedDepth,
}

TITLES = {
    DEFAULT: "A depth-recurrent Transformer",
    "act": "A weight-tied Transformer with adaptive computation time (ACT)",
    "gru": "A GRU that reads token by token",
    "fixed-depth": "A Transformer of fixed depth, each block with weights of its own,",
}
"""How a card calls them."""

VARIABLE = "DEPTHSCOPE_ADAPTERS"
"""Environment variable that names adapters, with commas between them."""

_named: dict[str, type[nn.Module]] = {}
"""What the user named since the program began."""


def name(adapter: str) -> type[nn.Module]:
    """Imports the class that a user named; checkpoints of this kind open from now on.

    For what comes from the command line or the environment of the program, never for what a file says.

    Args:
        adapter: MODULE:CLASS, the module as Python imports it.

    Raises:
        InputError: If there is no such class, importing it fails, or it is not a torch.nn.Module.
    """
    if adapter in _named:
        return _named[adapter]
    model_class = imported(adapter, "an adapter", "MODULE:CLASS, such as mine.clock:Clock")
    if not (isinstance(model_class, type) and issubclass(model_class, nn.Module)):
        raise InputError(f"{adapter} is not a class of torch.nn.Module, so it has no weights to load")
    _named[adapter] = model_class
    return model_class


def name_all(adapters: Iterable[str] = ()) -> None:
    """Names what the command line gives, and what the environment gives.

    Raises:
        InputError: As `name`.
    """
    name_each(VARIABLE, adapters, name)


def find(kind: str) -> type[nn.Module]:
    """The class of a kind; imports nothing.

    Raises:
        InputError: If it is neither built in nor named.
    """
    model_class = BUILT_IN.get(kind) or _named.get(kind)
    if model_class is not None:
        return model_class
    if MODULE_NAME.fullmatch(kind):
        raise InputError(
            f"its kind {kind!r:.120} is Python, which no checkpoint loads by itself; if you trust it, name it at "
            f"start-up: --adapter {kind:.120}"
        )
    raise InputError(f"there is no kind of model {kind!r:.80}; built in are {', '.join(BUILT_IN)}")


def make(kind: str, config: ModelConfig) -> Any:
    """An untrained model of a kind.

    Raises:
        InputError: If there is no such kind, or it cannot be made with this config.
    """
    model_class: Any = find(kind)
    return model_class(config)


def kind_of(model: nn.Module) -> str:
    """The kind that a checkpoint of this model has.

    Raises:
        ValueError: If its class has no name under which it could be imported again.
    """
    for kind, model_class in (*BUILT_IN.items(), *_named.items()):
        if type(model) is model_class:
            return kind
    kind = f"{type(model).__module__}:{type(model).__qualname__}"
    if kind.startswith("__main__:") or not MODULE_NAME.fullmatch(kind):
        raise ValueError(
            f"{kind} cannot be imported again: put the class on the top level of a module, not of a script"
        )
    return kind
