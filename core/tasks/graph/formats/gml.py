"""GML, by networkx."""

from __future__ import annotations

import io
import re

import networkx as nx

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats.draft import MAX_NESTING, Draft
from depthscope.core.tasks.graph.formats.library import ask, draft_of

BRACKETS = re.compile(r'"[^"]*"?|#[^\n]*|[\[\]]')
GRAPH = re.compile(r"^\s*graph\s*\[", re.MULTILINE)
LAYOUT = "it needs one block `graph [ ... ]`, with an id in each node, and source and target in each edge"


def read(text: str) -> Draft:
    """Read GML; edges are undirected unless the graph says `directed 1`.

    Raises:
        InputError: With the line at which it cannot be read.
    """
    n_open = 0
    for match in BRACKETS.finditer(text):  # networkx calls itself for each
        n_open += {"[": 1, "]": -1}.get(match[0], 0)
        if n_open > MAX_NESTING:
            line = text.count("\n", 0, match.start()) + 1
            raise InputError(f"line {line}: more than {MAX_NESTING} brackets are open; a graph needs only a few")
    text = GRAPH.sub(lambda match: f"{match[0]} multigraph 1 ", text, count=1)  # else a repeated edge is an error
    graph = ask("GML", LAYOUT, lambda: nx.parse_gml(io.StringIO(text, newline=None), label="id"))
    return draft_of(graph, list(graph))  # here networkx refuses nodes that are alike or not there by itself
