"""Letters for checkpoints that know only A to Z."""

from __future__ import annotations

import pytest

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.encode import letter_names
from depthscope.core.tasks.graph.formats import parse


def test_letters_keep_their_own() -> None:
    assert letter_names(parse("C A\nA Z")) == ([3, 1, 26], ())


def test_other_names_get_free_letters_and_the_mapping_is_said() -> None:
    ids, notes = letter_names(parse("foo A\nA a\na C"))
    assert ids == [2, 1, 4, 3]
    assert notes == ("This checkpoint knows only the names A to Z: 'foo' is B, 'a' is D.",)


def test_all_letters_are_given_once_and_no_more() -> None:
    names = "\n".join(f"n{i}" for i in range(26))
    assert sorted(letter_names(parse(names))[0]) == list(range(1, 27))
    with pytest.raises(InputError, match="27 nodes"):
        letter_names(parse(names + "\nn26"))
