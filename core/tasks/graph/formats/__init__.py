"""Reading graphs from the formats people keep them in.

Here is the choice of the format and the check of the size; each format has a file of its own, which turns text into a
`Draft`, and the draft becomes the instance. Every reader is bounded, runs nothing, and fails with an InputError alone.
"""

from __future__ import annotations

import importlib
import re
from pathlib import PurePath

from depthscope.core.errors import InputError
from depthscope.core.tasks.decode import decode
from depthscope.core.tasks.graph.formats import table
from depthscope.core.tasks.graph.formats.draft import MAX_BYTES, MAX_EDGES, MAX_NODES, Draft
from depthscope.core.tasks.graph.formats.edge_list import render
from depthscope.core.tasks.graph.instance import GraphInstance

__all__ = ["FORMATS", "MAX_BYTES", "MAX_EDGES", "MAX_NODES", "parse", "render"]

FORMATS = ("edge-list", "table", "matrix", "npy", "graphml", "gml", "gexf", "node-link", "cytoscape", "pajek", "dot")
EXTENSIONS = {
    "txt": "edge-list", "edges": "edge-list", "edgelist": "edge-list", "el": "edge-list",
    "csv": "table", "tsv": "table", "npy": "npy", "graphml": "graphml", "gml": "gml", "gexf": "gexf",
    "json": "node-link", "cyjs": "cytoscape", "net": "pajek", "paj": "pajek", "dot": "dot", "gv": "dot",
}  # fmt: skip
BINARY = ("graphml", "gexf")
READERS = {
    "graphml": "markup.read_graphml",
    "gexf": "markup.read_gexf",
    "edge-list": "edge_list.read",
    "table": "table.read",
    "matrix": "table.read_matrix",
    "gml": "gml.read",
    "node-link": "json_graph.read",
    "cytoscape": "json_graph.read",
    "pajek": "pajek.read",
    "dot": "dot.read",
}
"""Readers, which are only imported when a file asks for one: some bring a library along that takes a while."""

SLOW = {  # limit in MB where a library reads: one takes lark up to 6 seconds, networkx 3 (GML) or 1 (the others)
    "dot": 2, "gml": 5, "graphml": 10, "gexf": 10, "node-link": 10, "cytoscape": 10,
}  # fmt: skip
NUMPY = b"\x93NUMPY"
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"PK\x03\x04": "zip", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
HEAD = 100_000  # characters in which a format without a name must show itself
SIGNS = (
    ("gexf", re.compile(r"\s*<(?=[^\0]{0,2000}<gexf\b)|\s*<gexf\b")),
    ("graphml", re.compile(r"\s*<[?!\w]")),
    ("node-link", re.compile(r"\s*[{\[]")),
    ("pajek", re.compile(r"(?:\s*%[^\n]*\n)*\s*\*(?:vertices|network)\b", re.IGNORECASE)),
    (
        "dot",
        re.compile(
            r"(?>\s|//[^\n]*|#[^\n]*|/\*(?s:.*?)\*/)*(?:strict\s+)?(?:di)?graph\b[^\n{\[]{0,200}\s*\{", re.IGNORECASE
        ),
    ),
    ("gml", re.compile(r"(?:\s*#[^\n]*\n|\s*(?:Creator|Version|comment)\b[^\n]*\n)*\s*graph\s*\[", re.IGNORECASE)),
)


def parse(
    text: str | bytes,
    filename: str | None = None,
    format: str | None = None,
    source: str | None = None,
    target: str | None = None,
) -> GraphInstance:
    """Read a graph.

    Args:
        text: The file's content.
        filename: Its name, whose extension tells the format; None to tell it from the content.
        format: One of FORMATS, or an extension; goes before the filename.
        source: Name of the source; None for the file's own, or else one far from the target.
        target: Name of the target, likewise.

    Returns:
        The instance; its notes say what reading changed and chose.

    Raises:
        InputError: If the file is too big, cannot be read as the format, or an end is not a node.
    """
    if len(text) > MAX_BYTES:
        raise InputError(f"the file is over {MAX_BYTES // 1_000_000} MB, which is the limit; take a part of the graph")
    chosen = _named_format(filename, format)
    if isinstance(text, bytes):
        for sign, packer in PACKED.items():
            if text.startswith(sign):
                raise InputError(f"the file is packed with {packer}; unpack it first")
    is_array = chosen == "npy" or (isinstance(text, bytes) and text.startswith(NUMPY))
    if is_array and chosen in (None, "npy", "table", "matrix", "edge-list"):
        data = text if isinstance(text, bytes) else b""
        draft = table.read_npy(data, {"matrix": True, "edge-list": False}.get(chosen or ""))
    else:
        draft = _read(text, chosen, filename)
    return draft.finish(source, target)


def _read(data: str | bytes, chosen: str | None, filename: str | None) -> Draft:
    text = "" if chosen in BINARY else decode(data)
    head = text.lstrip()[:HEAD]
    chosen = chosen or next((name for name, sign in SIGNS if sign.match(head)), "edge-list")
    limit = SLOW.get(chosen)
    if limit is not None and len(data) > limit * 1_000_000:
        raise InputError(f"the file is over {limit} MB, which is the limit for {chosen}; save it as an edge list")
    if chosen == "edge-list" and _extension(filename) in ("csv", "tsv"):
        return table.read(text, as_matrix=False)
    module, function = READERS[chosen].split(".")
    read = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return read(data if chosen in BINARY else text)


def _extension(filename: str | None) -> str:
    return PurePath(filename or "").suffix.lower().removeprefix(".")


def _named_format(filename: str | None, format: str | None) -> str | None:
    """The format that is asked for or that the extension tells; None if neither does."""
    if format is not None:
        wanted = format.lower().removeprefix(".")
        if wanted in FORMATS:
            return wanted
        if wanted in EXTENSIONS:
            return EXTENSIONS[wanted]
        raise InputError(f"there is no format {format[:40]!r}; the formats are {', '.join(FORMATS)}")
    extension = _extension(filename)
    if not extension:
        return None
    if extension not in EXTENSIONS:
        known = ", ".join(EXTENSIONS)
        raise InputError(f"the extension {extension[:40]!r} is not one of {known}; rename the file or name its format")
    return EXTENSIONS[extension]
