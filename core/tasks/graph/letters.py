"""Names for checkpoints that know only the letters A to Z."""

from __future__ import annotations

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.instance import LETTERS, GraphInstance


def letter_names(instance: GraphInstance) -> tuple[list[int], tuple[str, ...]]:
    """A letter for every node: single letters A..Z keep their own, other names get free ones in order.

    Returns:
        The token id of each node's letter, 1 (A) to 26 (Z), and a sentence that shows who was renamed, if any was.

    Raises:
        InputError: If there are more nodes than letters.
    """
    if instance.n_nodes > len(LETTERS):
        raise InputError(
            f"the graph has {instance.n_nodes:,} nodes but this checkpoint knows only {len(LETTERS)} names (A to Z); "
            "take a smaller graph or a checkpoint without names"
        )
    free = iter([letter for letter in LETTERS if letter not in instance.names])
    letters = [name if name in LETTERS else next(free) for name in instance.names]
    renamed = [f"{name[:40]!r} is {new}" for name, new in zip(instance.names, letters, strict=True) if name != new]
    notes = (f"This checkpoint knows only the names A to Z: {', '.join(renamed)}.",) if renamed else ()
    return [LETTERS.index(letter) + 1 for letter in letters], notes
