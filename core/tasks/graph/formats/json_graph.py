"""JSON graphs, by networkx: node-link (networkx, D3) and Cytoscape, whose own files are brought to networkx's form."""

from __future__ import annotations

import json
from typing import Any

import networkx as nx

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats.draft import Draft, check_counts
from depthscope.core.tasks.graph.formats.library import ask, draft_of

NODE_LINK = "it needs the lists `nodes`, and `edges` or `links` of objects with source and target"
CYTOSCAPE = "it needs `elements`, each with `data` that has an id, or a source and a target"
UNSAID = "The file does not say whether its edges are directed; they were read as directed."


def read(text: str) -> Draft:
    """Read node-link JSON, or Cytoscape's if there are `elements`.

    Raises:
        InputError: If it is not JSON, or not a graph.
    """
    document = _load(text)
    if isinstance(document, list):
        document = {"elements": document}
    if not isinstance(document, dict):
        raise InputError("the JSON is not an object; a graph has the keys nodes and edges")
    says_directed = document.get("directed") is not None
    document = {"graph": {}, "data": {}, **document} | ({} if says_directed else {"directed": True})
    if "elements" in document:
        draft = ask("Cytoscape JSON", CYTOSCAPE, lambda: _cytoscape(document))
    else:
        draft = ask("node-link JSON", NODE_LINK, lambda: _node_link(document))
    if not says_directed:
        draft.notes.append(UNSAID)
    return draft


def _load(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}, column {error.colno}: not JSON ({error.msg}); correct it") from None
    except RecursionError:
        raise InputError("the JSON is nested too deeply; a graph needs only a few levels") from None
    except InputError:
        raise
    except ValueError:  # an integer with thousands of digits
        raise InputError("the JSON holds a number too long to read") from None


def _refuse(constant: str) -> None:
    raise InputError(f"the JSON holds {constant}, which is not a number; remove it")


def _node_link(document: dict[str, Any]) -> Draft:
    key = "edges" if "edges" in document else "links"
    check_counts(len(document["nodes"]), len(document[key]))
    graph = nx.node_link_graph(document, edges=key)
    ids = [node.get("id", i) for i, node in enumerate(document["nodes"])]
    return draft_of(graph, [tuple(x) if isinstance(x, list) else x for x in ids])  # tuples were written as lists


def _cytoscape(document: dict[str, Any]) -> Draft:
    """Read by ids as text: networkx wants a `value` in each node, which only its own files have."""
    elements = document["elements"]
    if isinstance(elements, list):
        elements = {
            "nodes": [x for x in elements if "source" not in x["data"]],
            "edges": [x for x in elements if "source" in x["data"]],
        }
    elements = {"edges": [], **elements}
    check_counts(len(elements["nodes"]), len(elements["edges"]))
    for node in elements["nodes"]:
        node["data"]["value"] = _id(node["data"]["id"])
    for edge in elements["edges"]:
        edge["data"] |= {role: _id(edge["data"][role]) for role in ("source", "target")}
    graph = nx.cytoscape_graph(document | {"elements": elements})
    return draft_of(graph, [node["data"]["value"] for node in elements["nodes"]])


def _id(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise ValueError(f"the id {str(value)[:40]!r} is neither text nor a number")
    return str(value)
