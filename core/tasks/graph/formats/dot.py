"""Graphviz's DOT, by a grammar. Attributes, ports and defaults are skipped; nodes go by their ids.

networkx would hand DOT to pydot, which takes 85 seconds for 16 nested braces and is not safe in threads.
"""

from __future__ import annotations

from itertools import chain, pairwise, product

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats.draft import MAX_NESTING, Draft

GRAMMAR = r"""
start: header block
header: _STRICT? KIND [name]
block: _OPEN (_statement | ";")* _CLOSE
_statement: edges attributes* | default | assignment
default: (KIND | _DEFAULT) attributes+
assignment: name "=" name
edges: _operand (OPERATOR _operand)*
_operand: node | [_SUBGRAPH [name]] block
node: name [port]
port: ":" name (":" name)?
attributes: "[" (name ("=" name)? ("," | ";")?)* "]"
name: WORD | HTML | STRING ("+" STRING)*

_STRICT.2: /strict(?!\w)/i
KIND.2: /(?:di)?graph(?!\w)/i
_DEFAULT.2: /(?:node|edge)(?!\w)/i
_SUBGRAPH.2: /subgraph(?!\w)/i
OPERATOR.2: /->|--/
_OPEN: "{"
_CLOSE: "}"
WORD: /-?(?:[\w.]|[^\x00-\x7f])+/
STRING: /"(?:[^"\\]|\\(?s:.))*+"/
HTML: /<(?:[^<>]|<[^<>]*>)*+>/
%ignore /(?:\s|\/\/[^\n]*|\/\*(?s:.*?)\*\/|(?m:^)#[^\n]*)+/
"""


def read(text: str) -> Draft:
    """Read a DOT graph.

    Raises:
        InputError: With line and column of what cannot be read.
    """
    reader = _Reader()
    braces = {"_OPEN": reader.opened, "_CLOSE": reader.closed}
    try:
        Lark(GRAMMAR, parser="lalr", transformer=reader, lexer_callbacks=braces).parse(text.replace("\r\n", "\n"))
    except UnexpectedCharacters as error:
        unclosed = {'"': "this quotation mark is not closed", "<": "this < is not closed", "/": "this is no comment"}
        what = unclosed.get(error.char, f"{error.char!r} cannot be read")
        raise _error(error, what + "; correct it") from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise InputError("the file ends while a brace or a bracket is not closed; close it") from None
        if error.expected == {"$END"}:
            raise _error(error, "the graph has ended before this; keep one graph in the file") from None
        raise _error(error, f"{str(error.token)[:40]!r} does not belong here; correct it") from None
    return reader.draft


class _Reader(Transformer):
    """Builds the draft while the text is parsed; operands are lists of node numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft()
        self.operator = "--"
        self.n_open = 0

    def opened(self, brace: Token) -> Token:
        """Count the groups that are open: each costs a walk over all nodes in it."""
        self.n_open += 1
        if self.n_open > MAX_NESTING:
            raise _error(brace, f"more than {MAX_NESTING} braces are open; a graph needs only a few")
        return brace

    def closed(self, brace: Token) -> Token:
        """Count one less."""
        self.n_open -= 1
        return brace

    def header(self, children: list) -> None:
        """Note which edges the graph may have."""
        self.operator = "->" if str(children[0]).lower() == "digraph" else "--"

    def name(self, tokens: list[Token]) -> str:
        """A word as it stands, HTML with its brackets, quoted strings without their quotes."""
        if tokens[0].type != "STRING":
            return str(tokens[0])
        return "".join(token[1:-1].replace("\\\n", "").replace('\\"', '"') for token in tokens)

    def node(self, children: list) -> list[int]:
        """A node, with or without a port."""
        return [self.draft.node(children[0])]

    def block(self, children: list) -> list[int]:
        """All nodes of a group, which is an operand too."""
        return list(dict.fromkeys(chain.from_iterable(x for x in children if isinstance(x, list))))

    def edges(self, children: list) -> list[int]:
        """Operands with operators between them; each group is joined to the next."""
        operands = [x for x in children if isinstance(x, list)]
        for token in children:
            if isinstance(token, Token) and token != self.operator:
                raise _error(token, f"{token} does not fit here; write {self.operator}")
        for starts, ends in pairwise(operands):
            for start, end in product(starts, ends):
                self.draft.edge(start, end, directed=self.operator == "->")
        return list(chain.from_iterable(operands))


def _error(place: Token | UnexpectedCharacters | UnexpectedToken, what: str) -> InputError:
    return InputError(f"line {place.line}, column {place.column}: {what}")
