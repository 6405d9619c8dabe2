"""A session file brings back the address, whatever its length, and nothing else is taken for one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from depthscope.core.errors import InputError
from depthscope.ui.visit.address import Address, UserInput
from depthscope.ui.visit.session_file import dump, load
from tests.ui.visit.test_address import addresses, first


@given(addresses)
def test_it_comes_back(address: Address) -> None:
    assert load(dump(address).encode(), first) == address


def test_a_long_instance_travels_along() -> None:
    import random

    content = random.Random(0).randbytes(400_000)
    address = Address("graph-house", UserInput(content, "big.txt"), beside=UserInput(content[:300_000]))
    assert load(dump(address).encode(), first) == address


@given(st.binary(max_size=200))
def test_bytes_are_no_session(content: bytes) -> None:
    with pytest.raises(InputError):
        load(content, first)


def test_a_changed_instance_is_noticed() -> None:
    import random

    found = json.loads(dump(Address("graph-house", UserInput(random.Random(0).randbytes(400_000)))))
    (digest,) = found["contents"]
    for bad in ("AAAA", "no base64!"):
        found["contents"][digest] = bad
        with pytest.raises(InputError, match="damaged"):
            load(json.dumps(found).encode(), first)
    for wrong in ({**found, "query": {"steps": "3"}}, {**found, "contents": [1]}, {**found, "depthscope-session": 9}):
        with pytest.raises(InputError):
            load(json.dumps(wrong).encode(), first)
