import contextlib
import itertools
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from depthscope.core.errors import InputError
from depthscope.core.tasks.text.grammar import MAX_CHARACTERS, MAX_FACTS, parse, render
from depthscope.core.tasks.text.instance import MAX_OFFSET, OFFSETS, TextInstance, relation_word

LETTERS = st.characters(codec="utf-8", categories=("L", "N", "Mn"))
WORD = st.text(LETTERS, min_size=1, max_size=8).map(lambda x: "Q" + x) | st.sampled_from(
    ["Ada", "bob", "Jean-Luc", "O'Brien", "n1", "李明", "José", "émile", "of1", "Island", "Mary Ann", "Query"]
)


@st.composite
def instances(draw: st.DrawFn) -> TextInstance:
    """Consistent facts about people with levels of their own, numbered as the text names them."""
    names = draw(st.lists(WORD.map(_normal), min_size=2, max_size=8, unique=True))
    level = draw(st.lists(st.integers(0, 3), min_size=len(names), max_size=len(names)))
    pairs = [(a, b) for a, b in itertools.permutations(range(len(names)), 2) if abs(level[a] - level[b]) <= 1]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=10)) if pairs else []
    asked = draw(st.tuples(*[st.sampled_from(range(len(names)))] * 2))
    order = list(dict.fromkeys([*itertools.chain(*chosen), *asked]))
    number = {old: new for new, old in enumerate(order)}
    facts = [(number[a], level[a] - level[b], number[b]) for a, b in chosen]
    query = (number[asked[0]], draw(st.sampled_from(OFFSETS)), number[asked[1]])
    return TextInstance(tuple(names[i] for i in order), np.array(facts, dtype=np.int64).reshape(-1, 3), query)


def _normal(name: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", name)


@pytest.mark.slow
@given(instances())
@settings(deadline=None, max_examples=200)
def test_a_text_reads_back_as_itself(instance: TextInstance) -> None:
    again = parse(render(instance))
    assert again == instance
    assert hash(again) == hash(instance)
    assert (again.label is None) == any("No facts join" in note for note in again.notes)


@pytest.mark.slow
@given(instances(), st.data())
@settings(deadline=None, max_examples=100)
def test_order_spelling_and_punctuation_change_nothing(instance: TextInstance, data: st.DataObject) -> None:
    def said(a: int, offset: int, b: int) -> str:
        word = relation_word(offset)
        word = data.draw(st.sampled_from([word, word.title(), word.upper(), word.replace("-", " ")]))
        return f"{instance.names[a]}{data.draw(GAP)}is the {word} of{data.draw(GAP)}{instance.names[b]}"

    facts = [said(*fact) + data.draw(st.sampled_from([".", " .", "\n", ". \n\n", ".."])) for fact in instance.facts]
    facts = data.draw(st.permutations(facts))
    a, offset, b = instance.query
    question = data.draw(
        st.sampled_from(
            [
                f"query: {said(a, offset, b)}.",
                f"Query :\n {said(a, offset, b)}?",
                f"{said(a, offset, b)}?",
                f"Is {instance.names[a]} the {relation_word(offset)} of {instance.names[b]}?",
                f"query: is {instance.names[a]} the {relation_word(offset)} of {instance.names[b]}\n",
            ]
        )
    )
    at = data.draw(st.integers(0, len(facts)))
    again = parse("# a comment? Is it.\n" + "".join([*facts[:at], question, *facts[at:]]))
    people = lambda x: {(x.names[i], w, x.names[j]) for i, w, j in x.facts.tolist()}  # noqa: E731
    assert people(again) == people(instance)
    assert again.names[again.query[0]] == instance.names[a]
    assert again.names[again.query[2]] == instance.names[b]
    assert (again.query[1], again.label, again.difficulty) == (offset, instance.label, instance.difficulty)


GAP = st.sampled_from([" ", "  ", "\t", "\n", "\u00a0"])


@pytest.mark.parametrize("offset", range(-MAX_OFFSET, MAX_OFFSET + 1))
def test_every_relation_can_be_asked_for(offset: int) -> None:
    for word in (relation_word(offset), relation_word(offset).replace("grand", "Grand-").replace("-", " ")):
        assert parse(f"Is A the {word} of B?").query == (0, offset, 1)


def test_the_papers_tokens_are_read() -> None:
    instance = parse("[CLS] Eve is the child of Bob . query : Bob is the parent of Eve [SEP]")
    assert instance.names == ("Eve", "Bob")
    assert instance.facts.tolist() == [[0, -1, 1]]
    assert instance.query == (1, 1, 0)
    assert instance.label == 1
    assert instance.notes == ()


def test_what_was_left_out_and_what_cannot_be_known_is_said() -> None:
    instance = parse("A is the parent of B.\nA is the parent of B. B is the child of A.\nIs A the sibling of Zoe?")
    assert len(instance.facts) == 2
    assert instance.label is instance.difficulty is None
    assert instance.notes == (
        "What was said before is left out: A is the parent of B (line 2).",
        "No facts join A and Zoe, so the question has no answer.",
    )
    assert parse("Is A the parent of B?").label is None
    assert parse("Is A the sibling of A?").label == 1
    composed, apart = "Jos\u00e9", "Jose\u0301"
    assert parse(f"{composed} is the parent of B. Is {apart} the parent of B?").label == 1


REFUSED = [
    ("", "empty"),
    ("# A is the parent of B.", "no sentences"),
    (b"A is the parent of \xff", "line 1 is not text"),
    ("A\x00", "binary"),
    ("A is the parent of B.", "asks nothing"),
    ("Is A the parent of B?\nA is the child of B?", r"line 2 asks a second question \(the first is on line 1\)"),
    (
        "A is the parent of B.\nC is the parnt of D.",
        "line 2, column 10: 'parnt' is not a relation; did you mean parent",
    ),
    ("A is the mother of B.", "line 1, column 10: 'mother' is not a relation; did you mean parent"),
    ("A is the great-parent of B?", "did you mean great-grandparent"),
    ("A is the xyz of B.", "'xyz' is not a relation; write parent"),
    ("A is the grandparent of B.", "line 1, column 10: facts are about parents, children and siblings"),
    ("A is parent of B.", "line 1, column 6: 'parent' stands where 'the' should"),
    ("A the parent of B.", "line 1, column 3: 'the' stands where 'is' should"),
    ("A is the of B.", "line 1, column 10: 'of' stands where a relation"),
    ("A is the parent B.", r"line 1, column 18: '.' stands where 'of' should"),
    ("\nA is the parent of\n", "line 2, column 19: the line ends where a name should follow"),
    ("A is the", "line 1, column 9: the line ends where a relation such as parent should"),
    ("the", "line 1, column 1: 'the' stands where a name should"),
    ("A is the parent of B C is the child of A.", "line 1, column 24: 'is' stands where a full stop should"),
    ("Ann and Bob is the parent of C.", "line 1, column 5: 'and' cannot follow 'Ann'"),
    ("A is the parent of B, C.", "line 1, column 21: ',' is no part of a sentence"),
    ("query:", "line 1, column 7: the line ends where a name"),
    ("A is the parent of A. Is A the child of B?", "line 1, column 1: A cannot be their own parent"),
    (f"A is the {'great-' * 11}grandchild of B?", "13 generations away; there are words for 12"),
    (f"A is the {'great' * 30_000}grandchild of B?", "30,002 generations"),
    (
        "A is the parent of B.\nB is the parent of A.\nIs A the child of B?",
        r'line 2: "B is the parent of A" contradicts "A is the parent of B" \(line 1\): by it, B is the child of A',
    ),
    (
        "C is the child of B.\nX is the child of Y. A is the parent of B.\nIs A the child of B?\nC is the sibling of A",
        r'line 4: "C is the sibling of A" contradicts "A is the parent of B" \(line 2\): by it and 1 more, C is the '
        "grandchild of A",
    ),
    ("A is the parent of B." * (MAX_CHARACTERS // 20), "200,000 characters"),
    ("".join(f"a{i} is the parent of b{i}\n" for i in range(MAX_FACTS + 1)), "2,000 facts"),
    ("a " * (MAX_CHARACTERS // 2 - 1), "cannot follow|stands where|should follow"),
    ("." * MAX_CHARACTERS, "a name should follow"),
    ("x" * (MAX_CHARACTERS - 1), "'is' should follow"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refused_in_one_sentence(text: str | bytes, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(InputError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert time.perf_counter() - start < 10


def test_a_contradiction_is_found_iff_no_levels_fit() -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        facts = {(int(a), int(o), int(b)) for a, o, b in rng.integers([0, -1, 0], [4, 2, 4], (4, 3)) if a != b}
        fits = any(
            all(level[a] - level[b] == o for a, o, b in facts) for level in itertools.product(range(4), repeat=4)
        )
        text = "".join(f"n{a} is the {relation_word(o)} of n{b}.\n" for a, o, b in facts) + "Is n0 the parent of n1?"
        try:
            parse(text)
        except InputError as error:
            assert not fits
            lines = [int(x) for x in re.findall(r"line (\d+)", str(error))]
            assert len(lines) == 2
            assert lines[0] > lines[1]
            found += 1
        else:
            assert fits
    assert 20 < found < 280


def test_the_longest_text_is_read_in_time() -> None:
    start = time.perf_counter()
    text = (
        "".join(f"a{i} is the parent of a{i + 1}\n" for i in range(MAX_FACTS)) + f"Is a0 the sibling of a{MAX_FACTS}?"
    )
    assert parse(text).difficulty == MAX_FACTS
    assert time.perf_counter() - start < 10


SOUP = st.lists(
    st.sampled_from(
        [
            "A",
            "Bob",
            "is",
            "Is",
            "the",
            "of",
            "parent",
            "child",
            "sibling",
            "great-grandparent",
            "query:",
            ".",
            "?",
            "\n",
        ]
    ),
    max_size=40,
).map(" ".join)


@pytest.mark.slow
@given(st.one_of(st.text(), st.binary(), SOUP, st.text("AaBis theofparntquey:.?#\n", max_size=60)))
@settings(deadline=None, max_examples=1000)
def test_random_input_never_crashes(text: str | bytes) -> None:
    with contextlib.suppress(InputError):
        instance = parse(text)
        assert parse(render(instance)) == instance
