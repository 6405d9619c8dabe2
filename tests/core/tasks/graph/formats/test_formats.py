"""Graphs written by networkx and by hand, read by ours."""

from __future__ import annotations

import contextlib
import io
import json
import time
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats import FORMATS, MAX_BYTES, MAX_EDGES, MAX_NODES, parse, render
from depthscope.core.tasks.graph.formats.draft import Draft
from depthscope.core.tasks.graph.instance import GraphInstance

NASTY = st.sampled_from(
    ["", " ", "a b", "\n", "\r", '"', '\\"', "\\", "#", "# x", "->", "a->b", "source:", "source: A", "# target: B",
     "{}", "\x00", "\x00" + "0" + "\x00", "<a>", "*Vertices", ",", ";", "\t", "é", "日本", "🦊", "\u2028", "\x85",
     "nan", "1", "-1"]
)  # fmt: skip
NAMES = st.one_of(NASTY, st.text(max_size=6))


@st.composite
def instances(draw: st.DrawFn) -> GraphInstance:
    names = draw(st.lists(NAMES, min_size=1, max_size=8, unique=True))
    node = st.integers(0, len(names) - 1)
    pairs = draw(st.lists(st.tuples(node, node).filter(lambda e: e[0] != e[1]), max_size=12, unique=True))
    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return GraphInstance(tuple(names), edges, draw(node), draw(node))


def npy(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=True)
    return stream.getvalue()


def named_edges(instance: GraphInstance) -> set[tuple[str, str]]:
    return {(instance.names[a], instance.names[b]) for a, b in instance.edges.tolist()}


@pytest.mark.slow
@given(instances())
@settings(deadline=None, max_examples=60)
def test_own_text_round_trips(instance: GraphInstance) -> None:
    text = render(instance)
    for read in (parse(text), parse(text, filename="x.txt"), parse(text.encode()), parse(text.replace("\n", "\r\n"))):
        assert read == instance
        assert read.notes == ()


def test_nodes_in_the_order_of_the_edges_are_not_listed() -> None:
    assert render(parse("A B\nB C\nZ\n", source="A", target="C")) == "source: A\ntarget: C\nA B\nB C\nZ\n"


def test_names_that_repeat_cannot_be_rendered() -> None:
    with pytest.raises(ValueError, match="share a name"):
        render(GraphInstance(("A", "A"), np.zeros((0, 2), dtype=np.int64), 0, 0))


WRITERS = {
    "txt": lambda g: "\n".join(nx.generate_edgelist(g)),
    "graphml": lambda g: "\n".join(nx.generate_graphml(g)),
    "gml": lambda g: "\n".join(nx.generate_gml(g)),
    "gexf": lambda g: "\n".join(nx.generate_gexf(g)),
    "json": lambda g: json.dumps(nx.node_link_data(g)),
    "cyjs": lambda g: json.dumps(nx.cytoscape_data(g)),
    "net": lambda g: "\n".join(nx.generate_pajek(g)),
    "dot": lambda g: dot(g),
}


def dot(graph: nx.Graph) -> str:
    """DOT as pydot writes it."""
    kind, operator = ("digraph", "->") if graph.is_directed() else ("graph", "--")
    return "\n".join(
        [f"strict {kind} {{", *(f"{a};" for a in graph), *(f"{a} {operator} {b};" for a, b in graph.edges), "}"]
    )


@pytest.mark.parametrize("sniffed", [False, True], ids=["named", "sniffed"])
@pytest.mark.parametrize("directed", [True, False], ids=["directed", "undirected"])
@pytest.mark.parametrize("extension", WRITERS)
def test_what_networkx_writes(extension: str, directed: bool, sniffed: bool) -> None:
    for seed in range(5):
        graph = nx.gnp_random_graph(9, 0.3, seed=seed, directed=directed)
        text = WRITERS[extension](graph)
        for data in (text, text.encode()):
            instance = parse(data, filename=None if sniffed else f"a.{extension}")
            directed_here = directed or extension == "txt"  # an edge list cannot say that it is undirected
            expected = {(str(a), str(b)) for a, b in graph.edges}
            expected |= set() if directed_here else {(b, a) for a, b in expected}
            assert named_edges(instance) == expected
            if extension != "txt":
                assert instance.names == tuple(map(str, graph))
            assert any("undirected" in note for note in instance.notes) != directed_here


@pytest.mark.parametrize("extension", [x for x in WRITERS if x not in ("txt", "net", "dot")])
def test_labels_are_kept(extension: str) -> None:
    names = ["New York", "é", 'a "b"', "x&y<z>", "日本", "#", "1"]
    graph = nx.DiGraph(list(pairwise(names)))
    instance = parse(WRITERS[extension](graph), filename=f"x.{extension}")
    assert list(instance.names) == names
    assert named_edges(instance) == set(graph.edges)


def test_edges_of_both_kinds_in_one_file() -> None:
    pajek = "*Vertices 3\n1 a\n2 b\n3 c\n*Arcs\n1 2\n*Edges\n2 3 1.0\n*Arcslist\n3 1 2\n"
    assert named_edges(parse(pajek)) == {("a", "b"), ("b", "c"), ("c", "b"), ("c", "a")}
    for text in (
        '<graphml><graph edgedefault="directed">%s<edge source="b" target="a" directed="false"/></graph></graphml>',
        '<gexf><graph><nodes>%s</nodes><edges><edge source="b" target="a" type="directed"/></edges></graph></gexf>',
    ):
        with pytest.raises(InputError, match="all edges directed or all undirected"):
            parse(text % '<node id="a"/><node id="b"/>')


@pytest.mark.parametrize("version", ["http://www.gexf.net/1.1draft", "http://www.gexf.net/1.2draft",
                                     "http://www.gexf.net/1.3", "http://gexf.net/1.3"])  # fmt: skip
def test_versions_of_gexf(version: str) -> None:
    nodes = '<nodes><node id="0" label="A"/><node id="1" label="B"/></nodes>'
    edges = '<edges><edge id="0" source="0" target="1" weight="2.0"/></edges>'
    text = f'<gexf xmlns="{version}"><graph defaultedgetype="directed">{nodes}{edges}</graph></gexf>'
    assert named_edges(parse(text)) == {("A", "B")}


def test_graphs_inside_nodes() -> None:
    text = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="directed"><node id="a">
      <port name="p"/><graph edgedefault="directed"><node id="b"/><edge source="b" target="c"/></graph></node>
      <node id="c"/><edge source="a" target="b"/></graph></graphml>"""
    assert named_edges(parse(text)) == {("a", "b"), ("b", "c")}


def test_repeated_edges() -> None:
    gml = "graph [ directed 1 node [ id 1 ] node [ id 2 ] edge [ source 1 target 2 ] edge [ source 1 target 2 ] ]"
    links = '{"directed": true, "nodes": [{"id": 1}, {"id": 2}], "links": [%s, %s]}' % (
        ('{"source": 1, "target": 2}',) * 2
    )
    edge = '<edge source="1" target="2"/>'
    graphml = f'<graphml><graph edgedefault="directed"><node id="1"/><node id="2"/>{edge * 2}</graph></graphml>'
    for text in (gml, links, graphml, "digraph {1 -> 2 1 -> 2}", "*Vertices 2\n*Arcs\n1 2\n1 2\n"):
        instance = parse(text)
        assert named_edges(instance) == {("1", "2")}
        assert "1 repeated edge dropped." in instance.notes


def test_nodes_go_by_their_labels_where_each_has_its_own() -> None:
    node = "node [ id %d label %s ]"
    apart = parse(f"graph [ {node % (0, 5)} {node % (1, 0)} edge [ source 0 target 1 ] ]", source="1", target="0")
    assert (apart.names, apart.names[apart.source]) == (("5", "0"), "0")
    assert "Nodes go by their labels, not by their ids." in apart.notes
    alike = parse("*Vertices 2\n1 x\n2 x\n*Arcs\n1 2\n")
    assert alike.names == ("1", "2")
    assert "Nodes go by their ids, since some labels are missing or repeat." in alike.notes


CYTOSCAPE = [
    '{"data": {"name": "x"}, "elements": {"nodes": [%s, %s], "edges": [%s]}}',
    '{"elements": [%s, %s, %s]}',
    "[%s, %s, %s]",
]


@pytest.mark.parametrize("text", CYTOSCAPE)
def test_what_cytoscape_writes(text: str) -> None:
    nodes = ['{"data": {"id": "1", "value": 0.5}}', '{"data": {"id": "2", "value": 0.5}}']
    instance = parse(text % (*nodes, '{"data": {"source": "1", "target": "2"}}'))
    assert named_edges(instance) == {("1", "2")}
    assert any("does not say" in note for note in instance.notes)


def test_declared_encodings() -> None:
    text = '\n<?xml version="1.0" encoding="latin-1"?><graphml><graph><node id="é"/></graph></graphml>'
    assert parse(text).names == ("é",)
    assert parse(text.strip().encode("latin-1"), filename="a.graphml").names == ("é",)


def test_lines_of_the_own_text() -> None:
    text = '# a comment\nA B\nB -> C # another\nC,D,0.5\nD\tE\nE F 3\n"x y" "q\\"" \nlone\nNew York, A\nA B {"w": 1}\n'
    instance = parse(text, source="A", target="lone")
    chain = {("A", "B"), ("B", "C"), ("C", "D"), ("D", "E"), ("E", "F"), ("x y", 'q"'), ("New York", "A")}
    assert named_edges(instance) == chain
    assert "lone" in instance.names
    assert instance.notes == ("1 repeated edge dropped.",)


def test_source_and_target_from_the_file_from_a_comment_and_from_the_caller() -> None:
    for text in ("source: B\ntarget: A\nA B", "A B\n# source: B\n# target: A", "SOURCE : B # x\nA B\ntarget:A"):
        instance = parse(text)
        assert (instance.source, instance.target, instance.notes) == (1, 0, ())
    assert parse("source: B\ntarget: A\nA B", source="A", target="B").label == 1


def test_loops_and_repeats_are_dropped_with_a_note() -> None:
    instance = parse("A A\nA B\nA B\nB C\n", source="A", target="C")
    assert instance.edges.tolist() == [[0, 1], [1, 2]]
    assert instance.notes == ("1 self-loop dropped.", "1 repeated edge dropped.")


TABLES = [
    ("0,1,0\n0,0,1\n0,0,0", "012", [(0, 1), (1, 2)]),
    ("0;1;0\n0;0;2.5\n0;0;0", "012", [(0, 1), (1, 2)]),
    (",A,B,C\nA,0,1,0\nB,0,0,1\nC,0,0,0", "ABC", [(0, 1), (1, 2)]),
    (",A,B\nA,0,1\nB,0,0", "AB", [(0, 1)]),
    ("A,B,C\n0,1,0\n0,0,1\n0,0,0", "ABC", [(0, 1), (1, 2)]),
    ("A,0,1,0\nB,0,0,1\nC,0,0,0", "ABC", [(0, 1), (1, 2)]),
    ("A,B,1\nB,C,1\nC,D,1", "ABCD", [(0, 1), (1, 2), (2, 3)]),
    ("A,B\nB,C", "ABC", [(0, 1), (1, 2)]),
    ("source,target\nA,B\nB,C", "ABC", [(0, 1), (1, 2)]),
    ("x,y,weight\nA,B,1\nB,C,2", "ABC", [(0, 1), (1, 2)]),
    ("# source: A\n\nA,B\n", "AB", [(0, 1)]),
    ('"New\nYork",B\nB,C\n', ["New\nYork", "B", "C"], [(0, 1), (1, 2)]),
    ("Source,Target,Type,Id\nA,B,Directed,1\nB,C,Undirected,2\nC,D,,3", "ABCD", [(0, 1), (1, 2), (2, 1), (2, 3)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names", "edges"), TABLES)
def test_tables(text: str, names: str, edges: list[tuple[int, int]]) -> None:
    for data, filename in ((text, "a.csv"), (text.replace(",", "\t"), "a.tsv"), (text.encode("utf-8-sig"), "A.CSV")):
        instance = parse(data, filename=filename)
        assert instance.names == tuple(names)
        assert [tuple(edge) for edge in instance.edges.tolist()] == edges


def test_the_format_goes_before_the_extension() -> None:
    square = "0,1,1\n1,2,1\n2,0,1"
    assert len(parse(square, filename="a.csv").edges) == 5
    assert named_edges(parse(square, filename="a.csv", format="edge-list")) == {("0", "1"), ("1", "2"), ("2", "0")}
    assert named_edges(parse("0 1\n0 0", filename="a.txt", format="matrix")) == {("0", "1")}
    assert named_edges(parse("digraph {a -> b}", filename="a.txt", format="dot")) == {("a", "b")}


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, np.float64, ">i4"])
def test_arrays(dtype: str) -> None:
    graph = nx.gnp_random_graph(7, 0.3, seed=1, directed=True)
    expected = {(str(a), str(b)) for a, b in graph.edges}
    matrix = nx.to_numpy_array(graph).astype(dtype)
    assert named_edges(parse(npy(matrix), filename="a.npy")) == expected
    assert named_edges(parse(npy(np.asfortranarray(matrix)))) == expected
    if dtype is not bool:
        pairs = np.array(graph.edges).astype(dtype)
        assert named_edges(parse(npy(pairs), filename="a.npy")) == expected
        assert named_edges(parse(npy(pairs[:3, [0, 1, 1]]), filename="a.npy", format="edge-list")) <= expected


DOT = """/* c */ strict digraph "g" { // c
  node [shape=box, label="{x|y}"]; rankdir = LR
  a:port:n -> b -> { c "d e" } [color=red][w=1]
  subgraph cluster_1 { label=<<b>x</b>>; f -> g; }
  "q\\"r" -> "s" + "t"; -1.5 -> 7up
# c
}"""


def test_dot() -> None:
    pairs = [("a", "b"), ("b", "c"), ("b", "d e"), ("f", "g"), ('q"r', "st"), ("-1.5", "7up")]
    assert sorted(named_edges(parse(DOT))) == sorted(pairs)
    both = parse("graph { a -- b -- subgraph { c; d } }", filename="x.gv")
    assert named_edges(both) == {(x, y) for a, b in ("ab", "bc", "bd") for x, y in ((a, b), (b, a))}


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {y} "{f"&{x};" * 10}">' for x, y in pairwise("abcdefghij"))
    + "]><graphml><graph><node id='&j;'/></graph></graphml>"
)
OUTSIDE = (
    '<!DOCTYPE g [<!ENTITY x SYSTEM "file:///etc/passwd">]><gexf><graph><nodes><node id="&x;"/></nodes></graph></gexf>'
)
REFUSED = [
    ("", None, "empty"),
    (" \n ", "a.csv", "empty"),
    (b"", "a.npy", "not a numpy array"),
    (b"\x7fELF\x00\x00\x01", None, "binary"),
    (b"\x89PNG\r\n", "a.txt", "line 1 is not text in UTF-8"),
    (b"\x1f\x8b\x08\x00", "a.graphml", "unpack"),
    ("A B", "a.xlsx", "extension 'xlsx'"),
    ("A B C", "a.txt", "line 1 has three fields"),
    ("A B\nA -> B -> C", "a.txt", "line 2 has three fields"),
    ('A "B', None, "line 1: the quoted name"),
    ("A,", None, "line 1 has an empty name"),
    ("source:\nA B", None, "line 1: no name follows"),
    ("source: A\nsource: B\nA B", None, "line 2 names 'B'"),
    ("source: Q\nA B", None, "source 'Q' is not a node"),
    ("# only a comment", None, "no nodes"),
    ("0,1,0,0\n0,0\n0,0,0,0\n0,0,0,0", "a.csv", "line 2 has 2 cells"),
    ("0,1,0\n0,nan,0\n0,0,0", "a.csv", "line 2, column 2: 'nan'"),
    ("0,1,0,0\n0,x,0,1\n0,0,0,0\n0,0,0,0", "a.csv", "line 2, column 2: 'x'"),
    (",A,B,C\nA,0,1,0\nB,0,0,1\nD,0,0,0", "a.csv", "differ"),
    ("A,A,C\n0,1,0\n0,0,1\n0,0,0", "a.csv", "same name"),
    ("a,b,c,d\n1,2,3,4", "a.csv", "2 rows and 4 columns"),
    ('a,"b\n', "a.csv", "line 1 is not a row"),
    ("1,2\n,3", "a.csv", "line 2 has an empty cell"),
    (npy(np.zeros((2, 4))), "a.npy", "shape"),
    (npy(np.zeros(4)), "a.npy", "shape"),
    (npy(np.full((3, 3), np.inf)), "a.npy", "not a finite number"),
    (npy(np.array([[1, None]])), "a.npy", "Object arrays cannot be loaded"),
    (npy(np.zeros((3, 3)))[:-1], "a.npy", "EOF"),
    (npy(np.zeros((3, 3))).replace(b"(3, 3)", b"(9" + b"9" * 3 + b",)"), "a.npy", "."),
    ("A B", "a.npy", "not a numpy array"),
    ("<graphml", "a.graphml", "line 1, column 1"),
    ("A B", "a.graphml", "line 1, column 1"),
    ("<html></html>", "a.gexf", "begins with <html>"),
    ("<graphml><graph><node/></graph></graphml>", None, "node 1 has no id"),
    ("<graphml><graph><edge source='a'/></graph></graphml>", None, "edge 1 has no target"),
    ("<graphml><graph><node id='a'/><edge source='a' target='b'/></graph></graphml>", None, "does not declare"),
    ("<graphml><graph><node id='a'/><node id='a'/></graph></graphml>", None, "two nodes have the id 'a'"),
    ("<graphml><graph><hyperedge/></graph></graphml>", None, "hyperedges"),
    ("<graphml><graph/><graph/></graphml>", None, "more than one graph"),
    (b"<?xml version='1.0' encoding='utf-7'?><graphml/>", None, "encoding"),
    ("<graphml><node id='a'/><graph/></graphml>", None, "stand outside the graph"),
    ("<gexf><graph><nodes><node id='a'/></nodes></graph><edges><edge source='a' target='a'/></edges></gexf>", None,
     "does not hold directly"),
    ("<graphml>" + "<graph><node id='a'>" * 2000 + "</node></graph>" * 2000 + "</graphml>", None, "nested too deeply"),
    ("<!DOCTYPE g [<!ATTLIST node x CDATA 'y'>]><graphml/>", None, "document type"),
    (LAUGHS, "a.graphml", "entities"),
    (OUTSIDE, "a.gexf", "entities"),
    ("graph [ node [ id 1 ]", "a.gml", r"line 2: the GML cannot be read \(expected ']', found EOF"),
    ("graph [\n node [ id ] ]", "a.gml", "found EOF"),
    ("graph [ node [ label \"x\" ] ]", "a.gml", "node #0 has no 'id'"),
    ("a [ " * 101, "a.gml", "100 brackets"),
    ("graph [\n label \"x ]", "a.gml", "found EOF"),
    ("A B", "a.gml", "line 1: the GML"),
    ("{", "a.json", "line 1, column 2"),
    ("[" * 200_000, "a.json", "nested too deeply"),
    ("1" * 9_999, "a.json", "too long"),
    ("{}", "a.json", "'nodes' is missing"),
    ('{"nodes": [1], "links": []}', "a.json", "it needs the lists `nodes`"),
    ('{"nodes": [{"id": "a"}], "links": [{"source": "a"}]}', "a.json", "'target' is missing"),
    ('{"nodes": [{"id": NaN}], "links": []}', "a.json", "NaN"),
    ('{"nodes": [{"id": "\\ud800"}], "links": []}', "a.json", "surrogate"),
    ('{"nodes": [{"id": 1}, {"id": "1"}], "links": []}', "a.json", "two nodes"),
    ('{"nodes": [{"id": true}, {"id": 1}], "links": []}', "a.json", "alike"),
    ('{"nodes": [{"id": "a"}], "links": [{"source": "a", "target": "b"}]}', "a.json", "'b', which the file does not"),
    ('{"nodes": [{"id": [[1]]}], "links": []}', "a.json", "node-link JSON cannot be read"),
    ('{"elements": 3}', "a.cyjs", "elements"),
    ('{"elements": [{"group": "nodes"}]}', "a.cyjs", "'data' is missing"),
    ("A B", "a.net", r"no line such as"),
    ("*Vertices 999999999", "a.net", "200,000"),
    ("*Vertices x", "a.net", "line 1"),
    ("*Vertices 2\n*Arcs\n1 3", "a.net", "line 3 is not an edge: '3'"),
    ("*Vertices 2\n*Matrix\n0 1\n1 x", "a.net", "line 4: 'x'"),
    ("digraph { a -> }", "a.dot", "line 1, column 16: '}' does not belong here"),
    ("digraph {\n a -- b }", "a.dot", "line 2, column 4: -- does not fit"),
    ("digraph { a -> b", "a.dot", "a brace or a bracket is not closed"),
    ("digraph { a [x=1 }", "a.dot", "."),
    ('digraph { "a }', "a.dot", "column 11: this quotation mark"),
    ("digraph { a } b", "a.dot", "keep one graph"),
    ("digraph " + "{" * 100_000, "a.dot", "100 braces"),
    ('digraph {\n# "\n' + "{" * 100 + "a" + "}" * 101, "a.dot", "line 3, column 100: more than 100 braces"),
    ('digraph { a [label=<">]' + "{" * 100 + "a" + "}" * 101, "a.dot", "100 braces"),
    ("graph [ node [ id 1 ]\n" + "a [ " * 99 + "a [ " + "] " * 101, "a.gml", "line 2: more than 100 brackets"),
    ("graph " + "{" * 20 + "a" + "}" * 19, "a.dot", "not closed"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "filename", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refused_in_one_sentence(
    data: str | bytes, filename: str | None, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    start = time.process_time()
    with pytest.raises(InputError, match=message) as caught:
        parse(data, filename=filename)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert time.process_time() - start < 2
    assert capfd.readouterr() == ("", "")


def test_unknown_formats_and_ends_are_named() -> None:
    with pytest.raises(InputError, match="'xls'"):
        parse("A B", format="xls")
    with pytest.raises(InputError, match="'Q'"):
        parse("A B", source="Q")
    with pytest.raises(InputError, match="target ''"):
        parse("A B", target="")


@pytest.mark.slow
def test_limits() -> None:
    with pytest.raises(InputError, match="50 MB"):
        parse(bytes(MAX_BYTES + 1), filename="a.graphml")
    with pytest.raises(InputError, match="200,000 nodes"):
        parse("\n".join(map(str, range(MAX_NODES + 1))))
    with pytest.raises(InputError, match="2,000,000 edges"):
        parse(npy(np.ones((1500, 1500), dtype=bool)))
    for extension, size in (("dot", 2), ("gml", 5), ("graphml", 10), ("gexf", 10), ("json", 10), ("cyjs", 10)):
        with pytest.raises(InputError, match=f"over {size} MB"):
            parse(b" " * size * 1_000_000 + b"x", filename=f"a.{extension}")
    nodes = ", ".join(["{}"] * (MAX_NODES + 1))
    with pytest.raises(InputError, match="200,000 nodes"):
        parse(f'{{"nodes": [{nodes}], "links": []}}')
    draft = Draft()
    draft.pairs.extend([0] * 2 * MAX_EDGES)
    with pytest.raises(InputError, match="2,000,000 edges"):
        draft.edge(0, 1)
    side = " ".join(map(str, range(1500)))
    with pytest.raises(InputError, match="2,000,000 edges"):
        parse(f"digraph {{ {{ {side} }} -> {{ {side} }} }}")


@pytest.mark.slow
def test_big_edge_lists_are_quick() -> None:
    rng = np.random.default_rng(0)
    text = "\n".join(f"{a} {b}" for a, b in rng.integers(0, 10_000, (100_000, 2)).tolist())
    start = time.process_time()
    assert parse(text).n_nodes == 10_000
    assert time.process_time() - start < 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ['"' + '\\"' * 1_000_000, " {" * 500_000 + " x", "# " * 1_000_000 + "->", "/**/" * 500_000,
     "digraph {" + "<" * 1_000_000,
     "graph [" + "a [ " * 300_000, "<graphml>" + "<a>" * 300_000, " " * 2_000_000 + "x y",
     "\n" * 5_000_000 + "x y"],
    ids=["quotes", "braces", "inline", "comments", "angles", "gml", "xml", "spaces", "newlines"],
)  # fmt: skip
def test_hostile_text_takes_linear_time(text: str) -> None:
    start = time.process_time()
    with contextlib.suppress(InputError):
        parse(text)
    assert time.process_time() - start < 5


@given(st.integers(2, 9), st.integers(0, 2**32), st.sampled_from([0.1, 0.2, 0.4]))
@settings(deadline=None, max_examples=50)
def test_chosen_ends_are_the_most_distant_pair(n: int, seed: int, p: float) -> None:
    graph = nx.gnp_random_graph(n, p, seed=seed, directed=True)
    text = "\n".join([*map(str, graph), *(f"{a} {b}" for a, b in graph.edges)])
    instance = parse(text)
    lengths = dict(nx.all_pairs_shortest_path_length(graph))
    longest = max(max(x.values()) for x in lengths.values())
    assert instance.difficulty == (longest or None)
    assert instance == parse(text)
    given_source = parse(text, source="1")
    assert given_source.difficulty == (max(lengths[1].values()) or None)
    given_target = parse(text, target="1")
    assert given_target.difficulty == (max(x.get(1, 0) for x in lengths.values()) or None)
    assert all(len(x.notes) == 1 for x in (instance, given_source, given_target))


def test_chosen_ends_of_a_long_path() -> None:
    instance = parse("\n".join(f"{i} {i + 1}" for i in range(50_000)))
    assert instance.difficulty == 50_000


SAMPLES = [text for text, _, _ in TABLES] + [x for x, _, _ in REFUSED if isinstance(x, str) and len(x) < 500] + [DOT]
SAMPLES += [write(nx.path_graph(3)) for write in WRITERS.values()]
FILENAMES = st.sampled_from(
    [None, "a.txt", "a.csv", "a.tsv", "a.npy", "a.graphml", "a.gml", "a.gexf", "a.json", "a.net", "a.dot"]
)


def survives(data: str | bytes, filename: str | None, format: str | None = None) -> None:
    with contextlib.suppress(InputError):
        instance = parse(data, filename=filename, format=format)
        text = render(instance)
        assert parse(text) == instance


@given(st.one_of(st.text(), st.binary()), FILENAMES, st.sampled_from([None, *FORMATS]))
@settings(deadline=None, max_examples=300)
def test_random_input_never_crashes(data: str | bytes, filename: str | None, format: str | None) -> None:
    survives(data, filename, format)


@pytest.mark.slow
@given(st.sampled_from(SAMPLES), FILENAMES, st.data())
@settings(deadline=None, max_examples=500)
def test_damaged_files_never_crash(sample: str, filename: str | None, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, min(len(sample), start + 8)))
    patch = data.draw(st.one_of(st.text(max_size=4), st.text("{}[]<>()\"'\\,;:=*#-|&/ \n0123456789ab", max_size=4)))
    survives(sample[:start] + patch + sample[end:], filename)


@given(st.integers(0, 400), st.integers(0, 255))
@settings(deadline=None, max_examples=100)
def test_damaged_arrays_never_crash(place: int, byte: int) -> None:
    data = bytearray(npy(np.eye(4)))
    data[place % len(data)] = byte
    survives(bytes(data), "a.npy")


def test_nothing_is_read_from_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("A B")
    assert parse(str(path).replace(" ", "")).names == (str(path),)
