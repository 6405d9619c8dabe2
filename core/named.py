"""What a user names at start-up as MODULE:NAME: adapters, tasks and instruments of one's own."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from depthscope.core.errors import InputError

MODULE_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)

T = TypeVar("T")

PARTS = ("core", "probes", "figures", "ui", "pages")
"""Folders that were packages of their own before they became parts of `depthscope`."""


def name_each(variable: str, texts: Iterable[str], name: Callable[[str], object]) -> None:
    """Names what the command line gives, and then what an environment variable gives, with commas between.

    The variable then has them all, for the programs that this one starts.
    """
    wanted = [*dict.fromkeys(x.strip() for x in (*texts, *os.environ.get(variable, "").split(",")) if x.strip())]
    for text in wanted:
        name(text)
    if wanted:
        os.environ[variable] = ",".join(wanted)


def imported(text: str, what: str, example: str) -> Any:
    """Imports what a user named.

    For what comes from the command line or the environment of the program, never for what a file says.

    Args:
        text: MODULE:NAME.
        what: What it is, in messages: "an adapter".
        example: How it is named, in messages.

    Raises:
        InputError: If it is not so named, or there is no such thing.
    """
    if not MODULE_NAME.fullmatch(text):
        raise InputError(f"{what} is named as {example} (got {text!r:.80})")
    module, _, attribute = text.partition(":")
    try:
        result = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name and (module + ".").startswith(error.name + "."):
            raise InputError(
                f"there is no module {module!r} where Python looks (its folder goes on PYTHONPATH)"
            ) from None
        part = (error.name or "").partition(".")[0]
        if part in PARTS:
            raise InputError(
                f"{module!r} imports {error.name!r}, which is a part of depthscope now: write `from "
                f"depthscope.{part}... import ...` there"
            ) from None
        raise InputError(f"importing {module!r} failed: {error}") from None
    except (Exception, SystemExit) as error:  # whatever the user's module raises while it is read
        raise InputError(f"importing {module!r} failed: {type(error).__name__}: {error}") from None
    if result is None:
        raise InputError(f"the module {module!r} has no {attribute!r}")
    return result


def named(text: str, kind: type[T], what: str, example: str = "MODULE:NAME, such as mine.clock:Clock") -> T:
    """Imports the object that a user named.

    Args:
        text: MODULE:NAME.
        kind: Class that it is of.
        what: What it is, in messages: "an instrument".
        example: How it is named, in messages.

    Raises:
        InputError: If there is no such object, importing it fails, or it is of another class.
    """
    result = imported(text, what, example)
    if not isinstance(result, kind):
        raise InputError(f"{text} is not {what}: it is of the class {type(result).__name__}")
    return result
