"""GraphML and GEXF, read as a stream of elements: no tree is built, entities are refused.

networkx reads these too, but builds the document twice, refuses graphs with both kinds of edge, and names no line.
"""

from __future__ import annotations

import re

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, XMLParser

from core.errors import InputError
from core.tasks.graph_formats.draft import Draft, Listing

CHUNK = 1 << 16
DEFINITIONS = "the XML defines entities or defaults of its own, which are not read for safety; write them out"
DECLARED_ENCODING = re.compile(r"(<\?xml[^>]*?)\sencoding\s*=\s*(?:\"[^\"]*\"|'[^']*')")


def read_graphml(data: str | bytes) -> Draft:
    """Read GraphML; a node's label is its data named label or name, or yEd's NodeLabel.

    Raises:
        InputError: If it is not well-formed, has entities, or is not a plain graph.
    """
    return _read(data, _GraphML())


def read_gexf(data: str | bytes) -> Draft:
    """Read GEXF of any version.

    Raises:
        InputError: If it is not well-formed, has entities, or is not a plain graph.
    """
    return _read(data, _Gexf())


def _read(data: str | bytes, document: _Document) -> Draft:
    if isinstance(data, str):  # it is no longer in the encoding that it declares
        data = DECLARED_ENCODING.sub(r"\1", data.lstrip("\ufeff \t\r\n"), count=1).encode("utf-8", "replace")
    parser = XMLParser(target=document)
    parser.parser.StartDoctypeDeclHandler = _refuse_definitions
    try:
        for start in range(0, len(data), CHUNK):
            parser.feed(data[start : start + CHUNK])
        parser.close()
    except ParseError as error:
        line, column = error.position
        what = str(error).partition(":")[0]
        raise InputError(f"line {line}, column {column + 1}: the XML is broken ({what}); correct it") from None
    except DefusedXmlException:
        raise InputError(DEFINITIONS) from None
    except InputError:
        raise
    except (LookupError, ValueError):
        raise InputError("the XML is in an encoding that cannot be read; save it as UTF-8") from None
    return document.listing.draft()


def _refuse_definitions(name: str, system_id: str | None, public_id: str | None, has_definitions: bool) -> None:
    """A reference to a DTD is harmless, since it is never fetched; definitions can blow a small file up."""
    if has_definitions:
        raise InputError(DEFINITIONS)


class _Document:
    """Listens to the parser and lists nodes and edges."""

    kind: str

    def __init__(self) -> None:
        self.listing = Listing()
        self.n_open = 0
        self.n_edges = 0
        self.n_graphs = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element opens."""
        tag = tag.rpartition("}")[2]
        if self.n_open == 0 and tag != self.kind:
            raise InputError(f"the file begins with <{tag[:40]}> where <{self.kind}> was expected; choose its format")
        self.n_open += 1
        self.opened(tag, attributes)

    def end(self, tag: str) -> None:
        """An element closes."""
        self.n_open -= 1
        self.closed(tag.rpartition("}")[2])

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        """What to do with an element."""
        raise NotImplementedError

    def closed(self, tag: str) -> None:
        """What to do at its end."""

    def first_graph_only(self) -> None:
        """Count a graph that is not inside another, and refuse a second."""
        self.n_graphs += 1
        if self.n_graphs > 1:
            raise InputError("the file holds more than one graph; keep one of them")

    def ends(self, attributes: dict[str, str]) -> tuple[str, str]:
        """Source and target of an edge."""
        self.n_edges += 1
        source, target = attributes.get("source"), attributes.get("target")
        if source is None or target is None:
            raise InputError(f"edge {self.n_edges} has no {'source' if source is None else 'target'}; add it")
        return source, target

    def id(self, attributes: dict[str, str]) -> str:
        """The id of a node."""
        if "id" not in attributes:
            raise InputError(f"node {len(self.listing.labels) + 1} has no id; give it one")
        return attributes["id"]


class _GraphML(_Document):
    kind = "graphml"

    def __init__(self) -> None:
        super().__init__()
        self.label_keys: set[str] = set()
        self.directed: list[bool] = []  # of the graphs that are open
        self.nodes: list[str] = []  # that are open
        self.text: list[str] | None = None

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "key":
            if attributes.get("attr.name") in ("label", "name") and attributes.get("for", "all") in ("node", "all"):
                self.label_keys.add(attributes.get("id", ""))
        elif tag == "graph":
            if not self.directed:
                self.first_graph_only()
            self.directed.append(attributes.get("edgedefault", "directed") != "undirected")
        elif tag == "node":
            self.nodes.append(self.id(attributes))
            self.listing.node(self.nodes[-1])
        elif tag == "edge":
            default = self.directed[-1] if self.directed else True
            directed = {"true": True, "false": False}.get(attributes.get("directed", ""), default)
            self.listing.edge(*self.ends(attributes), directed)
        elif tag == "hyperedge":
            raise InputError("the file has hyperedges, which join more than two nodes; write them as edges")
        elif self.nodes and (tag == "NodeLabel" or (tag == "data" and attributes.get("key") in self.label_keys)):
            self.text = []

    def data(self, text: str) -> None:
        """Text between elements."""
        if self.text is not None:
            self.text.append(text)

    def closed(self, tag: str) -> None:
        if tag == "graph":
            self.directed.pop()
        elif tag == "node":
            self.nodes.pop()
        elif tag in ("data", "NodeLabel") and self.text is not None:
            label = "".join(self.text)
            self.listing.labels[self.nodes[-1]] = label if tag == "data" else label.strip()
            self.text = None


class _Gexf(_Document):
    kind = "gexf"

    def __init__(self) -> None:
        super().__init__()
        self.directed = False

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "graph":
            self.first_graph_only()
            self.directed = attributes.get("defaultedgetype") == "directed"
        elif tag == "node":
            self.listing.node(self.id(attributes), attributes.get("label"))
        elif tag == "edge":
            directed = {"directed": True, "undirected": False, "mutual": False}.get(
                attributes.get("type", ""), self.directed
            )
            self.listing.edge(*self.ends(attributes), directed)
