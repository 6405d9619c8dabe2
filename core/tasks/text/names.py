"""Names for checkpoints that know only the paper's twenty."""

from __future__ import annotations

from depthscope.core.errors import InputError
from depthscope.core.tasks.text.instance import NAMES, TOKEN, TextInstance


def known_names(instance: TextInstance) -> tuple[list[int], tuple[str, ...]]:
    """A name of the vocabulary for every person: names among the twenty keep their own, others get free ones in order.

    Returns:
        The token id of each person's name, and a sentence that shows who was renamed, if anyone was.

    Raises:
        InputError: If there are more people than names.
    """
    if instance.n_names > len(NAMES):
        raise InputError(
            f"the text names {instance.n_names:,} people but this checkpoint knows only {len(NAMES)} names; "
            "take a shorter text or a checkpoint that takes any names"
        )
    free = iter([name for name in NAMES if name not in instance.names])
    given = [name if name in NAMES else next(free) for name in instance.names]
    renamed = [f"{name[:40]} is {new}" for name, new in zip(instance.names, given, strict=True) if name != new]
    notes = (f"This checkpoint knows only {len(NAMES)} names: {', '.join(renamed)}.",) if renamed else ()
    return [TOKEN[name] for name in given], notes
