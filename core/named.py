"""What a user names at start-up as MODULE:NAME: adapters, tasks and instruments of one's own."""

from __future__ import annotations

import importlib
import re
from typing import Any, TypeVar

from depthscope.core.errors import InputError

MODULE_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)

T = TypeVar("T")


def named(text: str, kind: type[T], what: str) -> T:
    """Imports the object that a user named.

    For what comes from the command line or the environment of the program, never for what a file says.

    Args:
        text: MODULE:NAME, the module as Python imports it.
        kind: Class that it is of.
        what: Word for it in messages, such as "an adapter".

    Raises:
        InputError: If there is no such object, importing it fails, or it is of another class.
    """
    if not MODULE_NAME.fullmatch(text):
        raise InputError(f"{what} is named as MODULE:NAME, such as mine.clock:Clock (got {text!r:.80})")
    module, _, attribute = text.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name and (module + ".").startswith(error.name + "."):
            raise InputError(
                f"there is no module {module!r} where Python looks (its folder goes on PYTHONPATH)"
            ) from None
        raise InputError(f"importing {module!r} failed: {error}") from None
    except (Exception, SystemExit) as error:  # whatever the user's module raises while it is read
        raise InputError(f"importing {module!r} failed: {type(error).__name__}: {error}") from None
    if found is None:
        raise InputError(f"the module {module!r} has no {attribute!r}")
    if not isinstance(found, kind):
        raise InputError(f"{text} is not {what}: it is of the class {type(found).__name__}")
    return found
