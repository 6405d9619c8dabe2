"""Pajek's .net: sections of vertices, arcs (directed) and edges (undirected), lists of them, or a matrix.

networkx reads it too, but takes all edges for undirected, or all for directed, where a file has both kinds.
"""

from __future__ import annotations

import re

from core.errors import InputError
from core.tasks.graph_formats.draft import MAX_NODES, Draft, Listing, lines_of

FIELD = re.compile(r'"([^"]*)"|([^\s"]+)')


def read(text: str) -> Draft:
    """Read a Pajek network.

    Raises:
        InputError: With the line that cannot be read.
    """
    listing = Listing()
    named: dict[str, str] = {}
    n_vertices, n_matrix_rows = -1, 0
    section = ""
    for number, line in lines_of(text):
        fields = [match[match.lastindex or 0] for match in FIELD.finditer(line)]
        if not fields or line.lstrip().startswith("%"):
            continue
        if line.startswith("*"):
            section = fields[0].lower()
            if section == "*vertices":
                if n_vertices >= 0:
                    raise InputError(f"line {number} begins a second network; keep one of them")
                n_vertices = _count(fields, number)
        elif section == "*vertices":
            if not _is_vertex(fields[0], n_vertices) or fields[0] in named:
                raise InputError(f"line {number}: {fields[0][:40]!r} is not a new vertex number up to {n_vertices}")
            named[fields[0]] = fields[1] if len(fields) > 1 else fields[0]
        elif section in ("*arcs", "*edges", "*arcslist", "*edgeslist"):
            ends = fields if section.endswith("list") else fields[:2]
            wrong = [x for x in ends if not _is_vertex(x, n_vertices)]
            if wrong or len(ends) < 2:
                what = (
                    f"{wrong[0][:40]!r} is not a vertex number up to {max(n_vertices, 0)}"
                    if wrong
                    else "it has one end"
                )
                raise InputError(f"line {number} is not an edge: {what}; write two vertex numbers")
            for end in ends[1:]:
                listing.edge(ends[0], end, section.startswith("*arcs"))
        elif section == "*matrix":
            n_matrix_rows += 1
            if len(fields) != n_vertices or n_matrix_rows > n_vertices:
                raise InputError(
                    f"line {number} has {len(fields)} values; the matrix needs {n_vertices} rows of as many"
                )
            for column, value in enumerate(fields, 1):
                if _number(value, number) != 0:
                    listing.edge(str(n_matrix_rows), str(column), True)
    if n_vertices < 0:
        raise InputError("the file has no line such as `*Vertices 3`; it is no Pajek network")
    for i in range(1, n_vertices + 1):
        listing.node(str(i), named.get(str(i), str(i)))
    return listing.draft()


def _count(fields: list[str], number: int) -> int:
    count = fields[1] if len(fields) > 1 else ""
    if not (count.isascii() and count.isdigit() and len(count) <= 12):
        raise InputError(f"line {number}: *Vertices needs the number of vertices, such as `*Vertices 3`")
    if int(count) > MAX_NODES:
        raise InputError(f"line {number}: the graph has more than {MAX_NODES:,} nodes, which is the limit; take a part")
    return int(count)


def _is_vertex(field: str, n_vertices: int) -> bool:
    return field.isascii() and field.isdigit() and len(field) <= 12 and field[0] != "0" and int(field) <= n_vertices


def _number(field: str, number: int) -> float:
    try:
        return float(field)
    except ValueError:
        raise InputError(f"line {number}: {field[:40]!r} is not a number; write 0 or 1") from None
