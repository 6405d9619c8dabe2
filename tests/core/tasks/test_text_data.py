"""Generated texts can be read back, and are what they claim to be."""

import numpy as np
import pytest

from core.tasks import text
from core.tasks.text_data import PAPER_MAX_CHAIN, REACH


@pytest.mark.parametrize("data", ["audited", "paper"])
def test_generated_texts_read_back_as_themselves(data: str) -> None:
    for difficulty in (1, 2, 3, 5, 8, PAPER_MAX_CHAIN):
        drawn = text.generate(difficulty, 130, data)
        for instance in drawn:
            again = text.parse(text.render(instance))
            assert again == instance
            assert again.notes == ()
            assert instance.difficulty == difficulty
        assert [x.label for x in drawn].count(1) == 65


def test_twins_differ_in_one_fact_and_are_asked_the_same() -> None:
    drawn = text.generate(5, 100)
    for one, other in zip(drawn[::2], drawn[1::2], strict=True):
        assert (one.names, one.query) == (other.names, other.query)
        assert (one.facts[:, [0, 2]] == other.facts[:, [0, 2]]).all()
        assert (one.facts[:, 1] != other.facts[:, 1]).sum() == 1
        assert {one.label, other.label} == {0, 1}
        assert max(np.abs(one.offset).max(), np.abs(other.offset).max()) <= REACH
