"""Asking a networkx reader for a graph: its errors become ours, and its graph a draft."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import networkx as nx

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats.draft import Draft

# What its readers raise on input they do not expect: they check little, and pass on what their code stumbles on.
STUMBLES = (
    nx.NetworkXException, ValueError, LookupError, TypeError, AttributeError, NameError, RuntimeError, StopIteration,
    ArithmeticError, SyntaxError,
)  # fmt: skip
PLACE = re.compile(r"(.*) at \((\d+), \d+\)", re.DOTALL)
Answer = TypeVar("Answer")


def ask(kind: str, layout: str, reader: Callable[[], Answer]) -> Answer:
    """Call a reader of networkx.

    Args:
        kind: Name of the format.
        layout: What it needs, as a clause for errors.
        reader: Calls networkx.

    Raises:
        InputError: For whatever it stumbles on, with the line where it tells one.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return reader()
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"the {kind} is nested too deeply; a graph needs only a few levels") from None
    except STUMBLES as error:
        place = PLACE.fullmatch(str(error))
        what, where = (place[1], f"line {place[2]}: ") if place else (str(error), "")
        what = f"{what} is missing" if isinstance(error, KeyError) else " ".join(what.split())
        detail = f" ({what[:150]})" if isinstance(error, nx.NetworkXException | ValueError | KeyError) else ""
        raise InputError(f"{where}the {kind} cannot be read{detail}; {layout}") from None


def draft_of(graph: nx.Graph, declared: Sequence[Hashable]) -> Draft:
    """The draft; nodes go by their labels (or names) where every node has one of its own, else by their ids.

    Args:
        graph: What networkx read.
        declared: The nodes the file declares; networkx merges those that are alike and makes up missing ones.

    Raises:
        InputError: If two nodes have one id, or an edge names a node that is not declared.
    """
    known = set(declared)
    for node in graph:
        if node not in known:
            raise InputError(f"an edge names the node {repr(node)[:80]}, which the file does not declare; add it")
    for name, n_named in Counter(map(str, declared)).most_common(1):
        if n_named > 1:
            raise InputError(f"two nodes have the id {name[:80]!r}; give each its own")
    if len(graph) < len(declared):
        raise InputError("some nodes are alike, or stand outside the graph; give each its own id, in one plain graph")
    draft = Draft()
    ids = [str(node) for node in graph]
    labels = [_label(data) for _, data in graph.nodes(data=True)]
    if all(labels) and len(set(labels)) == len(labels):
        draft.aliases = dict(zip(ids, labels, strict=True))
        if ids != labels:
            draft.notes.append("Nodes go by their labels, not by their ids.")
    elif any(labels):
        draft.notes.append("Nodes go by their ids, since some labels are missing or repeat.")
    number = {node: draft.node(draft.aliases.get(name, name)) for node, name in zip(graph, ids, strict=True)}
    for start, end in graph.edges():
        draft.edge(number[start], number[end], graph.is_directed())
    return draft


def _label(data: dict[str, object]) -> str:
    texts = (str(data[key]) for key in ("label", "name") if isinstance(data.get(key), str | int | float))
    return next(filter(None, texts), "")
