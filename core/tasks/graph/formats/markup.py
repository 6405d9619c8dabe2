"""GraphML and GEXF, by networkx, after the XML was found to be safe and complete.

networkx passes over what it does not expect (graphs inside nodes, ends without a node), so the result is compared with
the elements of the file.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import networkx as nx
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring, tostring

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats.draft import Draft, check_counts
from depthscope.core.tasks.graph.formats.library import ask, draft_of


def read_graphml(data: str | bytes) -> Draft:
    """Read GraphML; a node's label is its data named label or name, or yEd's NodeLabel.

    Raises:
        InputError: If it is not well-formed, has a document type, or is not a plain graph.
    """
    return _read(data, "GraphML", "http://graphml.graphdrawing.org/xmlns", nx.read_graphml)


def read_gexf(data: str | bytes) -> Draft:
    """Read GEXF of any version.

    Raises:
        InputError: If it is not well-formed, has a document type, or is not a plain graph.
    """
    return _read(data, "GEXF", "http://gexf.net/1.3", nx.read_gexf)


def _read(data: str | bytes, kind: str, namespace: str, reader: Callable[[Any], nx.Graph]) -> Draft:
    root = _tree(data)
    own, _, name = root.tag.rpartition("}")
    if name != kind.lower():
        raise InputError(f"the file begins with <{name[:40]}> where <{kind.lower()}> was expected; choose its format")
    for element in root.iter():  # files without a namespace or with an older one are read as well
        space, _, name = element.tag.rpartition("}")
        if space == own:
            element.tag = f"{{{namespace}}}{name}"
    if len(root.findall(f"{{{namespace}}}graph")) > 1:
        raise InputError("the file holds more than one graph; keep one of them")
    for node in root.iterfind(f".//{{{namespace}}}node[{{{namespace}}}graph]"):
        node.set("yfiles.foldertype", "group")  # so that networkx reads graphs inside nodes too
    nodes = [_attribute(x, "id", f"node {i}") for i, x in enumerate(root.iter(f"{{{namespace}}}node"), 1)]
    edges = [
        (_attribute(x, "source", f"edge {i}"), _attribute(x, "target", f"edge {i}"))
        for i, x in enumerate(root.iter(f"{{{namespace}}}edge"), 1)
    ]
    check_counts(len(nodes), len(edges))
    layout = "it needs one <graph> with nodes and edges, all edges directed or all undirected"
    xml = ask(kind, layout, lambda: tostring(root))
    root.clear()  # while networkx makes a tree of its own
    graph = ask(kind, layout, lambda: reader(io.BytesIO(xml)))
    draft = draft_of(graph, nodes)
    if not all(graph.has_edge(*edge) for edge in edges):
        raise InputError("the file has edges that its graph does not hold directly; write them below it")
    return draft


def _tree(data: str | bytes) -> Element:
    try:
        return fromstring(data.lstrip("\ufeff \t\r\n") if isinstance(data, str) else data, forbid_dtd=True)
    except ParseError as error:
        line, column = error.position
        what = str(error).partition(":")[0]
        raise InputError(f"line {line}, column {column + 1}: the XML is broken ({what}); correct it") from None
    except DefusedXmlException:
        raise InputError(
            "the XML has a document type, which could define entities and is not read for safety; remove <!DOCTYPE ...>"
        ) from None
    except (LookupError, ValueError):
        raise InputError("the XML is in an encoding that cannot be read; save it as UTF-8") from None


def _attribute(element: Element, name: str, what: str) -> str:
    if name not in element.attrib:
        raise InputError(f"{what} has no {name}; add it")
    return element.attrib[name]
