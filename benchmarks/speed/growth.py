"""How attention over edges grows with the graph, beside attention over all pairs.

    python -m benchmarks.speed.growth [--rounds 5] [--json]

Slopes of time and of memory over the number of nodes, both as logarithms, at five edges a node; every size runs in a
process of its own (`benchmarks.speed.scale`), once a round.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.speed.figure import Figure, absolute, main
from benchmarks.speed.scale import DENSE_SIZES, EDGE_SIZES, apart, slopes


def measure(rounds: int) -> Sequence[Figure]:
    """Four slopes."""
    figures = []
    for kind, sizes, asked in (("edges", EDGE_SIZES, 1.1), ("all pairs", DENSE_SIZES, None)):
        each = [slopes([apart("attention", nodes=n, dense=kind != "edges") for n in sizes]) for _ in range(rounds)]
        for what in ("time", "memory"):
            title = f"log-log slope of attention over {kind}, {what}, {sizes[0]:,} to {sizes[-1]:,} nodes"
            figures.append(absolute(title, [row[f"{what}_slope"] for row in each], "", "less", asked))
    return figures


if __name__ == "__main__":
    main(measure, __doc__, 5)
