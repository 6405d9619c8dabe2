"""Names for checkpoints that know only the paper's twenty."""

import pytest

from depthscope.core.errors import InputError
from depthscope.core.tasks.text.encode import known_names
from depthscope.core.tasks.text.grammar import parse
from depthscope.core.tasks.text.instance import NAMES, TOKEN


def test_known_names_keep_their_own() -> None:
    assert known_names(parse("Eve is the parent of Bob. Is Eve the child of Tina?")) == (
        [TOKEN["Eve"], TOKEN["Bob"], TOKEN["Tina"]],
        (),
    )


def test_others_get_free_names_and_the_mapping_is_said() -> None:
    ids, notes = known_names(parse("Zoe is the parent of Alice. alice is the child of Bob. Is Zoe the child of Bob?"))
    assert ids == [TOKEN[name] for name in ("Carol", "Alice", "Dave", "Bob")]
    assert notes == ("This checkpoint knows only 20 names: Zoe is Carol, alice is Dave.",)


def test_all_names_are_given_once_and_no_more() -> None:
    text = "".join(f"p{i} is the parent of p{i + 1}.\n" for i in range(19))
    assert known_names(parse(text + "Is p0 the child of p19?"))[0] == [TOKEN[name] for name in NAMES]
    with pytest.raises(InputError, match="21 people but this checkpoint knows only 20 names"):
        known_names(parse(text + "Is p0 the child of q?"))
