"""GML: blocks of `key value` lines in square brackets.

networkx reads it too, but refuses repeated edges, and calls itself for every nested block.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from core.errors import InputError
from core.tasks.graph_formats.draft import Draft, Listing

MAX_NESTING = 100
KEPT = ("id", "label", "source", "target", "directed")
TOKEN = re.compile(r'"[^"]*"|[\[\]]|#[^\n]*|[^\s\[\]"#]+|(?P<bad>")')


def read(text: str) -> Draft:
    """Read GML; edges are undirected unless the graph says `directed 1`.

    Raises:
        InputError: With the line at which it cannot be read.
    """
    listing = Listing()
    n_graphs = 0
    for path, block in _blocks(text):
        if path == ("graph",):
            n_graphs += 1
            directed = block.get("directed", "0") not in ("0", "")
            listing.edges = [(start, end, directed) for start, end, _ in listing.edges]
        elif path == ("graph", "node"):
            if "id" not in block:
                raise InputError(f"node {len(listing.labels) + 1} of the GML has no id; give it one")
            listing.node(block["id"], block.get("label"))
        elif path == ("graph", "edge"):
            missing = [role for role in ("source", "target") if role not in block]
            if missing:
                raise InputError(f"edge {len(listing.edges) + 1} of the GML has no {missing[0]}; add it")
            listing.edge(block["source"], block["target"], False)
    if n_graphs != 1:
        raise InputError(f"the GML holds {n_graphs or 'no'} graphs; it needs one block `graph [ ... ]`")
    return listing.draft()


def _blocks(text: str) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """Every block as it closes: the names of the blocks around it and its own (three at most), and its plain values."""
    names: list[str] = []
    blocks: list[dict[str, str]] = [{}]
    starts: list[int] = []
    key: str | None = None
    for match in TOKEN.finditer(text):
        token = match[0]
        if token[0] == "#":
            continue
        if match["bad"]:
            raise InputError(f"line {_line(text, match.start())}: a quotation mark is not closed; close it")
        if key is None:
            if token == "]" and names:
                yield tuple(names[:3]), blocks.pop()
                names.pop()
                starts.pop()
            elif token[0].isalpha() or token[0] == "_":
                key = token
            else:
                raise InputError(
                    f"line {_line(text, match.start())}: {token[:40]!r} stands where a key should; correct it"
                )
        elif token == "[":
            if len(names) >= MAX_NESTING:
                raise InputError(f"line {_line(text, match.start())}: more than {MAX_NESTING} brackets are open")
            names.append(key)
            starts.append(match.start())
            blocks.append({})
            key = None
        elif token == "]":
            raise InputError(f"line {_line(text, match.start())}: the key {key[:40]!r} has no value; add it")
        else:
            if key in KEPT:
                blocks[-1].setdefault(key, html.unescape(token[1:-1]) if token[0] == '"' else token)
            key = None
    if names:
        raise InputError(f"line {_line(text, starts[-1])}: the bracket of {names[-1][:40]!r} is not closed; add ]")
    if key is not None:
        raise InputError(f"the file ends after the key {key[:40]!r}; add its value")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
