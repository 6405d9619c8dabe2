"""Graphviz's DOT: statements in braces, read token by token with a stack of the open braces.

pydot reads it too, but takes a second for a thousand edges and a time exponential in the nesting, is not safe in
threads, and prints its errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import InputError
from core.tasks.graph_formats.draft import Draft

MAX_NESTING = 100

TOKEN = re.compile(
    r"(?P<skip>\s+|//[^\n]*|/\*(?s:.*?)\*/|(?:(?<=\n)|\A)#[^\n]*)"
    r'|(?P<quoted>"[^"\\]*(?:\\(?s:.)[^"\\]*)*")'
    r"|(?P<operator>->|--)"
    r"|(?P<sign>[{}\[\];,=:+])"
    r"|(?P<word>-?(?:[\w.]|[^\x00-\x7f])+)"
    r"|(?P<html><)"
)
ANGLE = re.compile(r"[<>]")


class Token(NamedTuple):
    """A token: `sign`, `operator`, or `id` (a name, already without its quotes; `word` if it had none)."""

    kind: str
    text: str
    start: int


@dataclass
class _Block:
    """An open brace: the nodes in it, and the statement being read."""

    start: int
    nodes: dict[int, None] = field(default_factory=dict)
    last: list[int] | None = None  # the end of an edge that may go on
    operator: Token | None = None  # an edge waiting for its other end


def read(text: str) -> Draft:
    """Read a DOT graph; nodes go by their ids.

    Raises:
        InputError: With line and column of what cannot be read.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _joined(_tokens(text))
        self.token = next(self.tokens)
        self.draft = Draft()
        self.blocks: list[_Block] = []

    def read(self) -> Draft:
        if self.keyword() == "strict":
            self.advance()
        kind = self.keyword()
        if kind not in ("graph", "digraph"):
            raise self.error("`graph` or `digraph` should stand here")
        self.directed = kind == "digraph"
        self.advance()
        if self.token.kind in ("word", "id"):
            self.advance()
        self.open()
        while self.blocks:
            self.step()
        if self.token.kind != "end":
            raise self.error("the graph has ended before this; keep one graph in the file")
        return self.draft

    def step(self) -> None:
        """Read the next piece of a statement."""
        block, token = self.blocks[-1], self.token
        if token.kind == "end":
            raise _error(self.text, block.start, "this brace is not closed; add }")
        if token.kind == "operator":
            if block.last is None or block.operator is not None:
                raise self.error(f"{token.text} has no node before it")
            if (token.text == "->") != self.directed:
                raise self.error(f"{token.text} does not fit here; write {'->' if self.directed else '--'}")
            block.operator = token
            self.advance()
        elif token.text == "{" and token.kind == "sign":
            self.open()
        elif token.kind in ("word", "id"):
            self.named()
        elif block.operator is not None:
            raise _error(self.text, block.operator.start, f"{block.operator.text} has no node after it")
        elif token.text == "}":
            self.advance()
            self.blocks.pop()
            if self.blocks:
                self.operand(list(block.nodes))
        elif token.text == "[" and block.last is not None:
            self.skip_attributes()
        elif token.text in ";,":
            block.last = None
            self.advance()
        else:
            raise self.error(f"{token.text} does not belong here")

    def named(self) -> None:
        """A statement or an operand that begins with a name."""
        word, name = self.keyword(), self.token.text
        self.advance()
        if word == "subgraph":
            if self.token.kind in ("word", "id"):
                self.advance()
            self.open()
        elif word in ("graph", "node", "edge") and self.is_sign("["):
            self.skip_attributes()
        elif self.is_sign("="):
            self.advance()
            self.expect_name()
        else:
            for _ in range(2):  # port and compass point
                if self.is_sign(":"):
                    self.advance()
                    self.expect_name()
            self.operand([self.draft.node(name)])

    def operand(self, nodes: list[int]) -> None:
        """A node or a group of nodes: the other end of an edge, or the start of a statement."""
        block = self.blocks[-1]
        if block.operator is not None:
            for start in block.last or []:
                for end in nodes:
                    self.draft.edge(start, end, self.directed)
        block.last, block.operator = nodes, None
        block.nodes.update(dict.fromkeys(nodes))

    def open(self) -> None:
        if not self.is_sign("{"):
            raise self.error("{ should stand here")
        if len(self.blocks) >= MAX_NESTING:
            raise self.error(f"more than {MAX_NESTING} braces are open")
        self.blocks.append(_Block(self.token.start))
        self.advance()

    def skip_attributes(self) -> None:
        while self.is_sign("["):
            start = self.token.start
            while not self.is_sign("]"):
                self.advance()
                if self.token.kind == "end" or self.is_sign("{") or self.is_sign("["):
                    raise _error(self.text, start, "this bracket is not closed; add ]")
            self.advance()
        self.blocks[-1].last = None

    def expect_name(self) -> None:
        if self.token.kind not in ("word", "id"):
            raise self.error("a name should stand here")
        self.advance()

    def keyword(self) -> str:
        return self.token.text.lower() if self.token.kind == "word" else ""

    def is_sign(self, sign: str) -> bool:
        return self.token.kind == "sign" and self.token.text == sign

    def advance(self) -> None:
        self.token = next(self.tokens)

    def error(self, what: str) -> InputError:
        where = "the end of the file: " if self.token.kind == "end" else ""
        return _error(self.text, self.token.start, where + what)


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            quote = text[position] == '"'
            what = "this quotation mark is not closed" if quote else f"{text[position]!r} cannot be read"
            raise _error(text, position, what)
        kind, start, position = str(match.lastgroup), position, match.end()
        if kind == "quoted":
            yield Token("id", match[0][1:-1].replace("\\\n", "").replace('\\"', '"'), start)
        elif kind == "html":
            position = _end_of_html(text, start)
            yield Token("id", text[start:position], start)
        elif kind != "skip":
            yield Token(kind, match[0], start)
    while True:
        yield Token("end", "", len(text))


def _end_of_html(text: str, start: int) -> int:
    n_open = 0
    for match in ANGLE.finditer(text, start):
        n_open += 1 if match[0] == "<" else -1
        if n_open == 0:
            return match.end()
    raise _error(text, start, "this < is not closed; add >")


def _joined(tokens: Iterator[Token]) -> Iterator[Token]:
    """The tokens with quoted strings that a plus joins made one."""
    held = next(tokens)
    parts: list[str] = []
    for token in tokens:
        if held.kind == "id" and token.kind == "sign" and token.text == "+":
            following = next(tokens)
            if following.kind == "id":
                parts.append(held.text)
                held = Token("id", following.text, held.start)
                continue
            yield Token("id", "".join([*parts, held.text]), held.start)
            yield token
            held, parts = following, []
            continue
        yield Token(held.kind, "".join([*parts, held.text]), held.start) if parts else held
        held, parts = token, []


def _error(text: str, position: int, what: str) -> InputError:
    line = text.count("\n", 0, position) + 1
    return InputError(f"line {line}, column {position - text.rfind(chr(10), 0, position)}: {what}")
