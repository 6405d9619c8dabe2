"""What is remembered is named by every byte of what made it, and bounded."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from depthscope.ui.visit.cache import Recent, fingerprint, size_of


def test_one_element_of_a_large_array_changes_its_fingerprint() -> None:
    array = np.zeros(600_000, dtype=np.int8)
    seen = {fingerprint(array)}
    for i in range(0, len(array), 20_000):
        changed = array.copy()
        changed[i] = 1
        seen.add(fingerprint(changed))
    assert len(seen) == 31


def test_fingerprints_tell_types_and_groupings_apart() -> None:
    values = [
        1,
        "1",
        b"1",
        (1,),
        ((1,),),
        (1, 1),
        None,
        "None",
        ("ab", "c"),
        ("a", "bc"),
        np.array([1]),
        np.array([[1]]),
    ]
    values += [np.array([1], dtype=np.int8), 1.0, True]
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint("a", "b") == fingerprint("a", "b")


def test_fields_that_do_not_count_are_left_out() -> None:
    @dataclass(frozen=True)
    class Thing:
        a: int
        note: str = field(default="", compare=False)

    assert fingerprint(Thing(1, "x")) == fingerprint(Thing(1, "y"))
    assert fingerprint(Thing(1)) != fingerprint(Thing(2))
    with pytest.raises(TypeError, match="set"):
        fingerprint({1})


def test_recent_forgets_the_least_recently_used() -> None:
    recent = Recent(max_bytes=10_000)
    for key in "abc":
        recent.put(key, key.upper() * 3000)
    assert recent.get("a") is None
    assert recent.get("b") == "B" * 3000
    recent.put("d", "D" * 3000)
    assert recent.get("c") is None
    assert recent.get("b") == "B" * 3000
    recent.put("large", "L" * 20_000)
    assert recent.get("large") == "L" * 20_000
    assert recent.get("b") is None


def test_the_size_of_a_value_is_that_of_what_it_holds() -> None:
    @dataclass
    class Run:
        states: np.ndarray
        parts: dict[str, list[np.ndarray]]
        model: object = field(default_factory=object)

    run = Run(np.zeros(10_000), {"a": [np.zeros(500) for _ in range(1000)]})
    assert 80_000 + 4_000_000 < size_of(run) < 80_000 + 4_000_000 + 2000
    assert size_of(("x" * 5000, b"y" * 5000)) > 10_000
    assert size_of([]) > 0


def test_recent_makes_once() -> None:
    recent, made = Recent(100), []
    for _ in range(3):
        assert recent.make("k", lambda: made.append(1) or "value") == "value"
    assert made == [1]
