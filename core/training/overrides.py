"""Overrides of a recipe: read from FIELD=VALUE, applied by dotted field, checked by the fields' own types.

Knows only frozen dataclasses; what a recipe's settings must agree on is `core.training.recipes.check`'s business.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from depthscope.core.errors import InputError

T = TypeVar("T")

MAX_COUNT = 10**9


def assignment(text: str) -> tuple[str, Any]:
    """Field and value of `FIELD=VALUE`.

    Raises:
        InputError: If there is no `=`.
    """
    name, equals, written = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"a setting is FIELD=VALUE, such as model.state_norm=false (got {text!r:.80})")
    return name.strip(), value(written.strip())


def value(text: str) -> Any:
    """A value as JSON, or the bare word where it is none: `1e-3`, `null`, `[1, 5]`, `rope`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Overrides from a table of a plan: nested tables become dotted fields, strings are read as on the command line."""
    result: dict[str, Any] = {}
    for name, entry in table.items():
        if isinstance(entry, Mapping):
            result |= flat(entry, f"{prefix}{name}.")
        else:
            result[f"{prefix}{name}"] = value(entry) if isinstance(entry, str) else entry
    return result


def written(overrides: Mapping[str, Any]) -> list[str]:
    """Each override as `FIELD=VALUE`; `assignment` reads them back."""
    return [f"{name}={v if isinstance(v, str) else json.dumps(v)}" for name, v in overrides.items()]


def arguments(overrides: Mapping[str, Any]) -> str:
    """The overrides as arguments of a shell command, a space before each."""
    return "".join(f" --set {shlex.quote(text)}" for text in written(overrides))


def replaced(settings: T, overrides: Mapping[str, Any], prefix: str = "") -> T:
    """A frozen dataclass with some fields replaced.

    Args:
        settings: The dataclass; fields of a dataclass inside it are named with a dot.
        overrides: Value by field, in types that JSON has.
        prefix: Of the names in messages.

    Raises:
        InputError: If there is no such field, or it takes no such value.
    """
    assert is_dataclass(settings)
    kinds = get_type_hints(type(settings))
    known = [f.name for f in fields(settings)]
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, given in overrides.items():
        head, dot, rest = name.partition(".")
        if head not in known:
            raise InputError(f"there is no setting {prefix + head!r:.80}; there are: {', '.join(known)}")
        if dot:
            inner.setdefault(head, {})[rest] = given
        else:
            own[head] = _fitted(given, kinds[head], prefix + head)
    for head, below in inner.items():
        part = own.get(head, getattr(settings, head))
        if not is_dataclass(part):
            got = f"{head}.{next(iter(below))}"
            raise InputError(f"{prefix}{head} is {json.dumps(part):.80} here and has no fields (got {got:.80})")
        own[head] = replaced(part, below, f"{prefix}{head}.")
    return replace(cast(Any, settings), **own)


def _fitted(given: Any, kind: Any, name: str) -> Any:
    """A value from JSON in a field's type."""
    origin, choices = get_origin(kind), get_args(kind)
    kinds = choices if origin in (Union, UnionType) else (kind,)
    for one in kinds:
        if one is NoneType and given is None:
            return None
        if get_origin(one) is Literal and isinstance(given, str) and given in get_args(one):
            return given
        if one is str and NoneType in kinds and isinstance(given, str) and given:
            return given
        if one is bool and isinstance(given, bool):
            return given
        if one is int and _is_count(given):
            return given
        if one is float and isinstance(given, int | float) and not isinstance(given, bool) and abs(given) <= MAX_COUNT:
            return float(given)
        if get_origin(one) is tuple and isinstance(given, list | tuple) and all(map(_is_count, given)):
            items = get_args(one)
            if len(given) == len(items) if items[-1] is not Ellipsis else len(given) > 0:
                return tuple(given)
    raise InputError(f"{name} should be {' or '.join(map(_described, kinds))} (got {given!r:.80})")


def _is_count(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and abs(given) <= MAX_COUNT


def _described(kind: Any) -> str:
    if is_dataclass(kind):
        return "set field by field"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return "whole numbers as in [1, 2, 3]" if get_args(kind)[-1] is Ellipsis else "two whole numbers as in [1, 5]"
    names = {bool: "true or false", int: "a whole number", float: "a number", NoneType: "null", str: "a name"}
    return names.get(kind, "left as it is")
