"""Reading formulas: the grammar, variables, and what is rewritten into & | ^ !."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken, VisitError
from lark.visitors import Transformer_NonRecursive

from depthscope.core.errors import InputError
from depthscope.core.tasks.logic.build import Builder
from depthscope.core.tasks.logic.instance import AND, BINARY, NOT, OR, XOR, F, LogicInstance, T
from depthscope.core.tasks.syntax import cleaned, error_at, tree

MAX_CHARACTERS = 1_000_000
MAX_TOKENS = 200_000
MAX_DEPTH = 1_000

GRAMMAR = r"""
?start: iff
?iff: implies | iff IFF implies        -> binary
?implies: or | or IMPLIES implies      -> binary
?or: xor | or OR xor                   -> binary
?xor: and | xor XOR and                -> binary
?and: unary | and AND unary            -> binary
?unary: NOT unary                      -> negation
      | TRUE | FALSE | NAME | "(" iff ")"

IFF.2: /<=>|<->|⇔|↔/
IMPLIES.2: /=>|->|⇒|→/
OR.2: /\|\|?|∨|(?i:or)\b/
XOR.2: /\^|⊕|(?i:xor)\b/
AND.2: /&&?|∧|(?i:and)\b/
NOT.2: /[!~¬]|(?i:not)\b/
TRUE.2: /(?:T|1|(?i:true))\b/
FALSE.2: /(?:F|0|(?i:false))\b/
NAME: /[^\W\d]\w*/
%ignore /\s+/
"""
WORD = re.compile(r"\w+|[^\w\s]")
BRACKET = re.compile(r"[()]")
EQUALS = re.compile(r"(?<![<=])=(?![=>])")
WHERE = re.compile(r"\bwhere\b", re.IGNORECASE)
SOMETHING = re.compile(r"\S")
ASSIGNMENT = re.compile(r"([^\W\d]\w*)\s*=\s*(\w+)\s*(?:[,;.]\s*|(?=\s)|$)")
VALUES = {"t": T, "1": T, "true": T, "f": F, "0": F, "false": F}
RESERVED = {"true", "false", "and", "or", "xor", "not", "where"}
Node = Tree | Token
OPERATORS = {"AND": AND, "OR": OR, "XOR": XOR}


def parse(text: str | bytes, filename: str | None = None) -> LogicInstance:
    """Read a formula, and the values of its variables from lines such as `x=1, y=T` or `where x = true; y = 0`.

    `!` binds strongest, then & ^ | => <=>; operators of one kind group from the left, implications from the right.

    Args:
        text: The formula; `#` begins a comment.
        filename: Unused; every task's parse has it.

    Returns:
        The instance; its notes say which variables were replaced and how => and <=> were rewritten.

    Raises:
        InputError: With line and column of what cannot be read, or if the formula is too long or too deep.
    """
    text = cleaned(text, MAX_CHARACTERS, "formula")
    formula, values = _without_assignments(text)
    if not formula.strip():
        raise InputError("there is no formula; write one, such as (T & F) | !T")
    if sum(1 for _ in WORD.finditer(formula)) > MAX_TOKENS:
        raise _too_long()
    _check_brackets(formula)
    part_of = "a formula; use T F & | ^ ! => <=> ( ) and names"
    return _instance(tree(_grammar(), formula, part_of, "the formula", _wanted, "; add it"), values)


def render(instance: LogicInstance) -> str:
    """The canonical text: every binary operator in brackets, no spaces."""
    return instance.text


@cache
def _grammar() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="basic")


def _wanted(error: UnexpectedToken) -> str:
    return "a value, a name, ! or (" if "NOT" in error.expected else "an operator"


def _without_assignments(text: str) -> tuple[str, dict[str, int]]:
    """The text with assignments blanked out, so that columns stay, and the value of each variable."""
    values: dict[str, int] = {}
    kept = []
    start = 0
    for line in text.split("\n"):
        where = WHERE.search(line)
        begin = where.start() if where else 0 if EQUALS.search(line) else len(line)
        if begin < len(line):
            _read_assignments(text, start + (where.end() if where else 0), start + len(line), values)
        kept.append(line[:begin] + " " * (len(line) - begin))
        start += len(line) + 1
    return "\n".join(kept), values


def _read_assignments(text: str, position: int, end: int, values: dict[str, int]) -> None:
    while (some := SOMETHING.search(text, position, end)) is not None:
        match = ASSIGNMENT.match(text, some.start(), end)
        if match is None:
            raise error_at(text, some.start(), "this is not an assignment; write x=1, y=0 on a line of its own")
        name, value = match[1], VALUES.get(match[2].lower())
        if value is None:
            raise error_at(text, match.start(2), f"{match[2][:40]!r} is not a value; write T or F")
        if name in ("T", "F") or name.lower() in RESERVED:
            raise error_at(text, match.start(1), f"{name} has a meaning of its own; take another name for the variable")
        if values.setdefault(name, value) != value:
            raise error_at(text, match.start(1), f"{name[:40]} has two values; keep one of them")
        position = match.end()


def _check_brackets(formula: str) -> None:
    """Refuse brackets that do not match or nest too deeply, at the bracket at fault."""
    open_brackets: list[int] = []
    for match in BRACKET.finditer(formula):
        if match[0] == "(":
            open_brackets.append(match.start())
            if len(open_brackets) > MAX_DEPTH:
                raise error_at(formula, match.start(), f"more than {MAX_DEPTH:,} brackets are open; nest less deeply")
        elif not open_brackets:
            raise error_at(formula, match.start(), "this bracket was never opened; remove it or add (")
        else:
            open_brackets.pop()
    if open_brackets:
        raise error_at(formula, open_brackets[-1], "this bracket is not closed; add )")


class _Parts(Transformer_NonRecursive):
    """Puts the formula together from its syntax tree."""

    def __init__(self, values: dict[str, int]) -> None:
        super().__init__()
        self.builder = Builder()
        self.values = values
        self.used: dict[str, int] = {}
        self.rewritten = False

    def TRUE(self, token: Token) -> int:  # noqa: N802  # as the grammar calls it
        """An atom."""
        return self.builder.add(T)

    def FALSE(self, token: Token) -> int:  # noqa: N802
        """An atom."""
        return self.builder.add(F)

    def NAME(self, token: Token) -> int:  # noqa: N802
        """The value of a variable."""
        name = str(token)
        if name not in self.values:
            raise InputError(
                f"line {token.line}, column {token.column}: the variable {name[:80]} has no value; "
                f"add a line such as {name[:80]}=1"
            )
        self.used[name] = self.values[name]
        return self.builder.add(self.values[name])

    def negation(self, children: tuple[Token, int]) -> int:
        """`!` and what follows."""
        return self.builder.add(NOT, children[1])

    def binary(self, children: tuple[int, Token, int]) -> int:
        """Two sides; a => b is !a | b, and a <=> b is !(a ^ b)."""
        (a, operator, b), add = children, self.builder.add
        self.rewritten |= operator.type in ("IMPLIES", "IFF")
        if operator.type == "IMPLIES":
            return add(OR, add(NOT, a), b)
        if operator.type == "IFF":
            return add(NOT, add(XOR, a, b))
        return add(OPERATORS[operator.type], a, b)


def _instance(syntax: Node, values: dict[str, int]) -> LogicInstance:
    parts = _Parts(values)
    try:
        root: int = parts.transform(syntax)  # pyright: ignore[reportArgumentType]
    except VisitError as error:
        raise error.orig_exc from None
    height = parts.builder.height[root]
    if height > MAX_DEPTH:
        raise InputError(f"the formula is {height:,} levels deep; the limit is {MAX_DEPTH:,}, so take a part of it")
    instance = parts.builder.formula(root)
    if len(instance.kind) + 2 * np.isin(instance.kind, BINARY).sum() > MAX_TOKENS:
        raise _too_long()
    notes = []
    if parts.used:
        replaced = ", ".join(f"{name} = {'T' if value == T else 'F'}" for name, value in parts.used.items())
        notes.append(f"Variables were replaced by their values: {_short(replaced)}.")
    if parts.rewritten:
        notes.append(f"=> and <=> were rewritten: {_short(instance.text)}")
    return replace(instance, notes=tuple(notes))


def _short(text: str) -> str:
    return text if len(text) <= 400 else text[:400] + " ..."


def _too_long() -> InputError:
    return InputError(f"the formula has over {MAX_TOKENS:,} tokens, which is the limit; take a part of it")
