"""The task's own text: one edge a line, a name alone for a lone node, and `source:` and `target:` lines.

    source: A
    target: "New York"
    A B
    B -> "New York"     # or A,B or A <tab> B; a third field is a weight and is ignored
    Z

A name of letters, digits and `_ . + -` stands as it is; any other is written as a JSON string, so that any text can be
a name.
"""

from __future__ import annotations

import json
import re

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats.draft import Draft, lines_of
from depthscope.core.tasks.graph.instance import GraphInstance

PLAIN = re.compile(r"\w[\w.+-]*")
SPECIAL = re.compile(r'["#:,;\t>{]')
QUOTED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)')  # an open quote runs to the end of the line
MARK = re.compile(r"\x00(\d+)\x00")
HEADER = re.compile(r"(?:#\s*(source|target)|((?i:source|target)))\s*:\s*(.*)")
COMMENT = re.compile(r"(?:^|\s)#.*")
ATTRIBUTES = re.compile(r"[\s,;]\{.*\}$")


def read(text: str) -> Draft:
    """Read the task's own text.

    Raises:
        InputError: With the number of the line that cannot be read.
    """
    draft = Draft()
    for number, line in lines_of(text):
        if SPECIAL.search(line) is None:
            names = _split_at_spaces(line)
        elif take_header(line, number, draft):
            continue
        else:
            names = _special_names(line, number)
        if len(names) == 2:
            draft.edge(draft.node(names[0]), draft.node(names[1]))
        elif len(names) == 1:
            draft.node(names[0])
        elif names:
            how_many = "three" if len(names) == 3 else "more than three"
            raise InputError(
                f"line {number} has {how_many} fields where an edge has two names; "
                'put a name with spaces in "quotes", or choose the format matrix if this is a matrix'
            )
    return draft


def take_header(line: str, number: int, draft: Draft) -> bool:
    """Set the draft's source or target if the line is `source: A` or `# target: A`; whether it is.

    Raises:
        InputError: If the name is missing, or another was given before.
    """
    bare, quotes = _set_quotes_aside(line.strip())
    header = HEADER.fullmatch(bare)
    if header is None:
        return False
    role = (header[1] or header[2]).lower()
    value = COMMENT.sub("", header[3]).strip()
    if not value:
        raise InputError(f"line {number}: no name follows '{role}:'; write one, or remove the line")
    name = _name(value, quotes, number)
    before = getattr(draft, role)
    if before is not None and before != name:
        raise InputError(f"line {number} names {name[:80]!r} as the {role} after {before[:80]!r}; keep one of them")
    setattr(draft, role, name)
    return True


def render(instance: GraphInstance) -> str:
    """The instance as text from which `parse` gives back the same names, edges and ends.

    Raises:
        ValueError: If two nodes share a name.
    """
    names = [_quote(name) for name in instance.names]
    if len(set(instance.names)) != len(names):
        raise ValueError("two nodes share a name; the text format needs one name a node")
    lines = [f"source: {names[instance.source]}", f"target: {names[instance.target]}"]
    ends = instance.edges.ravel()
    appear = ends[np.sort(np.unique(ends, return_index=True)[1])]
    in_order = np.array_equal(appear, np.arange(len(appear)))
    edges = [f"{names[i]} {names[j]}" for i, j in instance.edges.tolist()]
    lines += edges + names[len(appear) :] if in_order else names + edges
    return "\n".join(lines) + "\n"


def _quote(name: str) -> str:
    return name if PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=not name.isprintable())


def _special_names(line: str, number: int) -> list[str]:
    """The names on a line that has quotes, comments or separators."""
    bare, quotes = _set_quotes_aside(line.strip())
    bare = COMMENT.sub("", bare)
    if bare.endswith("}"):  # the attributes that networkx writes after an edge
        bare = ATTRIBUTES.sub("", bare)
    return [_name(field, quotes, number) for field in _split(bare.strip())]


def _split(bare: str) -> list[str]:
    """The fields of a line at its strongest separator; a third field is a weight and is left out."""
    if "->" in bare:
        return [field.strip() for field in bare.split("->", 3)]
    if "\t" in bare:
        fields = re.split(r"\t+", bare, maxsplit=3)
    else:
        separator = "," if "," in bare else ";" if ";" in bare else None
        if separator is None:
            return _split_at_spaces(bare)
        fields = bare.split(separator, 3)
    fields = [field.strip() for field in fields]
    return fields[:2] if len(fields) == 3 else fields


def _split_at_spaces(line: str) -> list[str]:
    fields = line.split(None, 3)
    return fields[:2] if len(fields) == 3 and _is_number(fields[2]) else fields


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _set_quotes_aside(line: str) -> tuple[str, list[str]]:
    """The line with a mark in place of each quoted name (text holds no NUL otherwise), and these names as written."""
    quotes: list[str] = []

    def mark(match: re.Match[str]) -> str:
        quotes.append(match[0])
        return f"\x00{len(quotes) - 1}\x00"

    return (QUOTED.sub(mark, line), quotes) if '"' in line else (line, quotes)


def _name(field: str, quotes: list[str], number: int) -> str:
    """The name a field stands for."""
    if "\x00" not in field:
        if not field:
            raise InputError(f'line {number} has an empty name; write "" for a node without a name')
        return field
    mark = MARK.fullmatch(field)
    if mark is None:
        raise InputError(
            f'line {number} has a quotation mark inside a name; put the whole name in quotes, marks as \\"'
        )
    quoted = quotes[int(mark[1])]
    try:
        return json.loads(quoted, strict=False)
    except ValueError:
        raise InputError(
            f"line {number}: the quoted name {quoted[:40]!r} does not close, or has a backslash that escapes nothing; "
            'write \\" for a quotation mark and \\\\ for a backslash'
        ) from None
