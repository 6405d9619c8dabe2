"""Pajek's .net: sections of vertices, arcs (directed), edges (undirected), lists of either, or a matrix.

Ours, since networkx's reader is silently wrong on what Pajek writes: it takes *Edges below *Arcs for arcs, comments for
vertices, vertices with one label for one, and of a list its first edge only; a word of 800,000 characters takes it 5
seconds, and twice the word four times as long.
"""

from __future__ import annotations

import re

import networkx as nx

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats.draft import Draft, check_counts, lines_of
from depthscope.core.tasks.graph.formats.library import draft_of

FIELD = re.compile(r'"([^"]*)"|([^\s"]+)')
COUNT = re.compile(r"[0-9]{1,12}")


def read(text: str) -> Draft:
    """Read a Pajek network.

    Raises:
        InputError: With the line that cannot be read.
    """
    graph = nx.DiGraph()  # of the vertices alone; edges of both kinds go to the draft
    section, n_rows = "", 0
    edges: list[tuple[str, str, bool]] = []
    for number, line in lines_of(text):
        fields = [quoted or plain for quoted, plain in FIELD.findall(line)]
        if not fields or line.lstrip().startswith("%"):
            continue
        if line.startswith("*"):
            section = fields[0].lower()
            if section == "*vertices":
                if graph or len(fields) < 2 or not COUNT.fullmatch(fields[1]):
                    raise InputError(f"line {number} should be the only one such as `*Vertices 3`; write one network")
                check_counts(int(fields[1]))
                graph.add_nodes_from(map(str, range(1, int(fields[1]) + 1)))
        elif section == "*vertices":
            if fields[0] not in graph or "label" in graph.nodes[fields[0]]:
                raise InputError(f"line {number}: {fields[0][:40]!r} is not a new vertex number up to {len(graph)}")
            graph.nodes[fields[0]]["label"] = fields[min(1, len(fields) - 1)]
        elif section in ("*arcs", "*edges", "*arcslist", "*edgeslist"):
            ends = fields if section.endswith("list") else fields[:2]
            wrong = next((x for x in ends if x not in graph), "an end is missing" if len(ends) < 2 else None)
            if wrong is not None:
                raise InputError(
                    f"line {number} is not an edge: {wrong[:40]!r}; write vertex numbers up to {len(graph)}"
                )
            edges += [(ends[0], end, section.startswith("*arcs")) for end in ends[1:]]
        elif section == "*matrix":
            n_rows += 1
            if len(fields) != len(graph) or n_rows > len(graph):
                raise InputError(
                    f"line {number} is not one of {len(graph)} rows with as many values; complete the matrix"
                )
            edges += [(str(n_rows), str(i), True) for i, value in enumerate(fields, 1) if _number(value, number) != 0]
        check_counts(0, len(edges))
    if not graph:
        raise InputError("the file has no line such as `*Vertices 3`; it is no Pajek network")
    nodes = list(graph)
    nx.set_node_attributes(graph, {i: i for i, data in graph.nodes(data=True) if "label" not in data}, "label")
    draft = draft_of(graph, nodes)
    number_of = {name: i for i, name in enumerate(nodes)}
    for start, end, directed in edges:
        draft.edge(number_of[start], number_of[end], directed)
    return draft


def _number(field: str, line: int) -> float:
    try:
        return float(field)
    except ValueError:
        raise InputError(f"line {line}: {field[:40]!r} is not a number; write 0 or 1") from None
