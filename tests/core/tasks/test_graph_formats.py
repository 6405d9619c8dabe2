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
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.tasks.graph_formats import FORMATS, MAX_BYTES, MAX_EDGES, MAX_NODES, parse, render
from core.tasks.graph_formats.draft import Draft
from core.tasks.graph_instance import GraphInstance

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
    "dot": lambda g: nx.nx_pydot.to_pydot(g).to_string(),
}


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
    graphml = (
        '<graphml><graph edgedefault="directed"><edge source="a" target="b"/><node id="a"/><node id="b"/>'
        '<node id="c"/><edge source="b" target="c" directed="false"/></graph></graphml>'
    )
    assert named_edges(parse(pajek)) == {("a", "b"), ("b", "c"), ("c", "b"), ("c", "a")}
    assert named_edges(parse(graphml)) == {("a", "b"), ("b", "c"), ("c", "b")}


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
    (npy(np.array([[1, None]])), "a.npy", "object"),
    (npy(np.zeros((3, 3)))[:-1], "a.npy", "another size"),
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
    (LAUGHS, "a.graphml", "entities"),
    (OUTSIDE, "a.gexf", "entities"),
    ("graph [ node [ id 1 ]", "a.gml", "line 1: the bracket of 'graph'"),
    ("graph [\n node [ id ] ]", "a.gml", "line 2: the key 'id' has no value"),
    ("graph [ node [ label \"x\" ] ]", "a.gml", "node 1 of the GML has no id"),
    ("a [ " * 101, "a.gml", "100 brackets"),
    ("graph [\n label \"x ]", "a.gml", "line 2: a quotation mark"),
    ("A B", "a.gml", "no graphs"),
    ("{", "a.json", "line 1, column 2"),
    ("[" * 200_000, "a.json", "nested too deeply"),
    ("1" * 9_999, "a.json", "too long"),
    ("{}", "a.json", "no list `nodes`"),
    ('{"nodes": [1], "links": []}', "a.json", "item 1"),
    ('{"nodes": [{"id": "a"}], "links": [{"source": "a"}]}', "a.json", "edge 1 has no target"),
    ('{"nodes": [{"id": NaN}], "links": []}', "a.json", "NaN"),
    ('{"nodes": [{"id": "\\ud800"}], "links": []}', "a.json", "surrogate"),
    ('{"nodes": [{"id": 1}, {"id": "1"}], "links": []}', "a.json", "two nodes"),
    ('{"elements": 3}', "a.cyjs", "elements"),
    ('{"elements": [{"group": "nodes"}]}', "a.cyjs", "no `data`"),
    ("A B", "a.net", r"no line such as"),
    ("*Vertices 999999999", "a.net", "200,000"),
    ("*Vertices x", "a.net", "line 1"),
    ("*Vertices 2\n*Arcs\n1 3", "a.net", "line 3 is not an edge: '3'"),
    ("*Vertices 2\n*Matrix\n0 1\n1 x", "a.net", "line 4: 'x'"),
    ("digraph { a -> }", "a.dot", "line 1, column 13: -> has no node after"),
    ("digraph {\n a -- b }", "a.dot", "line 2, column 4: -- does not fit"),
    ("digraph { a -> b", "a.dot", "line 1, column 9: this brace"),
    ("digraph { a [x=1 }", "a.dot", "."),
    ('digraph { "a }', "a.dot", "column 11: this quotation mark"),
    ("digraph { a } b", "a.dot", "keep one graph"),
    ("digraph " + "{" * 100_000, "a.dot", "100 braces"),
    ("graph " + "{" * 20 + "a" + "}" * 19, "a.dot", "not closed"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "filename", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refused_in_one_sentence(
    data: str | bytes, filename: str | None, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    start = time.perf_counter()
    with pytest.raises(InputError, match=message) as caught:
        parse(data, filename=filename)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert time.perf_counter() - start < 2
    assert capfd.readouterr() == ("", "")


def test_unknown_formats_and_ends_are_named() -> None:
    with pytest.raises(InputError, match="'xls'"):
        parse("A B", format="xls")
    with pytest.raises(InputError, match="'Q'"):
        parse("A B", source="Q")
    with pytest.raises(InputError, match="target ''"):
        parse("A B", target="")


def test_limits() -> None:
    with pytest.raises(InputError, match="50 MB"):
        parse(bytes(MAX_BYTES + 1), filename="a.graphml")
    with pytest.raises(InputError, match="200,000 nodes"):
        parse("\n".join(map(str, range(MAX_NODES + 1))))
    with pytest.raises(InputError, match="2,000,000 edges"):
        parse(npy(np.ones((1500, 1500), dtype=bool)))
    draft = Draft()
    draft.pairs.extend([0] * 2 * MAX_EDGES)
    with pytest.raises(InputError, match="2,000,000 edges"):
        draft.edge(0, 1)
    side = " ".join(map(str, range(1500)))
    with pytest.raises(InputError, match="2,000,000 edges"):
        parse(f"digraph {{ {{ {side} }} -> {{ {side} }} }}")


def test_big_edge_lists_are_quick() -> None:
    rng = np.random.default_rng(0)
    text = "\n".join(f"{a} {b}" for a, b in rng.integers(0, 10_000, (100_000, 2)).tolist())
    start = time.perf_counter()
    assert parse(text).n_nodes == 10_000
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "text",
    ['"' + '\\"' * 1_000_000, " {" * 500_000 + " x", "# " * 1_000_000 + "->", "/**/" * 500_000,
     "digraph {" + "<" * 1_000_000,
     "graph [" + "a [ " * 300_000, "<graphml>" + "<a>" * 300_000, " " * 2_000_000 + "x y",
     "\n" * 5_000_000 + "x y"],
    ids=["quotes", "braces", "inline", "comments", "angles", "gml", "xml", "spaces", "newlines"],
)  # fmt: skip
def test_hostile_text_takes_linear_time(text: str) -> None:
    start = time.perf_counter()
    with contextlib.suppress(InputError):
        parse(text)
    assert time.perf_counter() - start < 5


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
