"""A graph while it is being read, the limits it must keep, and how it becomes an instance."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats.ends import choose_ends
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.tasks.wording import number_of

MAX_BYTES = 50_000_000
MAX_NODES = 200_000
MAX_EDGES = 2_000_000
MAX_LINE = 10_000_000  # characters
MAX_NESTING = 100


@dataclass
class Draft:
    """Nodes and edges in the order of the file, before loops and repeats are dropped.

    Attributes:
        index: Node number of each name.
        pairs: Node numbers of all edges one after another: from, to, from, to, ...
        n_undirected: How many edges were undirected and became two.
        source: Name of the source, where the file gives one.
        target: Name of the target, where the file gives one.
        aliases: Other names a user may call a node by (its id, where nodes go by their labels).
        notes: Sentences about what reading changed.
    """

    index: dict[str, int] = field(default_factory=dict)
    pairs: array[int] = field(default_factory=lambda: array("q"))
    n_undirected: int = 0
    source: str | None = None
    target: str | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def node(self, name: str) -> int:
        """The number of a node, a new one for a new name.

        Raises:
            InputError: If there are too many nodes.
        """
        number = self.index.get(name)
        if number is None:
            number = len(self.index)
            if number >= MAX_NODES:
                check_counts(number + 1)
            self.index[name] = number
        return number

    def edge(self, start: int, end: int, directed: bool = True) -> None:
        """Add an edge between two node numbers; an undirected one becomes two.

        Raises:
            InputError: If there are too many edges.
        """
        self.pairs.append(start)
        self.pairs.append(end)
        if not directed:
            self.n_undirected += 1
            if start != end:
                self.pairs.append(end)
                self.pairs.append(start)
        if len(self.pairs) > 2 * MAX_EDGES:
            check_counts(0, len(self.pairs) // 2)

    def finish(self, source: str | None, target: str | None) -> GraphInstance:
        """The instance: edges without loops and repeats, ends as asked for, as in the file, or chosen.

        Args:
            source: Name of the source; goes before the file's own.
            target: Name of the target; goes before the file's own.

        Raises:
            InputError: If there are no nodes, a label is not text, or an end is not a node.
        """
        names = tuple(self.index)
        if not names:
            raise InputError("the file holds no nodes; give at least one edge or one node")
        _check_text(names)
        notes = list(self.notes)
        if self.n_undirected:
            notes.append(f"{number_of(self.n_undirected, 'undirected edge')} became two directed ones each.")
        edges = np.array(self.pairs, dtype=np.int64).reshape(-1, 2)
        edges = _without_loops_and_repeats(edges, len(names), notes)
        ends = [
            self._name(self.source if source is None else source),
            self._name(self.target if target is None else target),
        ]
        GraphInstance(names, edges, 0, 0).asked(*ends)  # refuses names that are no nodes
        start, end = (None if name is None else self.index[name] for name in ends)
        start, end, note = choose_ends(names, edges, start, end)
        return GraphInstance(names, edges, start, end, tuple(notes + note))

    def _name(self, name: str | None) -> str | None:
        return name if name is None or name in self.index else self.aliases.get(name, name)


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    r"""The lines with their numbers from 1; ends are \n, \r\n or \r, and nothing else that Unicode calls a line.

    Raises:
        InputError: If a line is too long.
    """
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if len(line) > MAX_LINE:
            raise InputError(f"line {number} is over {MAX_LINE:,} characters, which is the limit; break it up")
        yield number, line


def check_counts(n_nodes: int, n_edges: int = 0) -> None:
    """Refuse a graph over the limits.

    Raises:
        InputError: If there are too many nodes or edges.
    """
    for n, limit, what in ((n_nodes, MAX_NODES, "nodes"), (n_edges, MAX_EDGES, "edges")):
        if n > limit:
            raise InputError(f"the graph has more than {limit:,} {what}, which is the limit; take a part of it")


def _without_loops_and_repeats(edges: np.ndarray, n_nodes: int, notes: list[str]) -> np.ndarray:
    """The (E, 2) edges with the first of each kept, in order; says in the notes what was dropped."""
    proper = edges[edges[:, 0] != edges[:, 1]]
    if len(proper) < len(edges):
        notes.append(f"{number_of(len(edges) - len(proper), 'self-loop')} dropped.")
    first = np.sort(np.unique(proper[:, 0] * n_nodes + proper[:, 1], return_index=True)[1])
    if len(first) < len(proper):
        notes.append(f"{number_of(len(proper) - len(first), 'repeated edge')} dropped.")
    return proper[first]


def _check_text(names: tuple[str, ...]) -> None:
    for i, name in enumerate(names):
        if not name.isascii() and any("\ud800" <= c <= "\udfff" for c in name):
            raise InputError(f"the label of node {i + 1} holds half of a surrogate pair, not a character; correct it")
