"""The URL holds the whole selection, and no URL can hurt."""

import base64
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from depthscope.core.errors import InputError
from depthscope.ui.visit.selection import (
    MAX_UNPACKED,
    MAX_URL_CHARS,
    PARAMETERS,
    TWIN,
    Example,
    Generated,
    Own,
    Selection,
    from_query,
    pack,
    to_query,
    unpack,
)

DEFAULT = Selection("graph-house", Example("twelve-hops"))

names = st.text(max_size=40)
origins = st.one_of(
    st.builds(Example, st.text(min_size=1, max_size=40)),
    st.builds(
        Generated,
        st.integers(1, 300),
        st.sampled_from(["audited", "paper"]),
        st.integers(0, 2**31 - 1),
        st.integers(0, 1),
    ),
    st.builds(Own, st.binary(max_size=600), st.none() | st.text(min_size=1, max_size=40), st.none() | st.just("gml")),
)
selections = st.builds(
    Selection,
    st.text(min_size=1, max_size=40),
    origins,
    st.none() | names,
    st.none() | names,
    st.none() | st.integers(1, 5000),
    st.none() | names,
    st.none() | st.just(TWIN) | origins,
)


def read(query: dict[str, str]) -> Selection:
    return from_query(query, DEFAULT, lambda _: None, lambda _: Example("first"))


@given(selections)
def test_what_goes_into_a_url_comes_out(selection: Selection) -> None:
    query = to_query(selection)
    assert set(query) <= set(PARAMETERS)
    assert read(query) == selection


def test_an_empty_url_is_the_default() -> None:
    assert read({}) == DEFAULT
    assert read({"checkpoint": "logic"}).origin == Example("first")
    assert read({"step": "4", "whatever": "x"}) == DEFAULT


def test_long_content_goes_by_its_digest() -> None:
    content = bytes(range(256)) * 20 + base64.b85encode(bytes(i * i % 251 for i in range(5000)))
    origin = Own(content, "a.gml")
    query = to_query(Selection("graph-house", origin))
    assert "text" not in query
    kept = {origin.digest: content}
    assert from_query(query, DEFAULT, kept.get, lambda _: Example("first")).origin == origin
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
