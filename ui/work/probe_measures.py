"""Instruments on drawn instances: what is asked, measured by a button, and shown by whoever knows the figures.

Instances, instrument and numbers are those of `depthscope probe NAME`; the command stands below each result.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import streamlit as st

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks import concepts
from depthscope.probes import registry as instruments
from depthscope.probes.measuring import instances as subjects
from depthscope.probes.reading import linear_probe, margins as reading
from depthscope.ui.shell.sidebar import DIFFICULTY
from depthscope.ui.visit import view as opening, visit
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.widgets.card import card
from depthscope.ui.widgets.plot import take_away
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import work as background
from depthscope.ui.work.difficulty import difficulties
from depthscope.ui.work.work import Progress, Work

MAX_INSTANCES = 2000
READERS = {reading.READOUT: "The model's readout", reading.PROBE: "Stored probes"}


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        instrument: Name of the instrument, and of its page of documentation.
        title: Of the card.
        asks: What is measured, while nothing is.
        unit: What its progress counts.
        instances: Drawn at first, for models over edges and for others.
        hard: Whether the first difficulty lies beyond the trained ones.
        reads: Whether one can choose who reads the nodes.
        show: Draws a result; called with it, and a name for files.
        csv: The numbers of a result as a table.
    """

    instrument: str
    title: str
    asks: str
    unit: str
    instances: tuple[int, int]
    show: Callable[[Any, str], None]
    csv: Callable[[Any], str]
    hard: bool = False
    reads: bool = False


@dataclass(frozen=True)
class Asked:
    """What one measurement is of.

    Attributes:
        instrument: Name of the instrument.
        checkpoint: Name of the checkpoint.
        difficulty: Range, as the command line takes it.
        instances: Of each difficulty.
        seed: Of the instances and all else.
        reader: Who reads the nodes, where that can be chosen.
    """

    instrument: str
    checkpoint: str
    difficulty: str
    instances: int
    seed: int = 0
    reader: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """Arguments of the instrument's own."""
        return {} if self.reader is None else {"reader": self.reader}


def command(asked: Asked) -> str:
    """The line of a shell that computes the same numbers."""
    words = ["depthscope", "probe", asked.instrument, asked.checkpoint]
    words += ["--difficulty", asked.difficulty.replace(" ", ""), "--instances", str(asked.instances)]
    words += [f"--{name}={value}" for name, value in asked.options.items()]
    return shlex.join([*words, "--seed", str(asked.seed), "--json"])


def code(asked: Asked) -> str:
    """The lines of Python that compute the same numbers."""
    more = "".join(f", {name}={value!r}" for name, value in asked.options.items())
    drawn = f"{difficulties(asked.difficulty)}, {asked.instances}, seed={asked.seed}"
    return "\n".join(
        [
            "from depthscope.core import checkpoint",
            "from depthscope.probes import registry",
            "from depthscope.probes.measuring import instances",
            "",
            f"opened = checkpoint.load({asked.checkpoint!r})",
            f"drawn = instances.draw(opened, {drawn})",
            f"measure = registry.get({asked.instrument!r})",
            f"result = measure(opened, drawn, seed={asked.seed}{more})",
            "print(measure.table(result))",
        ]
    )


def work_of(asked: Asked, checkpoint: Checkpoint, unit: str) -> Work:
    """The work behind a measurement.

    Raises:
        InputError: If the difficulty is no range, or harder than a page draws.
    """
    levels = difficulties(asked.difficulty)
    most = opening.MOST[checkpoint.config.task]["audited"]
    if levels[-1] > most:
        raise InputError(f"The page draws instances up to difficulty {most} for this task.")
    probe = linear_probe.load(checkpoint)
    stored = () if probe is None else (probe.weight, probe.bias)

    def run(progress: Progress) -> Iterator[Any]:
        drawn = subjects.draw(checkpoint, levels, asked.instances, seed=asked.seed)
        measure, options = instruments.get(asked.instrument), dict[str, Any](asked.options)
        yield measure(checkpoint, drawn, seed=asked.seed, progress=progress, **options)

    return Work(asked.instrument, fingerprint(checkpoint.sha256, asked, *stored), run, unit)


def draw(checkpoint: Checkpoint, what: Section) -> None:
    """A section: the form, the work under way, and the result once there is one."""
    with card(what.title, what.instrument, height="content"), visit.error_box():
        unfit = instruments.get(what.instrument).unfit(checkpoint)
        if unfit is not None:
            st.info(plain(whole(f"{what.title} does not apply to {checkpoint.name}: {unfit}")))
            return
        asked = _form(checkpoint, what)
        found = None
        if asked is not None:
            work = work_of(asked, checkpoint, what.unit)
            found = background.result(work)
            running = found is None and background.under_way(work)
            if found is None and not running:
                asked = None
        if asked is None:
            st.caption(what.asks)
        elif found is not None:
            name = re.sub(r"[^\w.-]", "-", f"{checkpoint.name}-{what.instrument}")
            what.show(found, name)
            _take_away(asked, found, what, name)


def _form(checkpoint: Checkpoint, what: Section) -> Asked | None:
    """Which instances; what was asked last, None before."""
    state, name = st.session_state, f"{what.instrument} {checkpoint.name}"
    first = _first(checkpoint, what)
    readers = _readers(checkpoint) if what.reads else []
    keys = {x: f"probe {x} {name}" for x in ("difficulty", "instances", "seed", "reader")}

    def submit() -> None:
        def said(x: str) -> Any:
            value = state.get(keys[x])
            return getattr(first, x) if value is None else value

        reader = said("reader") if readers else None
        asked = Asked(what.instrument, checkpoint.name, said("difficulty"), said("instances"), said("seed"), reader)
        state[f"asked {name}"] = asked
        try:
            work = work_of(asked, checkpoint, what.unit)
        except InputError:
            return  # the coming run says it in the section
        if background.result(work) is None:
            background.start(work)

    for x, key in keys.items():
        state.setdefault(key, getattr(state.get(f"asked {name}", first), x))
    with st.form(f"form {name}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            DIFFICULTY[checkpoint.config.task], key=keys["difficulty"], help="Such as 5, 1-12 or 1-12,20.", width=150
        )
        st.number_input("Of each", 1, MAX_INSTANCES, key=keys["instances"], width=112)
        st.number_input("Seed", 0, 2**31 - 1, key=keys["seed"], width=104)
        if readers:
            st.selectbox("Read by", readers, key=keys["reader"], format_func=READERS.__getitem__, width=190)
        st.form_submit_button("Measure", on_click=submit, key=f"measure {what.instrument}")
    return state.get(f"asked {name}")


def _first(checkpoint: Checkpoint, what: Section) -> Asked:
    """What the form holds when nobody has said anything."""
    hardest = subjects.trained(checkpoint)
    if what.hard:
        hardest = concepts.concept_for(checkpoint.config).harder
    count = what.instances[checkpoint.config.attention != "edges"]
    reader = (_readers(checkpoint) or [None])[0] if what.reads else None
    return Asked(what.instrument, checkpoint.name, str(hardest), count, reader=reader)


def _readers(checkpoint: Checkpoint) -> list[str]:
    """Who can read the nodes, the one that reads by default first."""
    has = {reading.READOUT: checkpoint.config.reads_nodes, reading.PROBE: linear_probe.load(checkpoint) is not None}
    return [name for name, there in has.items() if there]


def _take_away(asked: Asked, found: Any, what: Section, name: str) -> None:
    offers = [
        ("All as CSV", f"{name}.csv", "text/csv", lambda: what.csv(found)),
        ("JSON", f"{name}.json", "application/json", lambda: dumps(found)),
    ]
    take_away(what.instrument, offers, command(asked), code(asked))
