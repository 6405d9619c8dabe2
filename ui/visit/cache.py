"""What the app remembers between runs: recent values within a bound of bytes, named by digests of what made them.

Streamlit's own cache hashes large arrays by a sample, so nothing here is ever keyed by an array itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np
import streamlit as st

V = TypeVar("V")

MOST_LOOKED_AT = 200
"""Entries of a list whose sizes are added up."""


class Recent:
    """Values by key; the least recently used go first once they hold more than `max_bytes` together."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._values: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Any | None:
        """The value of a key, None if it is not kept."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: str, value: Any) -> None:
        """Keeps a value; one that is larger than the whole bound stays alone."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = (value, size_of(value))
            while len(self._values) > 1 and sum(s for _, s in self._values.values()) > self.max_bytes:
                self._values.popitem(last=False)

    def make(self, key: str, make: Callable[[], V]) -> V:
        """The kept value of a key, made first if there is none."""
        value = self.get(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value


def size_of(value: Any) -> int:
    """Bytes of the arrays and texts that a value holds, about; of a long list some entries stand for all."""
    total, stack = 1000.0, [(value, 1.0)]
    while stack:
        one, times = stack.pop()
        if isinstance(one, np.ndarray):
            total += times * one.nbytes
        elif isinstance(one, str | bytes):
            total += times * len(one)
        elif isinstance(one, tuple | list):
            some = one[:: 1 + len(one) // MOST_LOOKED_AT]
            stack += [(part, times * len(one) / len(some)) for part in some]
        elif is_dataclass(one) or isinstance(one, Mapping):
            parts = one.values() if isinstance(one, Mapping) else vars(one).values()
            stack += [(part, times) for part in parts]
        else:
            total += 8 * times
    return round(total)


@st.cache_resource(show_spinner=False)
def recent(kind: str, max_bytes: int) -> Recent:
    """The store of one kind of value (files, instances, traces, drawings), shared by all pages."""
    return Recent(max_bytes)


def fingerprint(*parts: Any) -> str:
    """A digest that differs where any byte of any part differs; dataclasses by the fields they are compared by."""
    digest = blake2b(digest_size=16)
    _feed(digest, parts)
    return digest.hexdigest()


def _feed(digest: blake2b, value: Any) -> None:
    if isinstance(value, np.ndarray):
        head, body = f"array {value.dtype.str} {value.shape}", np.ascontiguousarray(value).tobytes()
    elif isinstance(value, bytes):
        head, body = "bytes", value
    elif isinstance(value, tuple | list):
        _feed(digest, f"sequence of {len(value)}")
        for part in value:
            _feed(digest, part)
        return
    elif hasattr(value, "__dataclass_fields__"):
        compared = [f.name for f in fields(value) if f.compare]
        _feed(digest, (type(value).__qualname__, *compared))
        _feed(digest, tuple(getattr(value, name) for name in compared))
        return
    elif value is None or isinstance(value, str | int | float):
        head, body = type(value).__name__, str(value).encode("utf-8", "surrogatepass")
    else:
        raise TypeError(f"a {type(value).__name__} has no fingerprint")
    digest.update(f"{head}:{len(body)}:".encode())
    digest.update(body)
