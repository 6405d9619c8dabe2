"""Edits run on what is open: the replay that `depthscope probe do` prints, and the edited run as a view beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.core.tasks.twins import Twin
from depthscope.probes.instruments import do, do_trace
from depthscope.probes.instruments.do import Replay
from depthscope.probes.reading import of_trace
from depthscope.ui.interventions import examples as intervention_examples
from depthscope.ui.interventions.edits import Edits
from depthscope.ui.interventions.examples import Offer
from depthscope.ui.visit.cache import fingerprint, recent
from depthscope.ui.visit.view import View
from depthscope.ui.work.work import Progress, Work

SEED = 0

LONG = 5000
"""Nodes x steps from which the edits are only run when a button asks for them: a second or two on one core."""

FEW = 40
"""A step takes as long for fewer nodes than this as for so many."""


@dataclass(frozen=True)
class Ran:
    """What edits made of the open run.

    Attributes:
        replay: As `probes.instruments.do` measures it, with its controls.
        after: The edited run, to be looked at beside the undisturbed one.
    """

    replay: Replay
    after: View


def twin_of(view: View) -> Twin | str:
    """The twin of the open instance, or the sentence why there is none."""

    def find() -> Twin | str:
        try:
            return twins.find(view.instance, SEED)
        except InputError as error:
            return str(error)

    return recent("twins", 64 << 20).make(fingerprint(view.instance, SEED), find)


def offers(view: View) -> list[Offer]:
    """The examples for what is open."""
    twin = twin_of(view)
    other = twin.instance if isinstance(twin, Twin) else None
    make = lambda: intervention_examples.examples(view.checkpoint, view.trace, other)  # noqa: E731
    return recent("edits offered", 8 << 20).make(view.key, make)


def is_long(view: View) -> bool:
    """Whether running edits takes more than a moment, so that a button has to ask for it."""
    return max(view.trace.n_nodes, FEW) * (view.trace.steps + 1) > LONG


def work_of(view: View, edits: Edits) -> Work:
    """The work of running the edits."""

    def make(progress: Progress) -> Iterator[Ran]:
        yield run(view, edits)

    return Work("edits", fingerprint(view.key, edits.texts, SEED), make, "lists of edits")


def run(view: View, edits: Edits) -> Ran:
    """Replays the edits with their controls, and keeps the edited run's states.

    Raises:
        InputError: If the edits do not fit, or need a twin that is not there.
    """
    steps = view.trace.steps
    if any(edit.kind == "patch" for edit in edits.program):
        twin = twin_of(view)
        if isinstance(twin, str):
            raise InputError(twin)
    replay = do.measure(view.checkpoint, [view.instance], steps=steps, seed=SEED, edit=edits.texts)
    assert isinstance(replay, Replay)
    taken = do_trace.material(view.checkpoint, view.instance, edits.program, steps, SEED)
    trace = do_trace.edited(view.checkpoint, view.trace, edits.program, taken)
    values, notes = of_trace.readings(view.checkpoint, trace)
    trace = replace(trace, notes=(*view.trace.notes, *notes))
    return Ran(replay, replace(view, trace=trace, readings=values, key=work_of(view, edits).key))
