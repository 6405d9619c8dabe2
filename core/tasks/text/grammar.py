"""Reading texts of family facts: the grammar, the words for relations, and the refusal of facts that contradict."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from functools import cache
from itertools import pairwise

import numpy as np
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken

from depthscope.core.errors import InputError
from depthscope.core.tasks.syntax import cleaned, tree
from depthscope.core.tasks.text.instance import MAX_OFFSET, RELATIONS, TextInstance, relation_word

MAX_CHARACTERS = 200_000
MAX_FACTS = 2_000

LETTER = r'[^\s.,:;?!()\[\]{}"<>]'
GRAMMAR = rf"""
start: _gap? _sentence+
_sentence: fact | asked
fact: statement _gap
asked: QUERY NL? statement _finish
     | QUERY NL? question _finish
     | question _finish
     | statement QMARK+ _gap?
statement: name NL? IS NL? THE NL? relation NL? OF NL? name
question: IS NL? name NL? THE NL? relation NL? OF NL? name
name: WORD+
relation: WORD+
_finish: QMARK+ _gap? | _gap
_gap: (STOP | NL)+

QUERY.2: /(?:query|question)[^\S\n]*:/i
IS.1: /is(?!{LETTER})/i
THE.1: /the(?!{LETTER})/i
OF.1: /of(?!{LETTER})/i
WORD: /{LETTER}+/
STOP: "."
QMARK: "?"
NL: /\n(?:[^\S\n]*\n)*/
%ignore /[^\S\n]+/
%ignore /\[(?:CLS|SEP|PAD)\]/
"""
GENERATIONS = re.compile(r"((?:great)*)(grand)?(parent|child)")
MEANT = {
    "mother": "parent", "father": "parent", "mom": "parent", "dad": "parent", "mum": "parent",
    "son": "child", "daughter": "child", "brother": "sibling", "sister": "sibling", "twin": "sibling",
    "grandmother": "grandparent", "grandfather": "grandparent", "grandson": "grandchild", "granddaughter": "grandchild",
    "ancestor": "grandparent", "descendant": "grandchild",
}  # fmt: skip
"""Words that people write for those the facts know."""

Row = tuple[str, int, str]


def parse(text: str | bytes, filename: str | None = None) -> TextInstance:
    """Read facts such as `A is the parent of B.` and one question about two people.

    A sentence ends with a full stop or a line. The question is a sentence after `query:`, begins with `Is`, or ends
    with a question mark; it may stand anywhere. A name is any word, or several with a capital each, but not `is`, `the`
    or `of`. `#` begins a comment.

    Args:
        text: The text.
        filename: Unused; every task's parse has it.

    Returns:
        The instance: people in the order in which the facts name them; its notes say what was left out, and if no facts
        join the two who are asked about.

    Raises:
        InputError: With line and column of what cannot be read; if facts contradict each other; or if it is too long.
    """
    text = cleaned(text, MAX_CHARACTERS, "text")
    if not text.strip():
        raise InputError("there are no sentences; write some, such as `A is the parent of B.` and `query: A is ...`")
    rows: dict[Row, int] = {}
    repeats: list[tuple[Row, int]] = []
    asked: tuple[Row, int] | None = None
    syntax = tree(_grammar(), text + "\n", "a sentence such as `A is the parent of B.`", "the line", _wanted)
    for sentence in _parts(syntax):
        row, line = _row(sentence)
        if sentence.data == "asked":
            if asked is not None:
                raise InputError(f"line {line} asks a second question (the first is on line {asked[1]}); keep one")
            asked = row, line
        elif row in rows:
            repeats.append((row, line))
        else:
            rows[row] = line
        if len(rows) > MAX_FACTS:
            raise InputError(f"the text has over {MAX_FACTS:,} facts, which is the limit; take a part of it")
    if asked is None:
        raise InputError("the text asks nothing; add a line such as `query: A is the grandparent of C`")
    _refuse_contradictions(rows)
    return _instance(list(rows), asked[0], [f"{_said(row)} (line {line})" for row, line in repeats])


def render(instance: TextInstance) -> str:
    """The facts, one a line, and the question."""
    sentences = [
        f"{instance.names[a]} is the {relation_word(offset)} of {instance.names[b]}"
        for a, offset, b in (*instance.facts.tolist(), instance.query)
    ]
    return "".join(f"{fact}.\n" for fact in sentences[:-1]) + f"query: {sentences[-1]}\n"


def _instance(rows: list[Row], query: Row, repeats: list[str]) -> TextInstance:
    index: dict[str, int] = {}
    for a, _, b in (*rows, query):
        index.setdefault(a, len(index))
        index.setdefault(b, len(index))
    facts = np.array([(index[a], offset, index[b]) for a, offset, b in rows], dtype=np.int64).reshape(-1, 3)
    notes = []
    if repeats:
        listed = ", ".join(repeats[:3]) + (" and others" if len(repeats) > 3 else "")
        notes.append(f"What was said before is left out: {listed}.")
    instance = TextInstance(tuple(index), facts, (index[query[0]], query[1], index[query[2]]), tuple(notes))
    if instance.label is None:
        notes.append(f"No facts join {_short(query[0])} and {_short(query[2])}, so the question has no answer.")
        instance = TextInstance(instance.names, facts, instance.query, tuple(notes))
    return instance


# ---- sentences ------------------------------------------------------------------------------------------------------


@cache
def _grammar() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="basic")


def _wanted(error: UnexpectedToken) -> str:
    """What a sentence needs where it went wrong, in words."""
    accepts = error.accepts or error.expected
    parser = getattr(error.interactive_parser, "parser_state", None)
    read = [item for item in (parser.value_stack if parser else []) if getattr(item, "type", "") != "NL"]
    last = getattr(read[-1], "type", "") if read else ""
    if last == "THE":
        return "a relation such as parent"
    if last in ("QUERY", "OF") or {"IS", "QUERY"} <= accepts:
        return "a name"
    for terminal, word in (("OF", "'of'"), ("THE", "'the'"), ("IS", "'is'"), ("STOP", "a full stop")):
        if terminal in accepts:
            return word
    return "a name"


def _row(sentence: Tree) -> tuple[Row, int]:
    """Subject, offset and object of a sentence, and its line."""
    (statement,) = _parts(sentence)
    subject, relation, other = _parts(statement)
    first = subject.children[0]
    assert isinstance(first, Token)
    a, b, asks = _name(subject), _name(other), sentence.data == "asked"
    offset = _offset(relation, asks)
    if not asks and a == b:
        raise _error(first, f"{_short(a)} cannot be their own {relation_word(offset)}")
    return (a, offset, b), first.line or 1


def _parts(tree: Tree) -> list[Tree]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _words(tree: Tree) -> list[Token]:
    return [word for word in tree.children if isinstance(word, Token)]


def _name(tree: Tree) -> str:
    words = _words(tree)
    for word in words[1:]:
        if words[0][0].islower() or word[0].islower():
            first = _short(str(words[0]))
            what = f"{_short(str(word))!r} cannot follow {first!r}: names of several words have a capital in each"
            raise _error(word, what)
    return unicodedata.normalize("NFC", " ".join(words))


def _offset(tree: Tree, asks: bool) -> int:
    """Generations of a relation word; facts know but parent, child and sibling."""
    words = _words(tree)
    word = " ".join(words)
    plain = re.sub(r"[\s\-‐‑–]", "", word.casefold())
    match = GENERATIONS.fullmatch(plain)
    if plain == "sibling":
        offset = 0
    elif match and (match[2] or not match[1]):
        size = len(match[1]) // len("great") + (2 if match[2] else 1)
        if size > MAX_OFFSET:
            raise _error(words[0], f"{_short(word)!r} is {size:,} generations away; there are words for {MAX_OFFSET}")
        offset = size if match[3] == "parent" else -size
    else:
        near = MEANT.get(plain) or next(iter(get_close_matches(word.casefold()[:80], RELATIONS, 1, 0.5)), None)
        hint = f"; did you mean {near}?" if near else "; write parent, child, sibling, grandparent, ..."
        raise _error(words[0], f"{_short(word)!r} is not a relation{hint}")
    if not asks and abs(offset) > 1:
        what = f"facts are about parents, children and siblings, not a {_short(word)}; a question begins with query:"
        raise _error(words[0], what)
    return offset


# ---- what facts say together ----------------------------------------------------------------------------------------


def _refuse_contradictions(rows: dict[Row, int]) -> None:
    """Refuse the first fact that gives two people another distance in generations than the facts before it do."""
    number = {person: i for i, person in enumerate(dict.fromkeys(x for a, _, b in rows for x in (a, b)))}
    group = np.arange(len(number))  # people that facts join have one number
    above = np.zeros(len(number), dtype=np.int64)  # generations above the first of the group
    for (a, offset, b), line in rows.items():
        i, j = number[a], number[b]
        if group[i] != group[j]:
            moved = group == group[j]
            above[moved] += above[i] - offset - above[j]
            group[moved] = group[i]
        elif above[i] - above[j] != offset:
            facts = list(rows)
            chain = _chain(facts[: facts.index((a, offset, b))], a, b)
            before = max(chain, key=rows.__getitem__)
            rest = f" and {len(chain) - 1} more" if len(chain) > 1 else ""
            raise InputError(
                f'line {line}: "{_said((a, offset, b))}" contradicts "{_said(before)}" (line {rows[before]}): '
                f"by it{rest}, {_short(a)} is {_generations(int(above[i] - above[j]))} {_short(b)}; keep one of them"
            )


def _chain(rows: list[Row], a: str, b: str) -> list[Row]:
    """The fewest facts that join a and b, from b back."""
    import networkx as nx  # takes a while, and only an error needs it

    graph = nx.Graph()
    for row in rows:
        if not graph.has_edge(row[0], row[2]):
            graph.add_edge(row[0], row[2], row=row)
    people = nx.single_source_shortest_path(graph, a)[b]
    return [graph.edges[pair]["row"] for pair in pairwise(people[::-1])]


def _generations(offset: int) -> str:
    if abs(offset) <= MAX_OFFSET:
        return f"the {relation_word(offset)} of"
    return f"{abs(offset):,} generations {'above' if offset > 0 else 'below'}"


def _said(row: Row) -> str:
    return f"{_short(row[0])} is the {relation_word(row[1])} of {_short(row[2])}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _error(token: Token, what: str) -> InputError:
    return InputError(f"line {token.line}, column {token.column}: {what}")
