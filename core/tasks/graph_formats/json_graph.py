"""JSON graphs: node-link (networkx, D3) and Cytoscape.

networkx reads these too, but only its own dialect: Cytoscape's files without `value` and lists of elements fail there.
"""

from __future__ import annotations

import json
from typing import Any

from core.errors import InputError
from core.tasks.graph_formats.draft import Draft, Listing

UNSAID = "The file does not say whether its edges are directed; they were read as directed."


def read(text: str) -> Draft:
    """Read node-link JSON, or Cytoscape's if there are `elements`.

    Raises:
        InputError: If it is not JSON, or not a graph.
    """
    try:
        document = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}, column {error.colno}: not JSON ({error.msg}); correct it") from None
    except RecursionError:
        raise InputError("the JSON is nested too deeply; a graph needs only a few levels") from None
    except ValueError as error:  # an integer with thousands of digits
        raise (
            error if isinstance(error, InputError) else InputError("the JSON holds a number too long to read")
        ) from None
    if isinstance(document, list):
        document = {"elements": document}
    if not isinstance(document, dict):
        raise InputError("the JSON is not an object; a graph has the keys nodes and edges")
    try:
        return _read_cytoscape(document) if "elements" in document else _read_node_link(document)
    except RecursionError:
        raise InputError("the JSON is nested too deeply; a graph needs only a few levels") from None


def _refuse(constant: str) -> None:
    raise InputError(f"the JSON holds {constant}, which is not a number; remove it")


def _read_node_link(document: dict[str, Any]) -> Draft:
    listing = Listing()
    for i, node in enumerate(_objects(document, "nodes")):
        listing.node(_id(node.get("id", i), f"node {i + 1}"), _label(node))
    key = "edges" if "edges" in document else "links"
    directed = document.get("directed")
    for i, edge in enumerate(_objects(document, key), 1):
        listing.edge(*_ends(edge, i), directed is None or bool(directed))
    return _noted(listing, directed)


def _read_cytoscape(document: dict[str, Any]) -> Draft:
    elements = document["elements"]
    if isinstance(elements, list):
        data = [_data(x, f"element {i}") for i, x in enumerate(elements, 1)]
        nodes, edges = [x for x in data if "source" not in x], [x for x in data if "source" in x]
    elif isinstance(elements, dict):
        nodes = [_data(x, f"node {i}") for i, x in enumerate(_objects(elements, "nodes"), 1)]
        edges = [_data(x, f"edge {i}") for i, x in enumerate(_objects(elements, "edges", needed=False), 1)]
    else:
        raise InputError("`elements` is neither a list nor an object with nodes and edges; correct it")
    listing = Listing()
    for i, node in enumerate(nodes, 1):
        listing.node(_id(node.get("id"), f"node {i}"), _label(node))
    directed = document.get("directed")
    for i, edge in enumerate(edges, 1):
        listing.edge(*_ends(edge, i), directed is None or bool(directed))
    return _noted(listing, directed)


def _noted(listing: Listing, directed: object) -> Draft:
    draft = listing.draft()
    if directed is None:
        draft.notes.append(UNSAID)
    return draft


def _objects(document: dict[str, Any], key: str, needed: bool = True) -> list[dict[str, Any]]:
    found = document.get(key, None if needed else [])
    if not isinstance(found, list):
        raise InputError(f"the JSON has no list `{key}`; a graph has the keys nodes and edges (or links)")
    for i, item in enumerate(found, 1):
        if not isinstance(item, dict):
            raise InputError(f"item {i} of `{key}` is not an object; write it as {{...}}")
    return found


def _data(element: object, what: str) -> dict[str, Any]:
    data = element.get("data") if isinstance(element, dict) else None
    if not isinstance(data, dict):
        raise InputError(f"{what} of the Cytoscape file has no `data`; add it")
    return data


def _ends(edge: dict[str, Any], number: int) -> tuple[str, str]:
    for role in ("source", "target"):
        if role not in edge:
            raise InputError(f"edge {number} has no {role}; add it")
    source, target = (_id(edge[role], f"the {role} of edge {number}") for role in ("source", "target"))
    return source, target


def _id(value: object, what: str) -> str:
    """An id as text; networkx writes tuples as lists."""
    if isinstance(value, list):
        return str(tuple(value))
    if value is None or isinstance(value, dict):
        raise InputError(f"{what} has no id that is text or a number; give it one")
    return value if isinstance(value, str) else str(value)


def _label(node: dict[str, Any]) -> str | None:
    value = next((node[key] for key in ("label", "name") if node.get(key) not in (None, "")), None)
    return None if value is None else _id(value, "the label of a node")
