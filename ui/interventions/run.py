"""Edits run on what is open: the replay that `depthscope probe do` prints, and the edited run as a view beside it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.core.tasks.twins import Twin
from depthscope.probes.instruments import do, do_trace
from depthscope.probes.instruments.do import Replay
from depthscope.probes.reading import of_trace
from depthscope.ui.interventions import examples as intervention_examples
from depthscope.ui.interventions.edits import Edits
from depthscope.ui.interventions.examples import Offer
from depthscope.ui.visit.cache import Recent, fingerprint, recent
from depthscope.ui.visit.selection import Example, Generated, Own
from depthscope.ui.visit.view import View
from depthscope.ui.work.job import Job

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

    return recent("twins", 64 << 20).make(fingerprint(view.instance, SEED), find, lambda _: 50_000)


def offers(view: View) -> list[Offer]:
    """The examples for what is open."""
    twin = twin_of(view)
    other = twin.instance if isinstance(twin, Twin) else None
    make = lambda: intervention_examples.examples(view.checkpoint, view.trace, other)  # noqa: E731
    return recent("edits offered", 8 << 20).make(view.key, make, lambda _: 5000)


def is_long(view: View) -> bool:
    """Whether running edits takes more than a moment, so that a button has to ask for it."""
    return max(view.trace.n_nodes, FEW) * (view.trace.steps + 1) > LONG


def key(view: View, edits: Edits) -> str:
    """Digest of all that an edited run depends on."""
    return fingerprint(view.key, edits.texts, SEED)


def found(view: View, edits: Edits) -> Ran | None:
    """The run of these edits, None if there was none yet."""
    return _kept().get(key(view, edits))


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
    made = Ran(replay, replace(view, trace=trace, readings=values, key=key(view, edits)))
    _kept().put(key(view, edits), made, _size(made))
    return made


def _kept() -> Recent:
    return recent("edited runs", 512 << 20)


def _size(made: Ran) -> int:
    arrays = [v for v in vars(made.after.trace).values() if isinstance(v, np.ndarray)]
    return sum(a.nbytes for a in (*arrays, *made.after.readings.values())) + 100_000


def job_of(kind: str, of: str) -> Job | None:
    """The work of this kind under way or ended for a digest, None if there was none."""
    digest, job = st.session_state.get(f"{kind} job", (None, None))
    return job if digest == of else None


def start(kind: str, of: str, work: Callable[[Callable[[int], None]], Iterator[object]], total: int, unit: str) -> None:
    """Starts work, and stops this visit's earlier work of the same kind."""
    before = st.session_state.get(f"{kind} job", (None, None))[1]
    if before is not None:
        before.cancel()
    st.session_state[f"{kind} job"] = of, Job(work, total, unit).start()


def run_later(view: View, edits: Edits) -> None:
    """Starts running the edits on a thread; for callbacks."""

    def work(progress: Callable[[int], None]) -> Iterator[Ran]:
        progress(0)
        yield run(view, edits)

    start("edits", key(view, edits), work, 1, "lists of edits")


def file_of(view: View) -> str:
    """Name of the file that holds the instance: the user's own, or as the page saves it."""
    origin = view.selection.origin
    if isinstance(origin, Own):
        return origin.file or "instance.txt"
    if isinstance(origin, Example):
        return f"{origin.name}.txt"
    assert isinstance(origin, Generated)
    return f"{view.instance.task}-{origin.difficulty}-{origin.seed}-{origin.answer}.txt"


def as_file(view: View) -> bytes:
    """The instance as that file holds it."""
    origin = view.selection.origin
    return origin.content if isinstance(origin, Own) else tasks.get(view.instance.task).render(view.instance).encode()


def instance_offer(view: View) -> tuple[str, str, str, Callable[[], bytes]]:
    """The instance to take away, under the name that the copied lines read it by."""
    return "Instance", file_of(view), "text/plain", lambda: as_file(view)


def _ends(view: View) -> dict[str, str]:
    graph = view.instance
    if graph.task != "graph":
        return {}
    return {"source": graph.names[graph.source], "target": graph.names[graph.target]}


def _format(view: View) -> str | None:
    origin = view.selection.origin
    return origin.format if isinstance(origin, Own) and view.instance.task == "graph" else None


def command(view: View, instrument: str, edits: Edits | None = None) -> str:
    """The line of a shell that computes the same numbers."""
    words = ["depthscope", "probe", instrument, view.checkpoint.name, file_of(view)]
    words += [f"--{end}={name}" for end, name in _ends(view).items()]
    words += [f"--format={_format(view)}"] if _format(view) else []
    words += ["--steps", str(view.trace.steps)]
    for text in edits.texts if edits is not None else ():
        words += ["--edit", text]
    return shlex.join([*words, "--json"])


def code(view: View, instrument: str, edits: Edits | None = None) -> str:
    """The lines of Python that compute the same numbers."""
    name, form = file_of(view), _format(view)
    ends = [repr(_ends(view).get(end)) for end in ("source", "target")]
    more = f", edit={edits.texts!r}" if edits is not None else ""
    return "\n".join(
        [
            "from pathlib import Path",
            "",
            "from depthscope.core import checkpoint",
            "from depthscope.core.tasks import many",
            f"from depthscope.probes.instruments import {instrument}",
            "",
            f"opened, name = checkpoint.load({view.checkpoint.name!r}), {name!r}",
            "content = Path(name).read_bytes()",
            f"own = many.parsed({view.instance.task!r}, content, {ends[0]}, {ends[1]}, name, {form!r})",
            f"result = {instrument}.measure(opened, [own], steps={view.trace.steps}{more})",
            f"print({instrument}.table(result))",
        ]
    )
