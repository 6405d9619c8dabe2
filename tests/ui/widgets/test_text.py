"""Text of unknown origin stays text."""

import re

from hypothesis import given, strategies as st

from depthscope.ui.widgets.text import plain


@given(st.text(max_size=200))
def test_nothing_is_left_that_markdown_reads(text: str) -> None:
    out = plain(text)
    assert "\n" not in out
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>*_`\[\]$:#|~!-]", out)


def test_words_stay_and_length_is_bounded() -> None:
    assert plain("a <b> **c**\n$d$") == r"a \<b\> \*\*c\*\* \$d\$"
    assert len(plain("x" * 5000)) == 600


def test_addresses_are_words_and_no_links() -> None:
    for text in ("[l](http://a.b)", "HTTPS://a.b", "see www.a.b", "who@a.b"):
        out = re.sub(r"\\(.)", r"\1", plain(text))
        assert not re.search(r"https?://|www\.|\w@", out, re.IGNORECASE)
        assert out.replace("\u2060", "") == text
