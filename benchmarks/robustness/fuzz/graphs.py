"""The formats of graphs as parsers: valid files by the project's own writer or networkx's, and the words of each."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import networkx as nx
import numpy as np

from benchmarks.robustness.fuzz.damage import text
from benchmarks.robustness.fuzz.parser import Parser, solved
from depthscope.core import tasks
from depthscope.core.tasks.graph.formats import FORMATS


def _examples() -> list[nx.DiGraph | nx.Graph]:
    path: nx.DiGraph[Any] = nx.DiGraph([("A", "B"), ("B", "C"), ("C", "D"), ("A", "D"), ("D", "E e"), ("é", "A")])
    nx.set_node_attributes(path, {name: f"label {name}" for name in path}, "label")
    nx.set_edge_attributes(path, {edge: i / 2 for i, edge in enumerate(path.edges)}, "weight")
    return [path, nx.path_graph(4, create_using=nx.DiGraph), nx.cycle_graph(5), nx.Graph([(0, 0), (1, 2)])]


def _lines_of(writer: Callable[[Any], Any]) -> list[bytes]:
    return ["\n".join(writer(graph)).encode() for graph in _examples()]


def _npy() -> list[bytes]:
    result = []
    for values in (np.eye(4, k=1), np.array([[0, 1], [1, 2], [2, 3]]), np.ones((3, 3), bool), np.ones((2, 3), "f4")):
        stream = io.BytesIO()
        np.save(stream, values)
        result.append(stream.getvalue())
    return result


DOT = 'digraph G { rankdir=LR; A -> B -> {C; D} [label="x"]; "n 1":port:n -> A; subgraph s { x; y } }'
DOT_PLAIN = "strict graph {\n a -- b -- c /* c */\n node [shape=box]; // d\n a -- {d e}\n}\n"
PAJEK = (
    '*Vertices 3\n1 "A"\n2 "B b"\n3 C\n*Arcs\n1 2 1.5\n*Edges\n2 3\n*Arcslist\n1 2 3\n*Matrix\n0 1 0\n1 0 0\n0 0 1\n'
)
MATRICES = [b"0,1,0\n0,0,1\n0,0,0\n", b",a,b,c\na,0,1,0\nb,0,0,1\nc,1,0,0\n", b"0 1\n1 0\n"]
TABLES = [*MATRICES, b"source,target,weight\na,b,1\nb,c,2\n", b"1\t2\n2\t3\n", b"Source;Target;Type\nx;y;Undirected\n"]


@cache
def _samples() -> dict[str, list[bytes]]:
    """Valid files of every graph format."""
    graph = tasks.get("graph")
    own = [graph.render(x).encode() for x in graph.generate(4, 2, seed=0)]
    own += [b'source: A\n"New York" -> B # c\nB,A\nA\tZ\nZ A 3.5\n', b"# target: b\na b {'weight': 1}\n"]
    return {
        "edge-list": own,
        "table": TABLES,
        "matrix": MATRICES,
        "npy": _npy(),
        "graphml": _lines_of(nx.generate_graphml),
        "gml": _lines_of(lambda g: nx.generate_gml(g, stringizer=str)),
        "gexf": _lines_of(nx.generate_gexf),
        "node-link": [json.dumps(nx.node_link_data(g, edges=k)).encode() for g in _examples() for k in ("edges",
        "links")],
        "cytoscape": [json.dumps(nx.cytoscape_data(g)).encode() for g in _examples()],
        "pajek": [PAJEK.encode(), *_lines_of(nx.generate_pajek)],
        "dot": [DOT.encode(), DOT_PLAIN.encode()],
    }  # fmt: skip


XML = [
    '<?xml version="1.0" encoding="utf-16"?>', "<!DOCTYPE a [<!ENTITY b 'c'>]>", "&b;", "<![CDATA[", "]]>", "<!--",
    "-->", ' xmlns:y="u"',
]  # fmt: skip
ALSO = {
    "npy": ["|O", "<U3"],
    "graphml": [*XML, "<port/>", "<hyperedge/>", '<key id="k" for="node" attr.name="label" attr.type="int"/>'],
    "gml": ["multigraph 1", "key 0", "&#9;", "# c", "id 1.5", "graphics ["],
    "gexf": [*XML, 'mode="dynamic"', 'type="mutual"', "<spells>", '<viz:size value="3"/>', 'pid="1"', 'start="1"'],
    "node-link": ["NaN"],
    "cytoscape": ["NaN"],
    "pajek": ["%", "*Network x\n"],
    "dot": ["<b>", "+", "//", "node"],
}
"""Words of formats that no sample has."""


def parsers() -> list[Parser]:
    """One for each format, and one that goes by the content."""

    def read(data: bytes, form: str | None) -> object:
        return solved(tasks.get("graph").parse(data, format=form))

    def every() -> list[bytes]:
        return [x for form, some in _samples().items() if form != "matrix" for x in some if not x.startswith(b",")]

    result = [
        Parser(
            f"graph {form}",
            partial(read, form=form),
            partial(lambda form: _samples()[form], form),
            partial(text, also=ALSO.get(form, ())),
        )
        for form in FORMATS
    ]
    also = [word for words in ALSO.values() for word in words]
    return [*result, Parser("graph by its content", partial(read, form=None), every, partial(text, also=also))]
