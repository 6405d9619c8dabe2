"""Inputs that are nearly right: valid samples with some damage, and the words of a format in any order.

All of it is drawn by Hypothesis, so that a test shrinks what fails. Sizes stay small,
since what is bounded here is the
time and memory that a small input can take; where a file is large a format's own limit is what counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

MOST = 1 << 16
"""Bytes of an input."""

ODD = [
    t.encode()
    for t in (
        "\0", "\r", "\n", "\t", "\\", '"', "'", "\x85", "\u2028", "\ufeff", "\u202e", "\u200d", "é", "日本", "🦊", "İ",
        "ﬀ",
        "Ⅷ", "٣", "²", "𝟘", "A\u0301", " ", "nan", "inf", "-inf", "-0", "null", "true", "None", "0x10", "1_000",
        "1e999",
        "1e-999", "-1", "9" * 20, "9" * 5000, str(1 << 31), str(1 << 63), str(1 << 64), "%s", "{0}", "../..",
        "a" * 70_000,
    )
] + [b"\xff", b"\xfe\xff", b"\xed\xa0\x80", b"\xc3", b"\x80\x02", b"\xff" * 8, b"\0" * 8]  # fmt: skip
"""Pieces that readers stumble on."""

NESTS = [(b"(", b")"), (b"[", b"]"), (b"{", b"}"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"!", b""), (b"[[", b"]]")]
DEPTHS = (3, 101, 990, 5_000, 60_000)


@st.composite
def damaged(draw: st.DrawFn, samples: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """A sample with up to five pieces of damage."""
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(0, 5))):
        data = draw(st.sampled_from(_KINDS))(draw, data, samples, words)[:MOST]
    return data


def soup(words: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Words of a format in any order."""
    separators = st.sampled_from([b" ", b"", b"\n", b", "])
    pieces = st.lists(st.sampled_from([*words, *words, *words, *ODD]), max_size=40)
    return st.tuples(separators, pieces).map(lambda x: x[0].join(x[1])[:MOST])


def documents(keys: Sequence[str]) -> st.SearchStrategy[bytes]:
    """JSON in which the keys of a format stand anywhere."""
    names = st.sampled_from([*keys, "", "a", "é", "1"])
    leaves = st.one_of(
        st.none(), st.booleans(), st.integers(-3, 3), names, st.text(max_size=3),
        st.sampled_from([1 << 31, 1 << 63, 10**30, -1, 0.5, 1e308, "9" * 5000, "nan"]), st.floats(allow_nan=False),
    )  # fmt: skip
    values = st.recursive(
        leaves, lambda x: st.lists(x, max_size=4) | st.dictionaries(names, x, max_size=5), max_leaves=12
    )
    top = st.dictionaries(names, values, max_size=6) | values
    return st.tuples(top, st.booleans()).map(lambda x: json.dumps(x[0], ensure_ascii=x[1]).encode("utf-8", "replace"))


def place(draw: st.DrawFn, data: bytes) -> int:
    """Some place in a file."""
    return draw(st.integers(0, len(data)))


def span(draw: st.DrawFn, data: bytes) -> tuple[int, int]:
    """A piece of a file, more often a short one."""
    start = place(draw, data)
    length = draw(st.sampled_from([1, 2, 8, 64, len(data)]))
    return start, min(len(data), start + length)


def _flip(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    at, bit = place(draw, data), draw(st.integers(0, 7))
    return data if at == len(data) else data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def _delete(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    start, end = span(draw, data)
    return data[:start] + data[end:]


def _repeat(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    start, end = span(draw, data)
    times = draw(st.sampled_from([2, 3, 100, 10_000]))
    return data[:start] + data[start:end] * min(times, 1 + MOST // max(1, end - start)) + data[end:]


def _splice(draw: st.DrawFn, data: bytes, samples: Sequence[bytes], *_: object) -> bytes:
    other = draw(st.sampled_from(samples))
    start, end = span(draw, other)
    at = place(draw, data)
    return data[:at] + other[start:end] + data[at:]


def _cut(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    return data[: place(draw, data)]


def _insert(draw: st.DrawFn, data: bytes, _samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at, piece = place(draw, data), draw(st.sampled_from([*ODD, *words, *words]))
    return data[:at] + piece + data[at:]


def _replace_number(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    digits = [i for i, byte in enumerate(data[:4000]) if 48 <= byte <= 57]
    if not digits:
        return data
    at = draw(st.sampled_from(digits))
    return data[:at] + draw(st.sampled_from([b"-1", b"0.5", b"1e999", b"9" * 20, b"9" * 5000, b"nan"])) + data[at + 1 :]


def _nest(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    (opened, closed), depth = draw(st.sampled_from(NESTS)), draw(st.sampled_from(DEPTHS))
    start, end = span(draw, data)
    tail = closed * (depth if draw(st.booleans()) else 0)
    return data[:start] + opened * depth + data[start:end] + tail + data[end:]


def _swap_lines(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    lines = data.split(b"\n")
    i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def _noise(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    start, end = span(draw, data)
    return data[:start] + draw(st.binary(max_size=64)) + data[end:]


_KINDS: Sequence[Callable[..., bytes]] = (
    _flip, _flip, _delete, _repeat, _splice, _cut, _insert, _insert, _replace_number, _nest, _swap_lines, _noise,
)  # fmt: skip
