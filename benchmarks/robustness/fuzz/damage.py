"""Inputs that are nearly right: valid samples with some damage, and the words of a format in any order.

All of it is drawn by Hypothesis, so that a test shrinks what fails. Sizes stay small, since what is bounded here is the
time and memory that a small input can take; where a file is large a format's own limit is what counts.
"""

from __future__ import annotations

import io
import json
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

MOST = 1 << 16
"""Bytes of an input."""

ODD = [
    t.encode()
    for t in (
        "\0", "\r", "\n", "\t", "\\", '"', "'", "\x85", "\u2028", "\ufeff", "\u202e", "\u200d", "é", "日本", "🦊", "İ",
        "ﬀ", "Ⅷ", "٣", "²", "𝟘", "A\u0301", " ", "nan", "inf", "-inf", "-0", "null", "true", "None", "0x10", "1_000",
        "1e999", "1e-999", "-1", "9" * 20, "9" * 5000, str(1 << 31), str(1 << 63), str(1 << 64), "%s", "{0}", "../..",
        "a" * 70_000,
    )
] + [b"\xff", b"\xfe\xff", b"\xed\xa0\x80", b"\xc3", b"\x80\x02", b"\xff" * 8, b"\0" * 8]  # fmt: skip
"""Pieces that readers stumble on."""

NUMBERS = [b"-1", b"0.5", b"1e999", b"9" * 20, b"9" * 5000, b"nan"]
NESTS = [(b"(", b")"), (b"[", b"]"), (b"{", b"}"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"!", b""), (b"[[", b"]]")]
DEPTHS = (3, 101, 990, 5_000, 60_000)

PIECE = re.compile(rb"<[^<>\n]{1,80}>|[^,\n]{1,60}(?=[,\n])|[^\n]{1,60}(?=\n)|[\w.:*#-]{1,30}|[^\w\s]")
KEY = re.compile(rb'"([^"\\\n]{1,40})"\s*:')


def text(samples: Sequence[bytes], also: Sequence[str] = ()) -> st.SearchStrategy[bytes]:
    """Damaged samples, their words in any order, noise, and documents with their keys where they are JSON.

    Args:
        samples: Valid files.
        also: Words of the format that no sample has.
    """
    words = list(dict.fromkeys([*(word.encode() for word in also), *(x for s in samples for x in PIECE.findall(s))]))
    parts = [damaged(samples, words), damaged(samples, words), soup(words), st.binary(max_size=200)]
    keys = sorted({key.decode() for sample in samples for key in KEY.findall(sample)})
    whole = [sample for sample in samples if sample[:1] in (b"{", b"[") and _is_json(sample)]
    parts += [documents(keys)] if keys else []
    parts += [edited(whole, keys)] * 2 if keys and whole else []
    return st.one_of(parts)


def tensors(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """A safetensors file with a header of its own, a wrong length, or damage anywhere."""
    headers = [sample[8 : 8 + int.from_bytes(sample[:8], "little")] for sample in samples]
    datas = [sample[8 + len(header) :] for sample, header in zip(samples, headers, strict=True)]
    lengths = st.sampled_from([0, 1, 8, 1 << 20, 1 << 31, 1 << 63, (1 << 64) - 1])

    def file(header: bytes, rest: bytes, length: int | None) -> bytes:
        return (len(header) if length is None else length).to_bytes(8, "little") + header + rest

    headed = st.builds(file, text(headers), st.sampled_from([*datas, b""]), st.none() | st.none() | lengths)
    return st.one_of(headed, headed, damaged(samples), st.binary(max_size=99))


def zipped(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Zips with damage inside a member, odd members, sizes that lie, and damage anywhere."""
    inside = _inside(samples)
    return st.one_of(inside, inside, inside, damaged(samples), st.binary(max_size=99))


@st.composite
def damaged(
    draw: st.DrawFn, samples: Sequence[bytes], words: Sequence[bytes] = (), least: int = 0, most: int = MOST
) -> bytes:
    """A sample with up to five pieces of damage, `least` or more, cut to `most` bytes."""
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(least, 5))):
        data = draw(st.sampled_from(DAMAGES))(draw, data, samples, words)[:most]
    return data


def soup(words: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Words of a format in any order."""
    separators = st.sampled_from([b" ", b"", b"\n", b", "])
    word = st.one_of(st.sampled_from(words), st.sampled_from(words), st.sampled_from(words), st.sampled_from(ODD))
    return st.builds(lambda separator, parts: separator.join(parts)[:MOST], separators, st.lists(word, max_size=40))


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
    return st.builds(lambda x, ascii: json.dumps(x, ensure_ascii=ascii).encode("utf-8", "replace"), top, st.booleans())


@st.composite
def edited(draw: st.DrawFn, samples: Sequence[bytes], keys: Sequence[str]) -> bytes:
    """A JSON sample in which up to three values, however deep, are others, have another key or are gone."""
    document = json.loads(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        if not places:
            break
        parent, at = draw(st.sampled_from(places))
        if draw(st.booleans()):
            parent[at] = json.loads(draw(documents(keys)))
        elif isinstance(parent, dict):
            parent[draw(st.sampled_from(keys))] = parent.pop(at)
        else:
            del parent[at]
    return json.dumps(document).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or object in a document with each of its indices or keys, those in long lists left out."""
    for at in list(value) if isinstance(value, dict) else range(min(len(value), 8)) if isinstance(value, list) else ():
        yield value, at
        yield from _places(value[at])


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


# damage, each (draw, data, samples, words)


def _span(draw: st.DrawFn, data: bytes) -> tuple[int, int]:
    """A piece of a file, more often a short one."""
    start = draw(st.integers(0, len(data)))
    return start, min(len(data), start + draw(st.sampled_from([1, 2, 8, 64, len(data)])))


def _flip(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    at, bit = draw(st.integers(0, len(data))), draw(st.integers(0, 7))
    return data if at == len(data) else data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def _cut(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _replace(draw: st.DrawFn, data: bytes, samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """A piece is deleted, or noise, a word or a piece of a sample comes before or in its place."""
    start, end = _span(draw, data)
    other = draw(st.sampled_from(samples))
    piece = draw(
        st.just(b"")
        | st.sampled_from([*ODD, *words, *words])
        | st.binary(max_size=64)
        | st.builds(lambda ends: other[ends[0] : ends[1]], st.tuples(*[st.integers(0, len(other))] * 2).map(sorted))
    )
    return data[:start] + piece + data[start if piece and draw(st.booleans()) else end :]


def _repeat(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    start, end = _span(draw, data)
    times = draw(st.sampled_from([2, 3, 100, 10_000]))
    return data[:start] + data[start:end] * min(times, 1 + MOST // max(1, end - start)) + data[end:]


def _replace_number(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    digits = [i for i, byte in enumerate(data[:4000]) if 48 <= byte <= 57]
    if not digits:
        return data
    at = draw(st.sampled_from(digits))
    return data[:at] + draw(st.sampled_from(NUMBERS)) + data[at + 1 :]


def _nest(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    (opened, closed), depth = draw(st.sampled_from(NESTS)), draw(st.sampled_from(DEPTHS))
    start, end = _span(draw, data)
    tail = closed * (depth if draw(st.booleans()) else 0)
    return data[:start] + opened * depth + data[start:end] + tail + data[end:]


def _swap_lines(draw: st.DrawFn, data: bytes, *_: object) -> bytes:
    lines = data.split(b"\n")
    i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


DAMAGES: Sequence[Callable[..., bytes]] = (
    _flip, _flip, _cut, _replace, _replace, _replace, _replace, _replace, _repeat, _replace_number, _nest, _swap_lines,
)  # fmt: skip

ODD_NAMES = ["../x", "/config.json", "C:\\config.json", "a/b/config.json", "é", "", ".DS_Store", "x\0y"]


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
            members[i] = draw(st.sampled_from(ODD_NAMES)), content
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
        data = data[:at] + struct.pack("<I", draw(st.sampled_from([0, 1, 1 << 16, (1 << 32) - 1]))) + data[at + 4 :]
    return data
