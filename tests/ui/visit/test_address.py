"""The URL holds the whole address, old links and session files open, and no URL can hurt."""

from __future__ import annotations

import base64
import json
import random
import zlib
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, strategies as st

from depthscope.core.errors import InputError
from depthscope.ui.visit import address as address_module
from depthscope.ui.visit.address import (
    MAX_UNPACKED,
    MAX_URL_CHARS,
    PARAMETERS,
    TWIN,
    Address,
    Example,
    Generated,
    Sample,
    UserInput,
    edits_fit,
    from_query,
    pack,
    to_query,
    unpack,
)
from depthscope.ui.visit.session_file import load

names = st.text(max_size=40)
seeds, kinds = st.integers(0, 2**31 - 1), st.sampled_from(["audited", "paper"])
inputs = st.builds(
    UserInput, st.binary(max_size=600), st.none() | st.text(min_size=1, max_size=40), st.none() | st.just("gml")
)
origins = st.one_of(
    st.builds(Example, st.text(min_size=1, max_size=40)),
    st.builds(Generated, st.integers(1, 300), kinds, seeds, st.integers(0, 1)),
    inputs,
)
samples = st.builds(Sample, st.sampled_from(["5", "1-12", "1-3,20"]), st.integers(1, 1000), kinds, seeds)
checkpoints = st.text(min_size=1, max_size=40)
steps = st.integers(1, 5000)
edits = st.sampled_from(["", "hold t=3", "zero t=3 node=B\ncut t=1.. edge=B<A", '[{"kind": "hold", "step": 2}]'])
addresses = st.builds(
    Address,
    checkpoints,
    origins,
    st.none() | names,
    st.none() | names,
    st.none() | steps,
    st.none() | names,
    st.none() | st.just(TWIN) | origins,
    st.none() | edits,
)
frontiers = st.builds(Address, checkpoints, samples | inputs, steps=steps)


def first(name: str | None) -> Address:
    return Address(name or "graph-house", Example("first" if name else "twelve-hops"))


def frontier(name: str | None) -> Address:
    return Address(name or "graph-house", Sample("1-12"), steps=20)


def read(query: dict[str, str]) -> Address:
    return from_query(query, first, lambda _: None)


@given(addresses)
def test_what_goes_into_a_url_comes_out(address: Address) -> None:
    query = to_query(address)
    assert set(query) <= set(PARAMETERS)
    assert read(query) == address


@given(frontiers)
def test_what_is_measured_goes_into_a_url_and_comes_out(address: Address) -> None:
    query = to_query(address)
    assert set(query) <= set(PARAMETERS)
    assert from_query(query, frontier, lambda _: None) == address


def test_an_empty_url_is_the_default() -> None:
    assert read({}) == first(None)
    assert read({"checkpoint": "logic"}).origin == Example("first")
    assert read({"step": "4", "whatever": "x"}) == first(None)
    assert from_query({}, frontier, lambda _: None) == frontier(None)
    one = from_query({"checkpoint": "x", "seed": "4"}, frontier, lambda _: None)
    assert one == Address("x", Sample("1-12", seed=4), steps=20)


LONG = random.Random(0).randbytes(3000)
OLD = json.loads((Path(__file__).parent / "old_links.json").read_text())
OF_OLD = [
    Address("graph-house", Example("cycle")),
    Address("graph-house", Generated(12, "paper", 3, 0), "A", "B", 12, "graph-paper"),
    Address("graph-house", Example("three-hops"), beside=TWIN),
    Address("logic-house-tree", UserInput(b"T & !F"), steps=9, beside=Example("depth-8")),
    Address(
        "graph-house", UserInput("météo,données\n".encode(), "été.csv", "table"), target="données",
        beside=UserInput(b"A B\n"),
    ),
    Address("graph-house", UserInput(LONG, "big.npy")),
]  # fmt: skip
FRONTIERS_OF_OLD = [
    Address("graph-house", Sample("1-3,5", 10, "audited", 3), steps=7),
    Address("text-house-facts", Sample("1-10", 100, "paper"), steps=44),
    Address("graph-house", UserInput(LONG, "mine.jsonl"), steps=9),
]


def test_links_and_session_files_of_before_still_open() -> None:
    kept = {UserInput(LONG).digest: LONG}
    for link, session, address in zip(OLD["links"], OLD["sessions"], OF_OLD, strict=True):
        assert from_query(dict(parse_qsl(link)), first, kept.get) == address
        assert load(session.encode(), first) == address
    for link, address in zip(OLD["frontiers"], FRONTIERS_OF_OLD, strict=True):
        assert from_query(dict(parse_qsl(link)), frontier, kept.get) == address
    listed = {"checkpoint": "graph-house", "example": "three-hops", "edits": "hold t=2\nrepeat t=5"}
    assert read(listed).edits == "hold t=2\nrepeat t=5"
    assert read(listed | {"edits": "none"}).edits == ""


def test_a_list_of_edits_in_a_link_is_the_same_list() -> None:
    text = "zero t=3 node=B\ncut t=1.. edge=B<A"
    address = Address("graph-house", Example("x"), edits=f"\n{text}\n\n")
    assert read(to_query(address)).edits == text
    long = Address("graph-house", Example("x"), edits="hold t=1\n" * MAX_URL_CHARS)
    assert not edits_fit(long.edits or "")
    assert "edits" not in to_query(long)


def test_content_is_hashed_and_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []
    real = address_module.pack
    monkeypatch.setattr(address_module, "pack", lambda content: calls.append(content) or real(content))
    address = Address("graph-house", UserInput(LONG))
    assert to_query(address) == to_query(address)
    assert len(calls) == 1
    assert isinstance(address.origin, UserInput)
    assert address.origin.digest is address.origin.digest


def test_long_content_goes_by_its_digest() -> None:
    content = bytes(range(256)) * 20 + base64.b85encode(bytes(i * i % 251 for i in range(5000)))
    origin = UserInput(content, "a.gml")
    query = to_query(Address("graph-house", origin))
    assert "text" not in query
    kept = {origin.digest: content}
    assert from_query(query, first, kept.get).origin == origin
    with pytest.raises(InputError, match="upload it again"):
        read(query)


def test_a_bomb_in_a_link_is_refused() -> None:
    bomb = base64.urlsafe_b64encode(zlib.compress(bytes(MAX_UNPACKED + 1), 9)).decode().rstrip("=")
    assert len(bomb) < MAX_URL_CHARS
    with pytest.raises(InputError, match="damaged"):
        unpack(bomb)
    assert pack(bytes(MAX_UNPACKED + 1)) is None


@given(st.text(max_size=100))
def test_no_text_breaks_unpacking(text: str) -> None:
    with suppress(InputError):
        assert isinstance(unpack(text), bytes)


@pytest.mark.parametrize(
    "query",
    [
        {"difficulty": "0"},
        {"difficulty": "x"},
        {"difficulty": "9" * 30},
        {"steps": "-1"},
        {"steps": "1e9"},
        {"steps": ""},
        {"difficulty": "3", "seed": "٣x"},
        {"difficulty": "3", "answer": "2"},
        {"text": "AAAA"},
        {"text": "é"},
    ],
)
def test_nonsense_in_a_link_gets_a_sentence(query: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"link"):
        read(query)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"steps": "0"}, "steps"),
        ({"steps": "9" * 30}, "steps"),
        ({"instances": "-3"}, "instances"),
        ({"seed": "x"}, "seed"),
        ({"content": "x", "steps": "99999999"}, "upload it again"),
        ({"text": pack(b"x") or "", "steps": "99999999"}, "steps"),
    ],
)
def test_nonsense_in_a_link_to_a_frontier_gets_a_sentence(query: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        from_query(query, frontier, lambda _: None)
